/*
 * The records of a file, one by one: lines of NDJSON, or rows of CSV (RFC 4180, by libcsv) below a
 * row of names. In UTF-8, with or without a byte order mark.
 *
 * Cells      A CSV cell that is empty and has no quotes is absent; one with quotes is an empty
 *            text. Blanks are text.
 * Lines      Counted from 1, as an editor does: a record's line is the one that it begins in.
 *            Empty ones are no records.
 * Refusals   What is wrong with the file itself ends the reading with a sentence: another
 *            encoding, a quote that is never closed, a row with another number of cells. NDJSON is
 *            not parsed here.
 * Memory     A window of the file and one record, of SHEET_RECORD_BYTES at most.
 * From       A descriptor, or wherever a function of the caller takes the bytes from.
 */
#ifndef CALL_SHEET_H
#define CALL_SHEET_H

#include "base/arena.h"
#include "base/buf.h"

#include <sys/types.h>

enum {
	SHEET_RECORD_BYTES = 1024 * 1024, /* what the API takes for one is far smaller */
	SHEET_CELLS_MAX = 200,            /* of a row: more than there are names */
	SHEET_WHY_BYTES = 200,
};

enum sheet_format { SHEET_NDJSON, SHEET_CSV };

struct csv_parser;

/* Bytes in their order, as read() and lseek() give them: read returns -1 if it cannot. */
struct sheet_source {
	ssize_t (*read)(void *with, char *into, size_t most);
	bool    (*seek)(void *with, int64_t bytes);
	void     *with;
};

struct sheet {
	enum sheet_format  format;
	int                fd;    /* the caller's, if it is read from one */
	struct sheet_source source;
	int64_t            line;  /* lines before the next record */
	int64_t            bytes; /* bytes before it */
	char               why[SHEET_WHY_BYTES]; /* with line and column where there are such */
	size_t             names; /* of the row of names; 0: it has not been read */
	struct csv_parser *csv;   /* the rest is its own */
	struct arena      *arena;
	struct str        *cells;
	size_t             count, rows;
	char              *window;
	size_t             from, end;
	bool               ended;
};

struct record {
	int64_t     line;
	struct str  text;  /* NDJSON: without the end of the line */
	struct str *cells; /* CSV: count of them */
	size_t      count;
};

/* fd, or the source, stays open and must be at its beginning. */
void sheet_init(struct sheet *s, int fd, enum sheet_format format);
void sheet_init_from(struct sheet *s, const struct sheet_source *source, enum sheet_format format);
void sheet_fini(struct sheet *s);

enum sheet_next { SHEET_RECORD, SHEET_END, SHEET_REFUSED, SHEET_FAILED };

/*
 * The next record, which lives in the arena; of CSV the first one are the names. With NULL for the
 * arena the record is only judged, and *out has nothing but its line. SHEET_REFUSED: why
 * has a sentence about the file. SHEET_FAILED: it cannot be read, errno says why.
 */
enum sheet_next sheet_next(struct sheet *s, struct arena *a, struct record *out) MUSTCHECK;

/* Goes to a place of the same file that .bytes and .line were before: behind the names of CSV. */
bool sheet_seek(struct sheet *s, int64_t bytes, int64_t line) MUSTCHECK;

#endif
