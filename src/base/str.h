/*
 * Text with a length: a view that owns nothing.
 *
 * Lifetime   That of the bytes it points at; a function that keeps a view
 *            longer says so.
 * Absent     ptr == NULL means 'not given' and is not the same as empty.
 * Errors     A parse function leaves its out value untouched when it fails.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/base.h"

#include <string.h>

struct str {
	const char *ptr;
	size_t      len;
};

#define STR(lit)    ((struct str) { "" lit, sizeof(lit) - 1 })
#define STR_NONE    ((struct str) { NULL, 0 })
#define STR_ARGS(s) ((int)(s).len), ((s).ptr ? (s).ptr : "") /* for "%.*s" */

/* A view of a C string; NULL gives an absent one. */
static inline struct str
str_of(const char *z)
{
	return (struct str) { z, z ? strlen(z) : 0 };
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool
str_is(struct str a, const char *z)
{
	return str_eq(a, str_of(z));
}

static inline bool
str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}

/* Copies the bytes; returns the place behind them. */
static inline char *
str_put(char *to, struct str s)
{
	if (s.len)
		memcpy(to, s.ptr, s.len);
	return to + s.len;
}

/* Order of bytes, shorter first: the order of COLLATE "C". */
int str_cmp(struct str a, struct str b);

/* These know ASCII alone, whatever the locale. */
static inline bool
str_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
str_is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static inline bool
str_is_alnum(char c)
{
	return str_is_digit(c) || str_is_upper(c) || (c >= 'a' && c <= 'z');
}

/* The value of a hexadecimal digit in either case; -1 if c is not one. */
static inline int
str_hex_digit(char c)
{
	if (str_is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Writes two hexadecimal digits in lower case for each byte; returns the place behind them. */
char *str_put_hex(char *to, const void *bytes, size_t n);

/* Writes it with %XX for all that a URL gives a meaning to, 3 * s.len bytes at most; likewise. */
char *str_put_escaped(char *to, struct str s);

/* ASCII letters only, as header and key names need it. */
bool str_eq_nocase(struct str a, struct str b);

/* The part before the first sep; *s is moved behind it, or is absent when there was no sep. */
struct str str_cut(struct str *s, char sep);

/* Single bytes: an ASCII control character; an ASCII character that leaves ink. */
static inline bool
str_is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static inline bool
str_is_visible(char c)
{
	return c > ' ' && c <= '~';
}

/* Whether there is an ASCII control character in it, such as the end of a line. */
bool str_has_control(struct str s);

/* In decimal; a tenth of what printf costs. room holds what is returned. */
enum { STR_NUM_BYTES = 20 };
struct str str_num(char room[STR_NUM_BYTES], uint64_t n);

/* Without blanks and tabs at both ends. */
struct str str_trim(struct str s);

/* Digits only, no sign, no blank; false when empty, malformed or outside [min, max]. */
bool str_to_i64(struct str s, int64_t min, int64_t max, int64_t *out) MUSTCHECK;

#endif
