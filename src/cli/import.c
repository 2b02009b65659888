/* clientele import: customers from a file. */
#include "base/clock.h"
#include "base/hash.h"
#include "cli/listing.h"
#include "cli/progress.h"
#include "resource/customer/import_chunk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	/* Of a transaction: measured. */
	CHUNK_LINES = 3000,
	CHUNK_BYTES = 2 * 1024 * 1024,
	WRITERS = 2,
	CHUNKS = WRITERS + 2, /* those that are written, the next one, and one that is read */
	BLOCK_BYTES = 64 * 1024,
	AGAIN_MAX = 10,
};

/* Who writes chunks, one after the other, on a connection of its own. */
struct writer {
	struct importing *im;
	struct db        *db;
	struct import_chunk     *chunk;
	int64_t           number; /* of the chunk, in the file */
	struct arena      arena;
	struct tx         tx;
	enum db_status    status;
	struct buf        results;
	int64_t           counted[IMPORT__RESULTS];
	int64_t           from, results_from; /* where the chunk and its results begin */
	size_t            step;
	bool              again; /* a customer who was in the way is gone */
	int               error; /* errno of the file of results */
};

/* Of a file and its rules, before they are carried out. */
enum known {
	KNOWN_NOT,
	KNOWN_BEGUN, /* its import goes on */
	KNOWN_AGAIN, /* it was imported, and is to be once more */
	KNOWN_DONE,
};

struct importing {
	struct owner                   *owner;
	const struct owner_environment *place;
	struct import_rules             rules;
	struct import_reader            reader;
	struct sheet                    sheet;
	struct import_chunk                    chunks[CHUNKS]; /* number n is in n % CHUNKS */
	struct writer                   writers[WRITERS];
	/* By the lock: how many chunks are read, given to a writer, and written in their order. */
	pthread_mutex_t                 lock;
	pthread_cond_t                  changed;
	int64_t                         read, taken, written;
	enum sheet_next                 next;   /* after those that are read */
	struct writer                  *failed; /* NULL: nobody; the others stop */
	bool                            dry;
	const char                     *path; /* of the file, for sentences */
	int                             fd;
	char                            results_path[PATH_MAX];
	int                             results_fd;
	bool                            told; /* it has the results */
	/* The import: what is known of it, and how far it has got. */
	struct id                       id;
	unsigned char                   digest[HASH_BYTES];
	int64_t                         lines, count[IMPORT__RESULTS];
	int64_t                         bytes, line, result_bytes;
	struct arena                    arena;
	struct progress                 progress;
};

/* ---- the file */

static int
unreadable(const struct importing *im)
{
	return cmd_fail(EXIT_DATA, "\"%s\" cannot be read: %s.", im->path, strerror(errno));
}

/* Standard input is kept in a file without a name: it is read three times. */
static int
spool(struct importing *im)
{
	char    block[BLOCK_BYTES];
	FILE   *file = tmpfile();
	ssize_t n;

	if (!file)
		return cmd_fail(EXIT_OS, "there is no room for standard input: %s.",
		    strerror(errno));
	im->fd = dup(fileno(file));
	while ((n = read(STDIN_FILENO, block, sizeof(block))) > 0)
		if (fwrite(block, 1, (size_t)n, file) != (size_t)n)
			break;
	if (n != 0 || fclose(file) != 0 || im->fd == -1)
		return cmd_fail(EXIT_OS, "standard input cannot be kept: %s.", strerror(errno));
	return 0;
}

static int
open_file(struct importing *im, const char *path)
{
	struct stat st;

	im->path = path;
	if (strcmp(path, "-") == 0)
		return spool(im);
	im->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (im->fd == -1 || fstat(im->fd, &st) == -1)
		return unreadable(im);
	return S_ISREG(st.st_mode) ? 0
	    : cmd_fail(EXIT_DATA, "\"%s\" is not a file; \"-\" is standard input.", path);
}

static bool
ends_in(struct str path, struct str suffix)
{
	return path.len > suffix.len
	    && str_eq_nocase((struct str) { path.ptr + path.len - suffix.len, suffix.len }, suffix);
}

