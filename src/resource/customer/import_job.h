/*
 * Imports of files that are sent to the API: POST /imports and what follows. The clerk carries them
 * out (resource/customer/import_work.h).
 *
 * File       Comes in parts, or at once with the call that makes the import. Its parts are rows of
 *            the database until the import has ended.
 * States     receiving -> queued -> running -> done or failed; cancelled from any before these.
 * Ends       An import that has ended is kept with its results for IMPORT_KEPT_MS. One for which no
 *            part has come for IMPORT_WAITS_MS is cancelled.
 */
#ifndef RESOURCE_CUSTOMER_IMPORT_JOB_H
#define RESOURCE_CUSTOMER_IMPORT_JOB_H

#include "resource/customer/import.h"

#define IMPORT_WAITS_MS (INT64_C(24) * 3600 * 1000)
#define IMPORT_KEPT_MS (INT64_C(7) * 24 * 3600 * 1000)

enum { IMPORT_PARTS_MAX = 10000 };

enum { MEMBER_FORMAT, MEMBER_DRY, MEMBER_CONFLICT, MEMBER_KEEP };

struct import_job {
	struct id  id;
	struct str status, format, conflict;
	bool       dry, keep_created_at;
	int64_t    parts, bytes;
	bool       checked;  /* the whole file was read once */
	int64_t    at_bytes; /* those that are checked, or done */
	int64_t    lines;
	int64_t    created, existing, updated, failed;
	struct str reason;   /* why it failed, or absent */
	int64_t    created_ms, started_ms, ended_ms; /* 0: not yet */
	/* Not stored. */
	int64_t    bytes_done, read;
	unsigned   given;
};

/* Where a field is shown. */
enum { IMPORT_SHOWN = 1 };

extern const struct fields import_job_fields;

/* Its rules, and the format of its file. */
void import_job_rules(const struct import_job *job, struct import_rules *rules,
    enum sheet_format *format);

enum err import_job_create(struct call *c);
enum err import_job_list(struct call *c);
enum err import_job_get(struct call *c);
enum err import_job_part(struct call *c);
enum err import_job_start(struct call *c);
enum err import_job_cancel(struct call *c);
enum err import_job_results(struct call *c);

#endif
