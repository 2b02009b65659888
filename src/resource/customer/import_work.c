/* Carries out imports of files that were sent. */
#include "resource/customer/import_work.h"
#include "base/limits.h"
#include "call/stored.h"
#include "resource/customer/import_chunk.h"
#include "resource/customer/import_job.h"

#include <errno.h>
#include <stdio.h>

enum {
	/* Of a step: it holds the locks of its lines, and other jobs of the clerk wait for it. */
	STEP_LINES = 1000,
	STEP_BYTES = 512 * 1024,
	CHECK_BYTES = 2 * 1024 * 1024,
	/* Of a step that removes: at most 32 MiB, and about as much of results. */
	REST_PARTS = 4,
	REST_RESULTS = 100,
};

static const char key_gone[] = "the API key that made the import no longer works";
static const char no_names[] = "the file has no line of names";
static const char given_up[] = "it fails each time; the log of the service says why";

/* The import that is in hand. */
struct work {
	struct db           *db;
	struct arena         arena;
	struct arena         piece; /* of the file that was read last */
	struct import_job    job;
	struct id            environment;
	struct str           source;
	int64_t              begins_bytes, begins_line, at_line;
	struct import_rules  rules;
	enum sheet_format    format;
	struct import_reader reader;
	struct sheet         sheet;
	int64_t              read_at; /* in the file */
	struct import_chunk  chunk;
	struct tx            tx;
	size_t               step;    /* the first one that writes lines */
	struct buf           results;
	int64_t              counted[IMPORT__RESULTS];
	bool                 again;   /* a customer who was in the way is gone */
	struct import_worked *out;
};

/* What is saved of a step. */
struct saved {
	const char *status;
	bool        checked;
	int64_t     bytes, line, lines;
	const char *reason; /* or NULL */
};

/* ---- transactions */

static void
enter(struct work *w, struct tx *tx)
{
	struct bind *b;

	tx_init(tx, w->db, &w->arena);
	b = tx_step(tx, SQL_ENVIRONMENT_ENTER_AS);
	bind_id(b, &w->environment);
	bind_text(b, w->source);
}

static struct bind *
add(struct work *w, struct tx *tx, enum sql_id statement)
{
	struct bind *b = tx_step(tx, statement);

	bind_id(b, &w->environment);
	bind_id(b, &w->job.id);
	return b;
}

static bool
failed(struct work *w, const struct tx *tx)
{
	snprintf(w->out->log, sizeof(w->out->log), "%s", tx->log);
	return false;
}

static void
hold(struct work *w, struct tx *tx)
{
	struct bind *b;

	enter(w, tx);
	b = add(w, tx, SQL_IMPORT_JOB_HOLD);
	bind_i64(b, w->job.at_bytes);
	bind_bool(b, w->job.checked);
}

static void
save(struct work *w, struct tx *tx, const struct saved *s)
{
	struct bind *b = add(w, tx, SQL_IMPORT_JOB_SAVE);

	bind_text(b, str_of(s->status));
	bind_bool(b, s->checked);
	bind_i64(b, s->bytes);
	bind_i64(b, s->line);
	bind_i64(b, w->begins_bytes);
	bind_i64(b, w->begins_line);
	bind_i64(b, s->lines);
	for (size_t i = 0; i < IMPORT__RESULTS; i++)
		bind_i64(b, w->counted[i]);
	bind_text(b, s->reason ? str_of(s->reason) : STR_NONE);
	bind_text(b, w->results.len ? buf_view(&w->results) : STR_NONE);
}

/* Somebody else is at it, or it was cancelled; or rows were locked for long: it is found again. */
static bool
may_be_again(const struct work *w, enum db_status status)
{
	return w->again || status == DB_LOCKED || status == DB_GONE
	    || tx_failed_at(&w->tx, SQL_MARK_OVERTAKEN);
}