/* Whether the first character is that of an object, behind a mark, blanks and empty lines. */
static bool
begins_as_json(const struct importing *im)
{
	char    head[4096];
	ssize_t n = pread(im->fd, head, sizeof(head), 0);
	ssize_t at = n >= 3 && memcmp(head, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

	while (at < n && memchr(" \t\r\n", head[at], 4))
		at++;
	return at < n && head[at] == '{';
}

/* As it is said, named, or begins. */
static enum sheet_format
format_of(const struct importing *im, struct str said)
{
	struct str path = str_of(im->path);

	if (said.ptr)
		return str_is(said, "csv") ? SHEET_CSV : SHEET_NDJSON;
	if (ends_in(path, STR(".csv")))
		return SHEET_CSV;
	if (ends_in(path, STR(".ndjson")) || ends_in(path, STR(".jsonl")))
		return SHEET_NDJSON;
	return begins_as_json(im) ? SHEET_NDJSON : SHEET_CSV;
}

static int
refused(const struct importing *im, enum sheet_next next)
{
	return next == SHEET_FAILED ? unreadable(im)
	    : cmd_fail(EXIT_DATA, "\"%s\": %s; nothing was imported.", im->path, im->sheet.why);
}

/* A hash of the rules and the file: which import this is. */
static bool
digest(struct importing *im)
{
	char       *block = must_alloc(BLOCK_BYTES);
	struct str  parts[2] = { STR("") };
	int64_t     at = 0;
	ssize_t     n;
	char        rules[3] = { (char)im->rules.conflict, im->rules.created_at,
		       (char)im->sheet.format };

	parts[1] = (struct str) { rules, sizeof(rules) };
	hash_parts(parts, 2, im->digest);
	parts[0] = (struct str) { (const char *)im->digest, HASH_BYTES };
	while ((n = pread(im->fd, block, BLOCK_BYTES, at)) > 0) {
		parts[1] = (struct str) { block, (size_t)n };
		hash_parts(parts, 2, im->digest);
		at += n;
	}
	free(block);
	return n == 0;
}

/* Reads all of it once, so that a file that cannot be imported as a whole is refused before. */
static int
survey(struct importing *im)
{
	struct record   record;
	enum sheet_next next = SHEET_RECORD;
	const char     *why;

	if (im->sheet.format == SHEET_CSV) {
		next = sheet_next(&im->sheet, &im->owner->arena, &record);
		if (next == SHEET_END)
			return cmd_fail(EXIT_DATA, "\"%s\" has no line of names.", im->path);
		if (next == SHEET_RECORD
		    && !import_read_names(&im->reader, &im->owner->arena, &record, &why))
			return cmd_fail(EXIT_DATA, "\"%s\": %s; nothing was imported.", im->path,
			    why);
	}
	im->bytes = im->sheet.bytes;
	im->line = im->sheet.line;
	for (; next == SHEET_RECORD; im->lines++)
		next = sheet_next(&im->sheet, NULL, &record);
	im->lines--;
	if (next != SHEET_END)
		return refused(im, next);
	return digest(im) ? 0 : unreadable(im);
}

/* ---- what is known of it */

/* Adds what an earlier run has done. */
static void
take_state(struct importing *im, const struct row *row)
{
	im->id = row_id(row, COL_IMPORT_ID);
	im->count[IMPORT_CREATED] = row_i64(row, COL_IMPORT_CREATED);
	im->count[IMPORT_EXISTING] = row_i64(row, COL_IMPORT_EXISTING);
	im->count[IMPORT_UPDATED] = row_i64(row, COL_IMPORT_UPDATED);
	im->count[IMPORT_FAILED] = row_i64(row, COL_IMPORT_FAILED);
	im->bytes = row_i64(row, COL_IMPORT_BYTES);
	im->result_bytes = row_i64(row, COL_IMPORT_RESULT_BYTES);
	im->line = row_i64(row, COL_IMPORT_LINE);
}

static void
begin_tx(struct importing *im, struct tx *tx)
{
	arena_reset(&im->arena);
	tx_init(tx, im->owner->db, &im->arena);
	owner_enter_in(tx, im->place);
}

static struct bind *
add_step(struct importing *im, struct tx *tx, enum sql_id statement)
{
	return owner_step(tx, statement, im->place);
}

static struct str
digest_view(const struct importing *im)
{
	return (struct str) { (const char *)im->digest, HASH_BYTES };
}

static int
begin_anew(struct importing *im, bool forget)
{
	struct tx    tx;
	struct bind *b;

	im->id = id_new();
	begin_tx(im, &tx);
	if (forget)
		bind_text(add_step(im, &tx, SQL_IMPORT_FORGET), digest_view(im));
	b = add_step(im, &tx, SQL_IMPORT_BEGIN);
	bind_id(b, &im->id);
	bind_text(b, digest_view(im));
	bind_i64(b, im->lines);
	bind_i64(b, im->bytes);
	bind_i64(b, im->line);
	return owner_run(&tx);
}

/* What is known of it; where it stands, unless it begins anew. */
static int
find(struct importing *im, bool again, enum known *known)
{
	struct tx  tx;
	struct row row;
	int        code;

	begin_tx(im, &tx);
	tx.reads = true;
	bind_text(add_step(im, &tx, SQL_IMPORT_FIND), digest_view(im));
	if ((code = owner_run(&tx)) != 0)
		return code;
	*known = KNOWN_NOT;
	if (tx_rows(&tx, 1) == 0)
		return 0;
	row = tx_row(&tx, 1, 0);
	*known = row_is_null(&row, COL_IMPORT_ENDED_AT) ? KNOWN_BEGUN
	    : again ? KNOWN_AGAIN : KNOWN_DONE;
	if (*known != KNOWN_AGAIN)
		take_state(im, &row);
	return 0;
}

/* ---- the file of results */

/* Those of a trial are apart: the other file may have what is still wanted. */
static void
name_results(struct importing *im, struct str said)
{
	const char *path = strcmp(im->path, "-") == 0 ? "import" : im->path;

	if (said.ptr)
		snprintf(im->results_path, PATH_MAX, "%.*s", STR_ARGS(said));
	else
		snprintf(im->results_path, PATH_MAX, "%s.%s", path,
		    im->dry ? "dry-run" : "results");
}

/* Two processes must not write them: each begins by cutting off what the other one has written. */
static int
open_results(struct importing *im)
{
	struct stat file, results;
	const char *path = im->results_path;

	im->results_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (im->results_fd == -1 || fstat(im->results_fd, &results) == -1)
		return cmd_fail(EXIT_OUTPUT, "\"%s\" cannot be written: %s.", path,
		    strerror(errno));
	if (fstat(im->fd, &file) == 0 && file.st_dev == results.st_dev
	    && file.st_ino == results.st_ino)
		return cmd_fail(EXIT_USAGE, "--results must be another file.");
	if (S_ISREG(results.st_mode) && flock(im->results_fd, LOCK_EX | LOCK_NB) == -1
	    && errno == EWOULDBLOCK)
		return cmd_fail(EXIT_BUSY, "another process imports this file, or writes \"%s\".",
		    path);
	return 0;
}

/* Of a file that has so many bytes: those up to the end of a line. */
static int64_t
whole_lines(const struct importing *im, int64_t bytes)
{
	char last;

	while (bytes > 0 && pread(im->results_fd, &last, 1, bytes - 1) == 1 && last != '\n')
		bytes--;
	return bytes;
}

/*
 * What a run that was killed wrote behind the last line that counts goes away. Where there is less,
 * what comes is put behind that.
 */
static int
cut_results(struct importing *im)
{
	struct stat st;

	if (fstat(im->results_fd, &st) == 0 && st.st_size < im->result_bytes) {
		cmd_say("\"%s\" lacks results of the run before.", im->results_path);
		im->result_bytes = whole_lines(im, st.st_size);
	}
	return ftruncate(im->results_fd, im->result_bytes) == 0 ? 0
	    : cmd_fail(EXIT_OUTPUT, "\"%s\" cannot be written: %s.", im->results_path,
		strerror(errno));
}

static bool
write_results(struct writer *w)
{
	struct str rest = buf_view(&w->results);
	int64_t    at = w->results_from;

	while (rest.len) {
		ssize_t n = pwrite(w->im->results_fd, rest.ptr, rest.len, at);

		if (n == -1 && errno != EINTR) {
			w->error = errno;
			return false;
		}
		n = n == -1 ? 0 : n;
		rest = (struct str) { rest.ptr + n, rest.len - (size_t)n };
		at += n;
	}
	return true;
}

/* ---- reading a chunk */

static void
fill(struct importing *im, struct import_chunk *chunk, const struct import_chunk *before)
{
	import_chunk_fill(chunk, &im->reader, &im->sheet, CHUNK_LINES, CHUNK_BYTES, before);
}

static struct import_chunk *
chunk_of(struct importing *im, int64_t number)
{
	return &im->chunks[number % CHUNKS];
}

/* A thread: reads until the end, as far ahead as there is room. */
static void *
read_all(void *with)
{
	struct importing *im = with;
	struct import_chunk     *before = NULL;
	bool              goes_on = true;

	for (int64_t n = 0; goes_on; n++) {
		struct import_chunk *chunk = chunk_of(im, n);

		pthread_mutex_lock(&im->lock);
		while (n - im->written >= CHUNKS && !im->failed)
			pthread_cond_wait(&im->changed, &im->lock);
		goes_on = !im->failed;
		pthread_mutex_unlock(&im->lock);
		if (!goes_on)
			break;
		fill(im, chunk, before);
		goes_on = chunk->next == SHEET_RECORD;
		before = chunk;
		pthread_mutex_lock(&im->lock);
		/* What was read before a refusal is no end of the file. */
		im->read += goes_on || chunk->next == SHEET_END;
		im->next = chunk->next;
		pthread_cond_broadcast(&im->changed);
		pthread_mutex_unlock(&im->lock);
	}
	return NULL;
}

/* ---- writing it */

static void
tell_lines(struct writer *w)
{
	const struct import_chunk *chunk = w->chunk;

	memset(w->counted, 0, sizeof(w->counted));
	buf_reset(&w->results, SIZE_MAX / 2);
	for (size_t i = 0; i < chunk->count; i++) {
		w->counted[chunk->lines[i].result]++;
		import_tell(&w->results, &chunk->lines[i]);
	}
}

/*
 * Waits until all lines before these are done: chunks are inserted at the same time, but committed
 * in their order. They have no external id in common, so neither waits for a row of the other; but
 * for updates, because two external ids may lead to one customer. These have one writer.
 */
static bool
takes_turn(struct writer *w)
{
	struct importing *im = w->im;
	bool              mine;

	pthread_mutex_lock(&im->lock);
	while (im->written < w->number && !im->failed)
		pthread_cond_wait(&im->changed, &im->lock);
	mine = !im->failed;
	w->from = im->bytes;
	w->results_from = im->result_bytes;
	pthread_mutex_unlock(&im->lock);
	return mine;
}

/* Within the transaction, so that no line is done without its result, and none twice. */
static bool
decide(struct tx *tx, void *with)
{
	struct writer    *w = with;
	struct importing *im = w->im;
	struct import_chunk     *chunk = w->chunk;
	struct bind      *b;

	w->again = !import_written(tx, w->step, &im->rules, chunk->lines, chunk->count, false);
	if (w->again)
		return false;
	tell_lines(w);
	if (!takes_turn(w) || !write_results(w))
		return false;
	b = add_step(im, tx, SQL_IMPORT_ADVANCE);
	bind_id(b, &im->id);
	bind_i64(b, w->from);
	bind_i64(b, chunk->bytes);
	bind_i64(b, chunk->line);
	for (size_t i = 0; i < IMPORT__RESULTS; i++)
		bind_i64(b, w->counted[i]);
	bind_i64(b, w->results_from + (int64_t)w->results.len);
	bind_bool(b, chunk->next == SHEET_END);
	return true;
}

static bool
write_once(struct writer *w)
{
	struct importing *im = w->im;
	struct import_chunk     *chunk = w->chunk;

	w->again = false;
	w->error = 0;
	arena_reset(&w->arena);
	tx_init(&w->tx, w->db, &w->arena);
	owner_enter_in(&w->tx, im->place);
	(void)tx_step(&w->tx, SQL_UNHURRIED);
	w->step = import_write(&w->tx, &im->place->id, &im->rules, chunk->lines, chunk->count,
	    false);
	w->tx.then = decide;
	w->tx.with = w;
	w->status = tx_run(&w->tx);
	return w->status == DB_OK && w->tx.outcome == TX_DONE;
}

static void
count(struct importing *im, const struct writer *w)
{
	for (size_t i = 0; i < IMPORT__RESULTS; i++)
		im->count[i] += w->counted[i];
	im->bytes = w->chunk->bytes;
	im->line = w->chunk->line;
	im->result_bytes += (int64_t)w->results.len;
}

/* Another transaction was in the way, and may be gone. */
static bool
may_be_again(const struct writer *w)
{
	return w->again || w->status == DB_LOCKED;
}

/* A chunk without lines only waits: no more than WRITERS chunks are ahead of what is done. */
static bool
write_chunk(struct writer *w)
{
	bool nothing = w->chunk->count == 0 && w->chunk->next != SHEET_END;

	if (nothing) {
		memset(w->counted, 0, sizeof(w->counted));
		buf_reset(&w->results, 0);
		return takes_turn(w);
	}
	for (int times = 0; times < AGAIN_MAX; times++) {
		if (write_once(w))
			return true;
		if (!may_be_again(w))
			break;
	}
	return false;
}

static int
stopped(const struct importing *im, const struct writer *w)
{
	if (w->error)
		return cmd_fail(EXIT_OUTPUT, "\"%s\" cannot be written: %s. The same command goes "
		    "on from here.", im->results_path, strerror(w->error));
	if (w->status == DB_OK)
		return cmd_fail(EXIT_BUSY, "others change the same customers all the time. The "
		    "same command goes on from here.");
	if (tx_failed_at(&w->tx, SQL_MARK_OVERTAKEN))
		return cmd_fail(EXIT_BUSY, "another process imports this file.");
	cmd_say("the same command goes on where this one ended.");
	return owner_failed(&w->tx, w->status);
}

/* What would be done, as far as the customers that there are now say. */
static int
try_chunk(struct importing *im, struct import_chunk *chunk)
{
	struct writer *w = &im->writers[0];
	struct tx      tx;
	int            code;

	w->chunk = chunk;
	begin_tx(im, &tx);
	tx.reads = true;
	w->step = import_write(&tx, &im->place->id, &im->rules, chunk->lines, chunk->count, true);
	if ((code = owner_run(&tx)) != 0)
		return code;
	w->results_from = im->result_bytes;
	if (import_written(&tx, w->step, &im->rules, chunk->lines, chunk->count, true))
		tell_lines(w);
	if (!write_results(w))
		return stopped(im, w);
	count(im, w);
	return 0;
}

/* ---- all of it */

static void
tell_progress(struct importing *im)
{
	int64_t done = 0;
	char    more[120];

	for (size_t i = 0; i < IMPORT__RESULTS; i++)
		done += im->count[i];
	snprintf(more, sizeof(more), "created %jd, existing %jd, updated %jd, failed %jd",
	    (intmax_t)im->count[IMPORT_CREATED], (intmax_t)im->count[IMPORT_EXISTING],
	    (intmax_t)im->count[IMPORT_UPDATED], (intmax_t)im->count[IMPORT_FAILED]);
	progress_tell(&im->progress, done, more);
}

static int
try_all(struct importing *im)
{
	struct import_chunk *chunk = &im->chunks[0];
	int           code = 0;

	do {
		fill(im, chunk, NULL);
		if (chunk->next != SHEET_RECORD && chunk->next != SHEET_END)
			return refused(im, chunk->next);
		code = try_chunk(im, chunk);
		tell_progress(im);
	} while (code == 0 && chunk->next == SHEET_RECORD);
	return code;
}

/* The next chunk; false: there is none, and none will come. */
static bool
take_chunk(struct writer *w)
{
	struct importing *im = w->im;
	bool              taken;

	pthread_mutex_lock(&im->lock);
	while (im->taken == im->read && im->next == SHEET_RECORD && !im->failed)
		pthread_cond_wait(&im->changed, &im->lock);
	taken = im->taken < im->read && !im->failed;
	if (taken) {
		w->number = im->taken++;
		w->chunk = chunk_of(im, w->number);
	}
	pthread_mutex_unlock(&im->lock);
	return taken;
}

/* A thread, but for the first writer, who tells of all. */
static void *
write_some(void *with)
{
	struct writer    *w = with;
	struct importing *im = w->im;

	while (take_chunk(w)) {
		bool good = write_chunk(w);

		pthread_mutex_lock(&im->lock);
		if (good) {
			count(im, w);
			im->written++;
		} else if (!im->failed)
			im->failed = w;
		if (w == im->writers)
			tell_progress(im);
		pthread_cond_broadcast(&im->changed);
		pthread_mutex_unlock(&im->lock);
	}
	return NULL;
}

static int
write_all(struct importing *im)
{
	pthread_t reader, others[WRITERS];
	int       writers = im->rules.conflict == IMPORT_UPDATE ? 1 : WRITERS;

	im->next = SHEET_RECORD;
	if (pthread_create(&reader, NULL, read_all, im) != 0)
		out_of_memory();
	for (int i = 1; i < writers; i++)
		if (pthread_create(&others[i], NULL, write_some, &im->writers[i]) != 0)
			out_of_memory();
	write_some(&im->writers[0]);
	for (int i = 1; i < writers; i++)
		pthread_join(others[i], NULL);
	pthread_join(reader, NULL);
	tell_progress(im);
	progress_end(&im->progress);
	if (im->failed)
		return stopped(im, im->failed);
	return im->next == SHEET_END ? 0 : refused(im, im->next);
}

static void
print_counts(struct cmd_context *ctx, struct importing *im)
{
	static const char *const columns[] = { "lines", "created", "existing", "updated", "failed",
		"results" };
	struct owner  *o = ctx->owner;
	struct listing listing;
	struct str    *cells;

	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	listing.raw = (1u << 5) - 1;
	cells = listing_row(&listing);
	cells[0] = owner_number(o, im->lines);
	for (size_t i = 0; i < IMPORT__RESULTS; i++)
		cells[1 + i] = owner_number(o, im->count[i]);
	cells[5] = im->told ? str_of(im->results_path) : STR_NONE;
	listing_print(&listing, ctx->json);
}

static int
carry_out(struct importing *im, enum known known)
{
	int code = 0;

	if (!im->dry && known != KNOWN_BEGUN)
		code = begin_anew(im, known == KNOWN_AGAIN);
	if (code != 0)
		return code;
	if (!sheet_seek(&im->sheet, im->bytes, im->line))
		return unreadable(im);
	if ((code = cut_results(im)) != 0)
		return code;
	progress_begin(&im->progress, 0, im->lines);
	for (size_t i = 0; i < IMPORT__RESULTS; i++)
		im->progress.from += im->count[i];
	if (known == KNOWN_BEGUN)
		cmd_say("going on with the import of this file, of which %jd of %jd lines are "
		    "done.", (intmax_t)im->progress.from, (intmax_t)im->lines);
	return im->dry ? try_all(im) : write_all(im);
}

/* Of an earlier import: whether its results are still where they would be now. */
static bool
has_results(const struct importing *im)
{
	struct stat st;

	return stat(im->results_path, &st) == 0 && st.st_size >= im->result_bytes;
}

static int
import(struct cmd_context *ctx, struct importing *im)
{
	enum known known = KNOWN_NOT;
	bool       again = ctx->option[OPTION_AGAIN].ptr;
	int        code = survey(im);

	name_results(im, ctx->option[OPTION_RESULTS]);
	if (code == 0 && !im->dry)
		code = find(im, again, &known);
	if (code == 0 && known != KNOWN_DONE)
		code = open_results(im);
	/* Whoever had them open until now may have got further, or to the end. */
	if (code == 0 && known != KNOWN_DONE && !im->dry)
		code = find(im, again && known != KNOWN_BEGUN, &known);
	if (code == 0 && known != KNOWN_DONE)
		code = carry_out(im, known);
	if (code != 0)
		return code;
	if (known == KNOWN_DONE)
		cmd_say("this file was imported before, by the same rules; --again does it once "
		    "more.");
	im->told = known != KNOWN_DONE || has_results(im);
	print_counts(ctx, im);
	if (im->count[IMPORT_FAILED] == 0)
		return 0;
	return im->told ? cmd_fail(EXIT_DATA, "%jd of %jd lines failed; \"%s\" says why.",
	    (intmax_t)im->count[IMPORT_FAILED], (intmax_t)im->lines, im->results_path)
	    : cmd_fail(EXIT_DATA, "%jd of %jd lines failed; the results that were written then say "
	    "why.", (intmax_t)im->count[IMPORT_FAILED], (intmax_t)im->lines);
}

static void
read_rules(const struct cmd_context *ctx, struct import_rules *rules)
{
	static const char *const words[] = {
#define CONFLICT(name, word) [IMPORT_##name] = word,
		IMPORT_CONFLICTS(CONFLICT)
#undef CONFLICT
	};

	for (size_t i = 0; i < COUNTOF(words); i++)
		if (str_is(ctx->option[OPTION_ON_CONFLICT], words[i]))
			rules->conflict = (enum import_conflict)i;
	rules->created_at = ctx->option[OPTION_CREATED_AT].ptr;
}

static void
begin(struct importing *im, const struct cmd_context *ctx)
{
	arena_init(&im->arena);
	pthread_mutex_init(&im->lock, NULL);
	pthread_cond_init(&im->changed, NULL);
	for (int i = 0; i < WRITERS; i++) {
		struct writer *w = &im->writers[i];

		w->im = im;
		w->db = i == 0 ? im->owner->db : db_new(&ctx->conf, DB_OWNER);
		arena_init(&w->arena);
		buf_init(&w->results, SIZE_MAX / 2);
	}
	for (int i = 0; i < CHUNKS; i++)
		import_chunk_init(&im->chunks[i]);
	import_reader_init(&im->reader, &ctx->conf, &im->rules);
	(void)lseek(im->fd, 0, SEEK_SET);
	sheet_init(&im->sheet, im->fd, format_of(im, ctx->option[OPTION_FORMAT]));
}

static void
end(struct importing *im)
{
	sheet_fini(&im->sheet);
	import_reader_fini(&im->reader);
	for (int i = 0; i < CHUNKS; i++)
		import_chunk_fini(&im->chunks[i]);
	for (int i = 0; i < WRITERS; i++) {
		struct writer *w = &im->writers[i];

		if (i > 0)
			db_free(w->db);
		arena_fini(&w->arena);
		buf_fini(&w->results);
	}
	pthread_cond_destroy(&im->changed);
	pthread_mutex_destroy(&im->lock);
	arena_fini(&im->arena);
}

int
cmd_import_customers(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	struct importing         *im = must_alloc(sizeof(*im));
	struct owner_environment *found;
	size_t                    count;
	int                       code;

	im->owner = ctx->owner;
	im->fd = im->results_fd = -1;
	im->dry = ctx->option[OPTION_DRY_RUN].ptr;
	read_rules(ctx, &im->rules);
	code = owner_environments(im->owner, ctx->option[OPTION_ORG], ctx->option[OPTION_ENV],
	    &found, &count);
	if (code == 0)
		code = open_file(im, argv[1]);
	if (code == 0) {
		im->place = &found[0];
		begin(im, ctx);
		code = import(ctx, im);
		end(im);
	}
	if (im->results_fd != -1)
		close(im->results_fd);
	if (im->fd != -1)
		close(im->fd);
	free(im);
	return code;
}
