/* What the calls of imports take and show. */
#include "call/stored.h"
#include "resource/customer/import_job.h"

#define FIELD_STRUCT struct import_job

static const char *const formats[] = {
	[SHEET_NDJSON] = "ndjson",
	[SHEET_CSV] = "csv",
};

static const char *const conflicts[] = {
	[IMPORT_SKIP] = "skip",
	[IMPORT_UPDATE] = "update",
	[IMPORT_FAIL] = "fail",
};

static const struct field_list format_list = {
	.names = formats,
	.count = COUNTOF(formats),
	.fault = "must be csv or ndjson",
};

static const struct field_list conflict_list = {
	.names = conflicts,
	.count = COUNTOF(conflicts),
	.fault = "must be skip, update or fail",
};

static const struct field_in fields_in[] = {
	{ "format", FIELD_IN(FORMAT, format), FIELD_CHOICE, FIELD_REQUIRED, 0, V_FIRST, V_ENDLESS,
	    &format_list },
	{ "dryRun", FIELD_IN(DRY, dry), FIELD_BOOL, 0, 0, V_FIRST, V_ENDLESS, NULL },
	{ "onConflict", FIELD_IN(CONFLICT, conflict), FIELD_CHOICE, 0, 0, V_FIRST, V_ENDLESS,
	    &conflict_list },
	{ "keepCreatedAt", FIELD_IN(KEEP, keep_created_at), FIELD_BOOL, 0, 0, V_FIRST, V_ENDLESS,
	    NULL },
};

static const struct field_out fields_out[] = {
	{ FIELD_OUT("id", ID, id), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("status", TEXT, status), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("format", TEXT, format), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("dryRun", BOOL, dry), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("onConflict", TEXT, conflict), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("keepCreatedAt", BOOL, keep_created_at), IMPORT_SHOWN, V_FIRST, V_ENDLESS,
	    NULL },
	{ FIELD_OUT("parts", INT, parts), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("bytes", INT, bytes), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("bytesDone", INT, bytes_done), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("lines", INT, lines), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("read", INT, read), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("created", INT, created), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("existing", INT, existing), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("updated", INT, updated), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("failed", INT, failed), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("reason", TEXT, reason), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("createdAt", TIME, created_ms), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("startedAt", TIME, started_ms), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("endedAt", TIME, ended_ms), IMPORT_SHOWN, V_FIRST, V_ENDLESS, NULL },
};

static const struct member columns[] = {
	[COL_IMPORT_JOB_ID] = FIELD_KEPT(UUID, id),
	[COL_IMPORT_JOB_STATUS] = FIELD_KEPT(TEXT, status),
	[COL_IMPORT_JOB_FORMAT] = FIELD_KEPT(TEXT, format),
	[COL_IMPORT_JOB_DRY] = FIELD_KEPT(BOOL, dry),
	[COL_IMPORT_JOB_CONFLICT] = FIELD_KEPT(TEXT, conflict),
	[COL_IMPORT_JOB_KEEP_CREATED_AT] = FIELD_KEPT(BOOL, keep_created_at),
	[COL_IMPORT_JOB_PARTS] = FIELD_KEPT(I64, parts),
	[COL_IMPORT_JOB_BYTES] = FIELD_KEPT(I64, bytes),
	[COL_IMPORT_JOB_CHECKED] = FIELD_KEPT(BOOL, checked),
	[COL_IMPORT_JOB_AT_BYTES] = FIELD_KEPT(I64, at_bytes),
	[COL_IMPORT_JOB_LINES] = FIELD_KEPT(I64, lines),
	[COL_IMPORT_JOB_CREATED] = FIELD_KEPT(I64, created),
	[COL_IMPORT_JOB_EXISTING] = FIELD_KEPT(I64, existing),
	[COL_IMPORT_JOB_UPDATED] = FIELD_KEPT(I64, updated),
	[COL_IMPORT_JOB_FAILED] = FIELD_KEPT(I64, failed),
	[COL_IMPORT_JOB_REASON] = FIELD_KEPT(TEXT, reason),
	[COL_IMPORT_JOB_CREATED_AT] = FIELD_KEPT(TIME, created_ms),
	[COL_IMPORT_JOB_STARTED_AT] = FIELD_KEPT(TIME, started_ms),
	[COL_IMPORT_JOB_ENDED_AT] = FIELD_KEPT(TIME, ended_ms),
};

_Static_assert(COUNTOF(columns) == COL_IMPORT_JOB__COUNT, "a column without a member");

static void
derive(void *what)
{
	struct import_job *job = what;

	job->bytes_done = job->checked ? job->at_bytes : 0;
	job->read = job->created + job->existing + job->updated + job->failed;
}

const struct fields import_job_fields = {
	.object = "import",
	.prefix = STR("imp_"),
	.missing = ERR_IMPORT_NOT_FOUND,
	.missing_message = "There is no import with this id.",
	.derive = derive,
	FIELD_TABLES,
};

void
import_job_rules(const struct import_job *job, struct import_rules *rules,
    enum sheet_format *format)
{
	*rules = (struct import_rules) { .created_at = job->keep_created_at };
	for (size_t i = 0; i < COUNTOF(conflicts); i++)
		if (str_is(job->conflict, conflicts[i]))
			rules->conflict = (enum import_conflict)i;
	*format = str_is(job->format, formats[SHEET_CSV]) ? SHEET_CSV : SHEET_NDJSON;
}
