/*
 * Inside of conf/: a key of the configuration, and its value in a struct conf.
 *
 * The table is in conf.c; value.c reads and prints values, read.c reads files and their like.
 */
#ifndef CONF_KEY_H
#define CONF_KEY_H

#include "conf/conf.h"

enum key_type {
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
	TYPE_TEXT, /* it and those below are texts */
	TYPE_URL, /* http or https, no slash at the end */
	TYPE_ORIGINS, /* "https://a.example, http://localhost:3000" */
};

enum key_flags {
	KEY_FIXED = 0,
	KEY_RELOAD = 1, /* a reload applies it */
	KEY_SECRET = 2, /* never printed */
	KEY_OWNER = 4,  /* of the owner's file; no process that serves may have it */
};

enum { KEY_NAME_MAX_BYTES = 40, KEY_CLIP_BYTES = 60 };

struct key {
	const char   *name, *dflt;
	enum key_type type;
	int           flags;
	int64_t       min, max; /* of texts: bytes */
	size_t        at;       /* offset of its member in struct conf */
	const char   *sentence;
};

/* In the order of the members. */
extern const struct key keys[];
extern const size_t     keys_count;

const struct key *key_find(struct str name); /* NULL: there is none */

static inline bool
key_is_text(const struct key *k)
{
	return k->type >= TYPE_TEXT;
}

/* The member itself. The struct is ours and never const where it is made; only key_set() writes. */
char   **key_text(const struct conf *c, const struct key *k);
int64_t *key_number(const struct conf *c, const struct key *k);

/*
 * False: err has a sentence that begins with the key's name, and nothing has changed. key_set()
 * refuses the owner's keys where they are not allowed, too.
 */
bool key_put(struct conf *c, const struct key *k, struct str value, struct buf *err) MUSTCHECK;
bool key_set(struct conf *c, const struct key *k, struct str value, struct buf *err) MUSTCHECK;

/* The value as a file would say it, also of a secret. */
void key_print(const struct conf *c, const struct key *k, struct buf *out);

/* The beginning of what came from outside, in quotation marks, with what cannot be seen escaped. */
void key_quote(struct str text, struct buf *err);

#endif
