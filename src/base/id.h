/*
 * 128-bit ids in time order (UUIDv7 layout): 48 bits of milliseconds, 12 bits
 * that count within one process and millisecond, 62 random bits. Stored as
 * uuid, shown as prefix + 22 digits in base 62 ("cus_0M8...").
 *
 * Order      Ids of one process never go back, even when the clock does. So the milliseconds in an
 *            id order it and are no time to show: they stay ahead after a clock that was ahead.
 * Processes  Ids of a parent and its children differ: each has random bits of its own.
 * Text       Exactly ID_TEXT_BYTES digits of 0-9A-Za-z, so the order of the
 *            text is the order of the ids; any other spelling is refused.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/str.h"

enum {
	ID_BYTES = 16,
	ID_TEXT_BYTES = 22,
	ID_UUID_BYTES = 36,
	ID_PREFIXED_BYTES = 8 + ID_TEXT_BYTES, /* the longest prefix, and digits */
};

/* Prefixes of what is no resource. */
#define ID_ORGANIZATION STR("org_")

struct id {
	unsigned char b[ID_BYTES];
};

struct id id_new(void);

void id_text(const struct id *id, char out[ID_TEXT_BYTES]);
/* Prefix and digits, as the API shows an id; a view of out. */
struct str id_prefixed(struct str prefix, const struct id *id, char out[ID_PREFIXED_BYTES]);

bool id_parse(struct str prefix, struct str text, struct id *out) MUSTCHECK;

/* The RFC 9562 spelling, 36 characters; either case is read, lower case written. */
void id_uuid(const struct id *id, char out[ID_UUID_BYTES]);
bool id_parse_uuid(struct str text, struct id *out) MUSTCHECK;

static inline bool
id_eq(const struct id *a, const struct id *b)
{
	return memcmp(a->b, b->b, ID_BYTES) == 0;
}

/* All zeros: no id at all. */
static inline bool
id_is_nil(const struct id *id)
{
	static const struct id nil;

	return id_eq(id, &nil);
}

/* prefix + bytes of randomness in base 62, NUL-terminated; out has room for size bytes. */
void id_random_text(struct str prefix, size_t digits, char *out, size_t size);

/* The last so many digits of n in base 62, with leading zeros. */
void id_number_text(uint64_t n, size_t digits, char *out);

#endif
