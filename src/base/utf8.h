/*
 * UTF-8: what is well formed (RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF), how many characters it has, and which of them cannot be seen.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/str.h"

/* Length in bytes of the well-formed character at p, which has n bytes at most; 0 if malformed. */
size_t utf8_char(const char *p, size_t n);

bool utf8_valid(struct str s);

/* Code points of well-formed text. */
size_t utf8_count(struct str s);

/* Whether there are more than max: counted only where there are more bytes than that. */
bool utf8_exceeds(struct str s, size_t max);

/* The beginning of well-formed text: as many whole characters as fit in max bytes. */
struct str utf8_head(struct str s, size_t max);

/* The code point of the well-formed character at p, len bytes long. */
uint32_t utf8_code(const char *p, size_t len);

/*
 * Whether a code point shows nothing by itself, and may move the cursor, end the line or turn the
 * text around it: Unicode's controls, format characters (bidi marks, joiners, the byte order mark)
 * and line and paragraph separators. Format characters that are drawn, such as the Arabic number
 * sign, are not hidden.
 */
bool utf8_is_hidden(uint32_t cp);

/* Whether a code point is drawn as nothing but room: every kind of blank. */
bool utf8_is_blank(uint32_t cp);

/* Appends code point cp (not a surrogate, at most 0x10FFFF) to out; returns 1 to 4 bytes. */
size_t utf8_put(char out[4], uint32_t cp);

/* What stands for a hidden character where it must be seen, as JSON writes it: \u001b. */
enum { UTF8_ESCAPE_BYTES = 12 }; /* two of them above U+FFFF */
size_t utf8_escape(char out[UTF8_ESCAPE_BYTES], uint32_t cp);

#endif