/* A step that fails is counted, so that the last one ends the import. */
static void
count_failure(struct work *w)
{
	struct tx    tx;
	struct bind *b;

	if (!db_is_connected(w->db))
		return;
	enter(w, &tx);
	b = add(w, &tx, SQL_IMPORT_JOB_FAILED);
	bind_i64(b, IMPORT_TRIES);
	bind_text(b, str_of(given_up));
	if (tx_run(&tx) != DB_OK)
		(void)failed(w, &tx); /* then it is counted the next time */
}

static bool
run(struct work *w)
{
	enum db_status status = tx_run(&w->tx);

	if (status == DB_OK && w->tx.outcome == TX_DONE)
		return true;
	(void)failed(w, &w->tx);
	w->out->found = status == DB_OK || status == DB_LOCKED;
	if (may_be_again(w, status))
		return status != DB_GONE;
	count_failure(w);
	return false;
}

/* Without lines. */
static bool
save_alone(struct work *w, const struct saved *s)
{
	hold(w, &w->tx);
	save(w, &w->tx, s);
	return run(w);
}

static bool
refuse(struct work *w, const char *why)
{
	return save_alone(w, &(struct saved) { "failed", w->job.checked, w->job.at_bytes,
	    w->at_line, 0, why });
}

/* ---- the file */

static ssize_t
read_part(void *with, char *into, size_t most)
{
	struct work *w = with;
	struct tx    tx;
	struct bind *b;
	struct row   row;
	struct str   data;

	if (w->read_at == w->job.bytes)
		return 0;
	arena_reset(&w->piece);
	tx_init(&tx, w->db, &w->piece);
	tx.reads = true;
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &w->environment);
	b = add(w, &tx, SQL_IMPORT_PART_READ);
	bind_i64(b, w->read_at);
	bind_i64(b, (int64_t)most);
	errno = EIO;
	if (tx_run(&tx) != DB_OK) {
		(void)failed(w, &tx);
		return -1;
	}
	if (tx_rows(&tx, 1) == 0) {
		snprintf(w->out->log, sizeof(w->out->log), "a part of an import is not there");
		return -1;
	}
	row = tx_row(&tx, 1, 0);
	data = row_text(&row, COL_IMPORT_PART_READ_DATA);
	memcpy(into, data.ptr, data.len);
	w->read_at += (int64_t)data.len;
	return (ssize_t)data.len;
}

static bool
seek_part(void *with, int64_t bytes)
{
	struct work *w = with;

	w->read_at = bytes;
	return true;
}

/* Reads the names of the columns, and goes to where the last step ended; or *why says why not. */
static enum sheet_next
open_file(struct work *w, const char **why)
{
	struct record   names;
	enum sheet_next next = SHEET_RECORD;

	if (w->format == SHEET_CSV) {
		next = sheet_next(&w->sheet, &w->arena, &names);
		*why = next == SHEET_END ? no_names : w->sheet.why;
		if (next != SHEET_RECORD)
			return next == SHEET_END ? SHEET_REFUSED : next;
		if (!import_read_names(&w->reader, &w->arena, &names, why))
			return SHEET_REFUSED;
	}
	if (w->job.at_bytes == 0) {
		w->begins_bytes = w->sheet.bytes;
		w->begins_line = w->sheet.line;
	} else if (!sheet_seek(&w->sheet, w->job.at_bytes, w->at_line)) {
		next = SHEET_FAILED;
	}
	return next;
}

/* ---- a step */

static bool
unreadable(struct work *w)
{
	count_failure(w);
	return false;
}

/* Reads on, and writes nothing but how far it got. */
static bool
check(struct work *w)
{
	struct saved    s = { .status = "running" };
	struct record   record;
	enum sheet_next next = SHEET_RECORD;
	int64_t         begins = w->sheet.bytes;

	while (next == SHEET_RECORD && w->sheet.bytes - begins < CHECK_BYTES)
		if ((next = sheet_next(&w->sheet, NULL, &record)) == SHEET_RECORD)
			s.lines++;
	if (next == SHEET_FAILED)
		return unreadable(w);
	if (next == SHEET_REFUSED)
		return refuse(w, w->sheet.why);
	s.checked = next == SHEET_END;
	s.bytes = s.checked ? w->begins_bytes : w->sheet.bytes;
	s.line = s.checked ? w->begins_line : w->sheet.line;
	return save_alone(w, &s);
}

