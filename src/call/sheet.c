/* The records of a file. */
#include "call/sheet.h"
#include "base/utf8.h"

#include <csv.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WINDOW_BYTES = SHEET_RECORD_BYTES + 1, READ_BYTES = 128 * 1024 };

/* ---- a descriptor */

static ssize_t
read_fd(void *with, char *into, size_t most)
{
	const int *fd = with;
	ssize_t    n;

	do
		n = read(*fd, into, most);
	while (n == -1 && errno == EINTR);
	return n;
}

static bool
seek_fd(void *with, int64_t bytes)
{
	const int *fd = with;

	return lseek(*fd, bytes, SEEK_SET) != -1;
}

/* ---- lines */

static enum sheet_next PRINTF(2, 3)
refuse(struct sheet *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	return SHEET_REFUSED;
}

/* Reads more behind what is in the window, whose beginning is no longer needed. */
static bool
read_more(struct sheet *s)
{
	size_t  room, want;
	ssize_t n;

	memmove(s->window, s->window + s->from, s->end - s->from);
	s->end -= s->from;
	s->from = 0;
	room = WINDOW_BYTES - s->end;
	want = room < READ_BYTES ? room : READ_BYTES;
	n = s->source.read(s->source.with, s->window + s->end, want);
	if (n == -1)
		return false;
	s->ended = n == 0;
	s->end += (size_t)n;
	return true;
}

/* The next line, with its end if it has one; in the window until the next call. */
static enum sheet_next
next_line(struct sheet *s, struct str *out)
{
	size_t      seen = 0;
	const char *end = NULL;

	for (;;) {
		size_t left = s->end - s->from;

		end = left > seen ? memchr(s->window + s->from + seen, '\n', left - seen) : NULL;
		if (end || s->ended)
			break;
		if (left >= SHEET_RECORD_BYTES)
			return refuse(s, "line %jd has more than %d bytes",
			    (intmax_t)s->line + 1, SHEET_RECORD_BYTES);
		seen = left;
		if (!read_more(s))
			return SHEET_FAILED;
	}
	out->ptr = s->window + s->from;
	out->len = end ? (size_t)(end + 1 - out->ptr) : s->end - s->from;
	if (out->len == 0)
		return SHEET_END;
	s->from += out->len;
	s->bytes += (int64_t)out->len;
	s->line++;
	if (!utf8_valid(*out))
		return refuse(s, "line %jd is not UTF-8", (intmax_t)s->line);
	return SHEET_RECORD;
}

/* The marks of UTF-16 and UTF-32 are not UTF-8 either; they get a word of their own. */
static enum sheet_next
skip_mark(struct sheet *s)
{
	const char *p = s->window;

	while (!s->ended && s->end < 3)
		if (!read_more(s))
			return SHEET_FAILED;
	if (s->end >= 2 && (memcmp(p, "\xFF\xFE", 2) == 0 || memcmp(p, "\xFE\xFF", 2) == 0))
		return refuse(s, "the file is in UTF-16 or UTF-32; it must be in UTF-8");
	if (s->end >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0)
		s->from += 3, s->bytes += 3;
	return SHEET_RECORD;
}

