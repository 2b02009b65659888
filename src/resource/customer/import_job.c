/* The calls of imports. */
#include "resource/customer/import_job.h"
#include "base/limits.h"
#include "call/page.h"
#include "call/stored.h"

/* ---- one, and all */

enum err
import_job_get(struct call *c)
{
	struct tx tx;

	bind_id(call_read(c, &tx, SQL_IMPORT_JOB_GET), stored_id(c, &import_job_fields, 0));
	return stored_get(c, &import_job_fields, &tx, IMPORT_SHOWN);
}

enum err
import_job_list(struct call *c)
{
	return stored_list(c, &import_job_fields, SQL_IMPORT_JOB_LIST, IMPORT_SHOWN);
}

/* ---- a file in a body */

/* The type without its parameters. */
static bool
has_type(const struct call *c, const char *type)
{
	struct str value = c->req->header[HEADER_CONTENT_TYPE], name;

	if (!value.ptr)
		return false;
	name = str_cut(&value, ';');
	return str_eq_nocase(str_trim(name), str_of(type));
}

static enum err
check_file(struct call *c)
{
	if (c->req->body_too_large)
		return call_fail(c, ERR_TOO_LARGE, NULL,
		    "The body is too large: more than 8 MiB of a file are sent in parts.");
	if (c->req->body.len == 0)
		call_field(c, "body", "must not be empty");
	return call_fields_done(c);
}

static void
bind_part(struct call *c, struct bind *b, int64_t number)
{
	unsigned char *digest = ARENA_NEW(c->arena, unsigned char, HASH_BYTES);

	hash_parts(&c->req->body, 1, digest);
	bind_i64(b, number);
	bind_text(b, (struct str) { (const char *)digest, HASH_BYTES });
	bind_text(b, c->req->body);
	bind_i64(b, c->conf->import_max_bytes);
}

/* ---- a new one */

struct making {
	struct import_job job;
	bool              file;   /* the body is the file */
	size_t            shown;  /* the step that reads it */
};

enum { CREATE_TURN, CREATE_MADE };

static void
read_choice(struct call *c, const char *name, const char *const *words, struct str *out)
{
	struct str value;

	if (!call_parameter(c, name, &value) || !value.ptr)
		return;
	for (const char *const *word = words; *word; word++) {
		if (str_is(value, *word)) {
			*out = value;
			return;
		}
	}
	call_field(c, name, words[2] ? "must be skip, update or fail" : "must be csv or ndjson");
}

static void
read_flag(struct call *c, const char *name, bool *out)
{
	struct str value;

	if (call_parameter(c, name, &value) && value.ptr)
		page_flag(c, name, value, out);
}

/* The rules of a body that is a file stand in the query. */
static enum err
read_query(struct call *c, struct import_job *job)
{
	static const char *const formats[] = { "csv", "ndjson", NULL };
	static const char *const conflicts[] = { "skip", "update", "fail", NULL };

	job->format = has_type(c, "text/csv") ? STR("csv") : STR("ndjson");
	read_choice(c, "format", formats, &job->format);
	read_choice(c, "onConflict", conflicts, &job->conflict);
	read_flag(c, "dryRun", &job->dry);
	read_flag(c, "keepCreatedAt", &job->keep_created_at);
	return call_fields_done(c);
}

static enum err
read_rules(struct call *c, struct making *m)
{
	struct str value;
	enum err   e;

	m->job = (struct import_job) { .id = id_new(), .conflict = STR("skip") };
	if (!call_parameter(c, "format", &value))
		return call_fields_done(c);
	m->file = value.ptr || has_type(c, "text/csv") || has_type(c, "application/x-ndjson");
	if (!m->file)
		return field_read_body(c, &import_job_fields, FIELD_CREATE, &m->job);
	e = read_query(c, &m->job);
	return e != ERR_OK ? e : check_file(c);
}

static enum err
make_created(struct write *w, void *what)
{
	const struct making *m = what;
	struct row           row = write_row(w, CREATE_MADE, 0);

	if (!row_bool(&row, COL_IMPORT_JOB_CREATE_MADE))
		return call_fail(w->call, ERR_IMPORT_LIMIT, NULL,
		    arena_fmt(w->call->arena, "There are %jd imports that have not ended, and no "
			"more may be. Wait for one to end, or cancel one.",
			(intmax_t)w->call->conf->imports_open).ptr);
	return stored_returned(w, m->shown, 201, &import_job_fields, IMPORT_SHOWN);
}

static void
bind_making(struct write *w, const struct import_job *job)
{
	struct call *c = w->call;
	struct bind *b = write_step(w, SQL_IMPORT_JOB_CREATE);

	bind_id(b, &job->id);
	bind_text(b, job->format);
	bind_bool(b, job->dry);
	bind_text(b, job->conflict);
	bind_bool(b, job->keep_created_at);
	bind_id(b, id_is_nil(&c->tenant.key) ? NULL : &c->tenant.key);
	bind_text(b, call_source(c));
	bind_i64(b, c->conf->imports_open);
}