static bool
decide(struct tx *tx, void *with)
{
	struct work               *w = with;
	const struct import_chunk *chunk = &w->chunk;

	w->again = !import_written(tx, w->step, &w->rules, chunk->lines, chunk->count, w->job.dry);
	if (w->again)
		return false;
	memset(w->counted, 0, sizeof(w->counted));
	buf_reset(&w->results, ARENA_KEEP_BYTES);
	for (size_t i = 0; i < chunk->count; i++) {
		w->counted[chunk->lines[i].result]++;
		import_tell(&w->results, &chunk->lines[i]);
	}
	save(w, tx, &(struct saved) {
	    .status = chunk->next == SHEET_END ? "done" : "running",
	    .checked = true,
	    .bytes = chunk->bytes,
	    .line = chunk->line,
	});
	return true;
}

static bool
write_lines(struct work *w)
{
	struct import_chunk *chunk = &w->chunk;

	import_chunk_fill(chunk, &w->reader, &w->sheet, STEP_LINES, STEP_BYTES, NULL);
	if (chunk->next == SHEET_FAILED)
		return unreadable(w);
	if (chunk->next == SHEET_REFUSED) /* it was read before */
		return refuse(w, w->sheet.why);
	hold(w, &w->tx);
	w->step = import_write(&w->tx, &w->environment, &w->rules, chunk->lines, chunk->count,
	    w->job.dry);
	w->tx.then = decide;
	w->tx.with = w;
	if (!run(w))
		return false;
	w->out->done = w->tx.outcome == TX_DONE ? (int64_t)chunk->count : 0;
	return true;
}

static bool
look(struct work *w, bool *works)
{
	struct tx  tx;
	struct row row;

	enter(w, &tx);
	tx.reads = true;
	(void)add(w, &tx, SQL_IMPORT_JOB_LOOK);
	if (tx_run(&tx) != DB_OK)
		return failed(w, &tx);
	row = tx_rows(&tx, 1) ? tx_row(&tx, 1, 0) : (struct row) { 0 };
	*works = tx_rows(&tx, 1) == 0 || row_bool(&row, COL_IMPORT_JOB_LOOK_WORKS);
	return true;
}

static bool
go_on(struct work *w)
{
	const char *why = NULL;
	bool        works;

	if (!look(w, &works))
		return false;
	if (!works)
		return refuse(w, key_gone);
	switch (open_file(w, &why)) {
	case SHEET_FAILED:
		return unreadable(w);
	case SHEET_REFUSED:
	case SHEET_END:
		return refuse(w, why);
	case SHEET_RECORD:
		break;
	}
	return w->job.checked ? write_lines(w) : check(w);
}

/* ---- which import */

/* False: the database did not answer. None: out->found is false. */
static bool
find(struct work *w)
{
	struct tx  tx;
	struct row row;

	tx_init(&tx, w->db, &w->arena);
	tx.reads = true;
	(void)tx_step(&tx, SQL_BILLING_ENTER);
	(void)tx_step(&tx, SQL_IMPORT_JOB_FIND);
	if (tx_run(&tx) != DB_OK)
		return failed(w, &tx);
	if (tx_rows(&tx, 1) == 0)
		return true;
	row = tx_row(&tx, 1, 0);
	stored_read(&row, &import_job_fields, &w->job);
	w->environment = row_id(&row, COL_IMPORT_JOB_FIND_ENVIRONMENT);
	w->source = row_text(&row, COL_IMPORT_JOB_FIND_SOURCE);
	w->begins_bytes = row_i64(&row, COL_IMPORT_JOB_FIND_BEGINS_BYTES);
	w->begins_line = row_i64(&row, COL_IMPORT_JOB_FIND_BEGINS_LINE);
	w->at_line = row_i64(&row, COL_IMPORT_JOB_FIND_AT_LINE);
	w->out->others = row_i64(&row, COL_IMPORT_JOB_FIND_OTHERS);
	w->out->found = true;
	return true;
}

