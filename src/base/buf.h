/*
 * Growing text with a maximum.
 *
 * Overflow   'full' is sticky: once an append would pass max, it and all later
 *            ones do nothing. Ask once, at the end.
 * Ownership  buf_init() to buf_fini(); the bytes may move at each append.
 * Errors     malloc failing ends the process (see arena.h).
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/base.h"
#include "base/str.h"

struct buf {
	char  *ptr;
	size_t len, cap, max;
	bool   full;
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_fini(struct buf *b);

/* Empty again; memory above keep_bytes is given back. */
void buf_reset(struct buf *b, size_t keep_bytes);

/* Room for n more bytes, to be filled by the caller, who then adds n to len; NULL when full. */
char *buf_room(struct buf *b, size_t n);

void buf_add(struct buf *b, const char *p, size_t n);
void buf_str(struct buf *b, struct str s);
void buf_fmt(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

/*
 * For a terminal: text that somebody else wrote, with hidden characters escaped (base/utf8.h) and
 * U+FFFD for what is not UTF-8. JSON stays JSON of the same meaning, since it has such characters
 * in its strings alone.
 */
void buf_shown(struct buf *b, struct str text);

static inline struct str
buf_view(const struct buf *b)
{
	return (struct str) { b->ptr ? b->ptr : "", b->len };
}

#endif