enum err
import_job_create(struct call *c)
{
	static const struct answers answers = { .make = make_created };
	struct making *m = ARENA_NEW(c->arena, struct making, 1);
	struct write   w;
	struct bind   *b;
	enum err       e = read_rules(c, m);

	if (e != ERR_OK)
		return e;
	write_begin(&w, c);
	(void)write_step(&w, SQL_IMPORT_JOB_TURN);
	bind_making(&w, &m->job);
	if (m->file) {
		b = write_step(&w, SQL_IMPORT_PART_PUT);
		bind_id(b, &m->job.id);
		bind_part(c, b, 1);
		bind_id(write_step(&w, SQL_IMPORT_JOB_START), &m->job.id);
	}
	bind_id(write_step(&w, SQL_IMPORT_JOB_GET), &m->job.id);
	m->shown = w.tx.steps - 1 - w.first;
	return write_run(&w, &answers, m);
}

/* ---- what changes one: it is locked, changed and shown */

enum { STEP_LOCK, STEP_CHANGE, STEP_SHOW };

static enum err
conflict(struct call *c, const char *message)
{
	return call_fail(c, ERR_CONFLICT, "id", message);
}

static struct str
status_of(const struct write *w, size_t step)
{
	struct row row = write_row(w, step, 0);

	return row_text(&row, step == STEP_SHOW ? COL_IMPORT_JOB_STATUS
						: COL_IMPORT_JOB_LOCK_STATUS);
}

static enum err
change(struct call *c, enum sql_id statement, bool part, int64_t number,
    const struct answers *answers)
{
	const struct id *id = stored_id(c, &import_job_fields, 0);
	struct write     w;
	struct bind     *b;

	write_begin(&w, c);
	bind_id(write_step(&w, SQL_IMPORT_JOB_LOCK), id);
	b = write_step(&w, statement);
	bind_id(b, id);
	if (part)
		bind_part(c, b, number);
	bind_id(write_step(&w, SQL_IMPORT_JOB_GET), id);
	return write_run(&w, answers, NULL);
}

static enum err
show(struct write *w)
{
	return stored_returned(w, STEP_SHOW, 200, &import_job_fields, IMPORT_SHOWN);
}

static enum err
make_part(struct write *w, void *what UNUSED)
{
	struct call *c = w->call;
	struct row   row;

	if (write_rows(w, STEP_LOCK) == 0)
		return stored_missing(c, &import_job_fields);
	row = write_row(w, STEP_CHANGE, 0);
	if (row_bool(&row, COL_IMPORT_PART_PUT_TAKEN))
		return show(w);
	if (!row_is_null(&row, COL_IMPORT_PART_PUT_SAME))
		return row_bool(&row, COL_IMPORT_PART_PUT_SAME) ? show(w) : call_fail(c,
		    ERR_CONFLICT, "number", "There is a part of this number with other bytes.");
	if (!str_is(row_text(&row, COL_IMPORT_PART_PUT_STATUS), "receiving"))
		return conflict(c, "The import takes no more parts.");
	return call_fail(c, ERR_TOO_LARGE, NULL, arena_fmt(c->arena,
	    "The file is too large: its parts may have %jd bytes together.",
	    (intmax_t)c->conf->import_max_bytes).ptr);
}

enum err
import_job_part(struct call *c)
{
	static const struct answers answers = { .make = make_part };
	int64_t  number = 0;
	enum err e;

	if (!str_to_i64(c->param[1], 1, IMPORT_PARTS_MAX, &number))
		call_field(c, "number", "must be a number from 1 to 10000");
	if ((e = call_fields_done(c)) != ERR_OK || (e = check_file(c)) != ERR_OK)
		return e;
	return change(c, SQL_IMPORT_PART_PUT, true, number, &answers);
}

static enum err
make_started(struct write *w, void *what UNUSED)
{
	struct call *c = w->call;
	struct row   row;

	if (write_rows(w, STEP_LOCK) == 0)
		return stored_missing(c, &import_job_fields);
	if (str_is(status_of(w, STEP_SHOW), "cancelled"))
		return conflict(c, "The import was cancelled.");
	if (!str_is(status_of(w, STEP_SHOW), "receiving"))
		return show(w);
	row = write_row(w, STEP_CHANGE, 0);
	return conflict(c, arena_fmt(c->arena, "Part %jd of the file is missing.",
	    (intmax_t)row_i64(&row, COL_IMPORT_JOB_START_MISSING)).ptr);
}

enum err
import_job_start(struct call *c)
{
	static const struct answers answers = { .make = make_started };

	return change(c, SQL_IMPORT_JOB_START, false, 0, &answers);
}

static enum err
make_cancelled(struct write *w, void *what UNUSED)
{
	if (write_rows(w, STEP_LOCK) == 0)
		return stored_missing(w->call, &import_job_fields);
	if (!str_is(status_of(w, STEP_SHOW), "cancelled"))
		return conflict(w->call, "The import has ended.");
	return show(w);
}

enum err
import_job_cancel(struct call *c)
{
	static const struct answers answers = { .make = make_cancelled };

	return change(c, SQL_IMPORT_JOB_CANCEL, false, 0, &answers);
}