static bool
work(struct work *w, const struct conf *conf)
{
	bool good;

	import_job_rules(&w->job, &w->rules, &w->format);
	import_reader_init(&w->reader, conf, &w->rules);
	import_chunk_init(&w->chunk);
	buf_init(&w->results, SIZE_MAX / 2);
	sheet_init_from(&w->sheet, &(struct sheet_source) { read_part, seek_part, w }, w->format);
	good = go_on(w);
	sheet_fini(&w->sheet);
	buf_fini(&w->results);
	import_chunk_fini(&w->chunk);
	import_reader_fini(&w->reader);
	return good;
}

bool
import_work(struct db *db, const struct conf *conf, struct import_worked *out)
{
	struct work w = { .db = db, .out = out };
	bool        good;

	*out = (struct import_worked) { 0 };
	arena_init(&w.arena);
	arena_init(&w.piece);
	good = find(&w);
	if (good && out->found)
		good = work(&w, conf);
	arena_fini(&w.piece);
	arena_fini(&w.arena);
	return good;
}

/* ---- what is over */

static bool
find_rest(struct work *w, struct str *what)
{
	struct tx    tx;
	struct bind *b;
	struct row   row;

	tx_init(&tx, w->db, &w->arena);
	tx.reads = true;
	(void)tx_step(&tx, SQL_BILLING_ENTER);
	b = tx_step(&tx, SQL_IMPORT_REST_FIND);
	bind_i64(b, IMPORT_WAITS_MS);
	bind_i64(b, IMPORT_KEPT_MS);
	if (tx_run(&tx) != DB_OK)
		return failed(w, &tx);
	*what = STR_NONE;
	if (tx_rows(&tx, 1) == 0)
		return true;
	row = tx_row(&tx, 1, 0);
	w->environment = row_id(&row, COL_IMPORT_REST_FIND_ENVIRONMENT);
	w->job.id = row_id(&row, COL_IMPORT_REST_FIND_ID);
	*what = row_text(&row, COL_IMPORT_REST_FIND_WHAT);
	return true;
}

static void
add_rest(struct work *w, struct tx *tx, struct str what)
{
	struct bind *b;

	tx_init(tx, w->db, &w->arena);
	bind_id(tx_step(tx, SQL_ENVIRONMENT_ENTER), &w->environment);
	if (str_is(what, "late")) {
		b = add(w, tx, SQL_IMPORT_REST_LATE);
		bind_i64(b, IMPORT_WAITS_MS);
		bind_text(b, STR("no part came for a day"));
	} else if (str_is(what, "parts")) {
		bind_i64(add(w, tx, SQL_IMPORT_REST_PARTS), REST_PARTS);
	} else {
		bind_i64(add(w, tx, SQL_IMPORT_REST_OLD), REST_RESULTS);
	}
}

bool
import_work_rest(struct db *db, struct import_worked *out)
{
	struct work w = { .db = db, .out = out };
	struct str  what;
	bool        good;

	*out = (struct import_worked) { 0 };
	arena_init(&w.arena);
	good = find_rest(&w, &what);
	if (good && what.ptr) {
		out->found = true;
		add_rest(&w, &w.tx, what);
		good = tx_run(&w.tx) == DB_OK || failed(&w, &w.tx);
		if (good && tx_rows(&w.tx, 1)) {
			struct row row = tx_row(&w.tx, 1, 0);

			out->done = row_i64(&row, str_is(what, "old")
			    ? COL_IMPORT_REST_OLD_DONE : COL_IMPORT_REST_PARTS_DONE);
		}
	}
	arena_fini(&w.arena);
	return good;
}
