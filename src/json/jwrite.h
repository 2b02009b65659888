/*
 * Replies as json-c objects.
 *
 * Ownership  jwrite_object() and the functions like it make a value that the caller owns.
 *            jwrite_put() and jwrite_push() give it to the container, and jwrite_free() on
 *            the outermost container frees everything in it.
 * Raw        jwrite_raw() puts text that is JSON already (metadata) into the reply
 *            unparsed. jwrite_custom() lets a function write a value straight into the
 *            output, so that a resource costs one json-c object and not one for each field.
 *            What they point at must live until jwrite_text() is done.
 * Input      Strings must be valid UTF-8; they were checked on their way in.
 * Errors     When malloc() fails, the process ends (see arena.h).
 * Output     Compact; "/" is not escaped; characters beyond ASCII stay as they are.
 */
#ifndef JSON_JWRITE_H
#define JSON_JWRITE_H

#include "base/buf.h"
#include "base/str.h"

struct json_object; /* json-c's; NULL is JSON null */
struct printbuf;    /* json-c's output */

struct json_object *jwrite_object(void);
struct json_object *jwrite_array(void);
struct json_object *jwrite_str(struct str s); /* absent view: null */
struct json_object *jwrite_int(int64_t n);
struct json_object *jwrite_bool(bool b);
struct json_object *jwrite_raw(struct str json);

/* Writes one complete value with the jout functions below. */
typedef void jwrite_fn(struct printbuf *out, const void *what);
struct json_object *jwrite_custom(jwrite_fn *fn, const void *what);

/* key must live as long as the object, as a literal does. */
void jwrite_put(struct json_object *object, const char *key, struct json_object *value);
void jwrite_push(struct json_object *array, struct json_object *value);

void jwrite_text(struct json_object *value, struct buf *out);
void jwrite_free(struct json_object *value);

#define AUTO_JSON __attribute__((cleanup(jwrite_end)))
static inline void
jwrite_end(struct json_object **value)
{
	jwrite_free(*value);
}

/*
 * For a jwrite_fn: the members of an object. jout_key() adds the commas, which it does by
 * looking at the last byte.
 */
void jout_open(struct printbuf *out);
void jout_close(struct printbuf *out);
void jout_key(struct printbuf *out, struct str key); /* as JOUT_KEY() makes it */
void jout_str(struct printbuf *out, struct str s);   /* absent view: null */
void jout_raw(struct printbuf *out, struct str json); /* absent view: null */
void jout_bool(struct printbuf *out, bool b);

/*
 * The shortest escape of a character that a string must not hold as it is: a quote, a
 * backslash, or one below the space. Returns its length.
 */
enum { JOUT_ESCAPE_BYTES = 6 };
size_t jout_escape(char out[JOUT_ESCAPE_BYTES], char c);

/* A literal that needs no escape, with its quotes and colon, so that one copy writes it all. */
#define JOUT_KEY(name) STR("\"" name "\":")

#endif