static struct str
without_end(struct str line)
{
	if (line.len && line.ptr[line.len - 1] == '\n')
		line.len--;
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* ---- CSV */

static int
is_no_blank(unsigned char c)
{
	(void)c;
	return 0;
}

static void
take_cell(void *text, size_t len, void *with)
{
	struct sheet *s = with;

	if (s->arena && s->count < (s->names ? s->names : SHEET_CELLS_MAX))
		s->cells[s->count] = text
		    ? arena_str(s->arena, (struct str) { len ? text : "", len }) : STR_NONE;
	s->count++;
}

static void
take_row(int end, void *with)
{
	struct sheet *s = with;

	(void)end;
	s->rows++;
}

static void
begin_csv(struct sheet *s)
{
	const unsigned char strict = CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL;

	if (csv_init(s->csv, strict) != 0)
		out_of_memory();
	csv_set_space_func(s->csv, is_no_blank);
}

/* Gives the parser lines until they make a row. At the end of the file it may be without one. */
static enum sheet_next
parse_row(struct sheet *s, int64_t *begins)
{
	int64_t start = s->bytes;
	bool    begun = false;

	*begins = s->line + 1;
	while (s->rows == 0) {
		struct str      line;
		enum sheet_next next = next_line(s, &line);

		if (next == SHEET_END) {
			if (csv_fini(s->csv, take_cell, take_row, s) != 0)
				return refuse(s, "a quote is opened in line %jd and never closed",
				    (intmax_t)*begins);
			return s->rows ? SHEET_RECORD : SHEET_END;
		}
		if (next != SHEET_RECORD)
			return next;
		if (csv_parse(s->csv, line.ptr, line.len, take_cell, take_row, s) != line.len)
			return refuse(s, "line %jd: a quote in a cell must be doubled, and the "
			    "cell be in quotes", (intmax_t)s->line);
		if (s->bytes - start > SHEET_RECORD_BYTES)
			return refuse(s, "the row that begins in line %jd has more than %d bytes",
			    (intmax_t)*begins, SHEET_RECORD_BYTES);
		/* Empty lines before it; those in a cell with quotes are of the row. */
		begun = begun || without_end(line).len;
		if (!begun) {
			*begins = s->line + 1;
			start = s->bytes;
		}
	}
	if (s->rows > 1)
		return refuse(s, "line %jd: lines must end in LF or CR LF, not in CR alone",
		    (intmax_t)*begins);
	return SHEET_RECORD;
}

static enum sheet_next
next_row(struct sheet *s, struct arena *a, struct record *out)
{
	enum sheet_next next;

	s->arena = a;
	if (a)
		s->cells = ARENA_NEW(a, struct str, s->names ? s->names : SHEET_CELLS_MAX);
	s->count = s->rows = 0;
	next = parse_row(s, &out->line);
	if (next != SHEET_RECORD)
		return next;
	if (s->count > SHEET_CELLS_MAX)
		return refuse(s, "line %jd has more than %d cells", (intmax_t)out->line,
		    SHEET_CELLS_MAX);
	if (s->names == 0)
		s->names = s->count;
	if (s->count != s->names)
		return refuse(s, "line %jd has %zu cells, and the line of names has %zu",
		    (intmax_t)out->line, s->count, s->names);
	out->cells = a ? s->cells : NULL;
	out->count = s->count;
	return SHEET_RECORD;
}

/* ---- either */

void
sheet_init(struct sheet *s, int fd, enum sheet_format format)
{
	sheet_init_from(s, &(struct sheet_source) { read_fd, seek_fd, &s->fd }, format);
	s->fd = fd;
}

void
sheet_init_from(struct sheet *s, const struct sheet_source *source, enum sheet_format format)
{
	*s = (struct sheet) { .fd = -1, .source = *source, .format = format };
	s->window = must_alloc(WINDOW_BYTES);
	if (format == SHEET_CSV) {
		s->csv = must_alloc(sizeof(*s->csv));
		begin_csv(s);
	}
}

void
sheet_fini(struct sheet *s)
{
	if (s->csv)
		csv_free(s->csv);
	free(s->csv);
	free(s->window);
}

enum sheet_next
sheet_next(struct sheet *s, struct arena *a, struct record *out)
{
	enum sheet_next next = s->bytes == 0 ? skip_mark(s) : SHEET_RECORD;
	struct str      line;

	*out = (struct record) { 0 };
	if (next != SHEET_RECORD)
		return next;
	if (s->format == SHEET_CSV)
		return next_row(s, a, out);
	do {
		if ((next = next_line(s, &line)) != SHEET_RECORD)
			return next;
		line = without_end(line);
	} while (str_trim(line).len == 0);
	out->line = s->line;
	out->text = a ? arena_str(a, line) : STR_NONE;
	return SHEET_RECORD;
}

bool
sheet_seek(struct sheet *s, int64_t bytes, int64_t line)
{
	if (!s->source.seek(s->source.with, bytes))
		return false;
	s->bytes = bytes;
	s->line = line;
	s->from = s->end = 0;
	s->ended = false;
	if (s->csv) {
		csv_free(s->csv);
		begin_csv(s);
	}
	return true;
}
