/*
 * UTF-8: what is well formed (RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF) and how many characters it has.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/str.h"

/* Length in bytes of the well-formed character at p, which has n bytes at most; 0 if malformed. */
size_t utf8_char(const char *p, size_t n);

bool utf8_valid(struct str s);

/* Code points of well-formed text. */
size_t utf8_count(struct str s);

/* Appends code point cp (not a surrogate, at most 0x10FFFF) to out; returns 1 to 4 bytes. */
size_t utf8_put(char out[4], uint32_t cp);

#endif
