/*
 * A row of the table of keys: what it takes, how it is written, and which member of struct conf it
 * fills. For conf.c alone, which has the table.
 *
 * Errors     false, and one sentence in err that names the key.
 */
#ifndef CONF_KEY_H
#define CONF_KEY_H

#include "conf/conf.h"

enum type {
	TYPE_INT,     /* digits */
	TYPE_COUNT,   /* digits, or "auto", which is 0 */
	TYPE_WORKERS, /* the same, "static" and digits, or "dynamic" */
	TYPE_BYTES,   /* digits with K or M */
	TYPE_MS,      /* digits with ms, s, m or h */
	TYPE_OCTAL,   /* octal digits */
	TYPE_LEVEL,   /* these four: one of a list of names */
	TYPE_FORMAT,
	TYPE_SANDBOX,
	TYPE_SWITCH,
	TYPE_RATE, /* "off", or "100/s burst 200" */
	TYPE_TEXT,
	TYPE_URL, /* http or https, no slash at the end */
};

enum flags {
	FIXED = 0,
	RELOAD = 1, /* a reload applies it */
	SECRET = 2, /* never printed */
};

/* Units of bounds in the table. */
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define KIB    1024
#define MIB    (1024 * KIB)

struct key {
	const char *name, *dflt;
	enum type   type;
	int         flags;
	int64_t     min, max; /* of texts: bytes */
	size_t      at;
	const char *sentence;
};

/* Judges the value and puts it into the key's member; text is copied. */
bool key_set(const struct key *k, struct conf *c, struct str value, struct buf *err) MUSTCHECK;

/* As the file has it; a secret is masked. */
void key_print(const struct key *k, const struct conf *c, struct buf *out);

bool key_same(const struct key *k, const struct conf *a, const struct conf *b);

/* Copies the member from one configuration to another. */
void key_copy(const struct key *k, struct conf *to, const struct conf *from);

void key_free(const struct key *k, struct conf *c);

/* The beginning of a text from outside, for a message. */
struct str key_clip(struct str s);

#endif
