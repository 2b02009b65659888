/* Growing text with a maximum. */
#include "base/buf.h"
#include "base/arena.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
buf_init(struct buf *b, size_t max_bytes)
{
	*b = (struct buf) { .max = max_bytes };
}

void
buf_fini(struct buf *b)
{
	free(b->ptr);
	*b = (struct buf) { 0 };
}

void
buf_reset(struct buf *b, size_t keep_bytes)
{
	if (b->cap > keep_bytes) {
		free(b->ptr);
		b->ptr = NULL;
		b->cap = 0;
	}
	b->len = 0;
	b->full = false;
}

char *
buf_room(struct buf *b, size_t n)
{
	if (b->full || n > b->max - b->len) {
		b->full = true;
		return NULL;
	}
	if (n > b->cap - b->len) {
		size_t cap = b->cap ? b->cap * 2 : 1024;

		if (cap < b->len + n)
			cap = b->len + n;
		if (cap > b->max)
			cap = b->max;
		b->ptr = must_realloc(b->ptr, cap);
		b->cap = cap;
	}
	return b->ptr + b->len;
}

void
buf_add(struct buf *b, const char *p, size_t n)
{
	char *to = buf_room(b, n);

	if (!to || n == 0)
		return;
	memcpy(to, p, n);
	b->len += n;
}

void
buf_str(struct buf *b, struct str s)
{
	buf_add(b, s.ptr, s.len);
}

void
buf_fmt(struct buf *b, const char *fmt, ...)
{
	char    text[512];
	va_list ap;
	int     n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n < sizeof(text)) {
		buf_add(b, text, (size_t)n);
		return;
	}
	/* One byte more than is kept: vsnprintf ends with a NUL. */
	char *to = buf_room(b, (size_t)n + 1);
	if (!to)
		return;
	va_start(ap, fmt);
	vsnprintf(to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void
buf_shown(struct buf *b, struct str text)
{
	size_t len;

	for (size_t at = 0; at < text.len; at += len) {
		char     escape[UTF8_ESCAPE_BYTES];
		uint32_t cp;

		len = utf8_char(text.ptr + at, text.len - at);
		if (len == 0) {
			buf_str(b, STR("\xef\xbf\xbd"));
			len = 1;
			continue;
		}
		cp = utf8_code(text.ptr + at, len);
		if (utf8_is_hidden(cp))
			buf_add(b, escape, utf8_escape(escape, cp));
		else
			buf_add(b, text.ptr + at, len);
	}
}
