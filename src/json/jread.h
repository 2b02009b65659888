/*
 * Strict JSON reader: RFC 8259 and nothing else, in one pass, into a flat index.
 *
 * Refuses    What json-c would let through: NaN, Infinity, -01, "1.", single quotes, raw
 *            control characters, bad UTF-8 (overlong, surrogates), a BOM, trailing text.
 *            And what RFC 8259 leaves open: duplicate names (compared after unescaping),
 *            NUL (also as \u0000), lone surrogates, more depth or values than the limits.
 *            The error has the offset of the byte where reading stopped.
 * Yields     A node for each value, with the span of its source bytes. Nothing is copied
 *            or converted before it is asked for, so text that only passes through
 *            (metadata) leaves as the very bytes that came.
 * Lifetime   Nodes live in the arena, spans point into the text: keep both.
 * Recursion  None: depth costs no stack.
 * Units      Offsets and lengths are bytes.
 */
#ifndef JSON_JREAD_H
#define JSON_JREAD_H

#include "base/arena.h"
#include "base/str.h"

enum jtype { JTYPE_NULL, JTYPE_BOOL, JTYPE_NUMBER, JTYPE_STRING, JTYPE_ARRAY, JTYPE_OBJECT };

/* Words for messages: "null", "boolean", "number", "string", "array", "object". */
extern const char *const jtype_names[];

struct jnode {
	unsigned char type;        /* enum jtype */
	bool          truth;       /* JTYPE_BOOL: its value */
	bool          escaped;     /* JTYPE_STRING: has a backslash */
	bool          key_escaped; /* the member's name has a backslash */
	unsigned char height;      /* levels of arrays and objects in it: 0 for scalars, 1 for {} */
	uint32_t      key;         /* start and length of the member's name without quotes; */
	uint32_t      key_len;     /*   both 0 in an array and at the top */
	uint32_t      start;       /* the value's source bytes, quotes and brackets included */
	uint32_t      len;
	uint32_t      next;        /* index of the following sibling, 0 when it is the last */
	uint32_t      size;        /* members or elements of an object or array */
	uint32_t      values;      /* values in it, itself included; its first child follows it */
};

struct jdoc {
	struct str          text;
	const struct jnode *nodes; /* nodes[0] is the whole document */
	size_t              count;
};

struct jlimits {
	size_t depth;  /* nested arrays and objects; a scalar document has 0; at most 255 */
	size_t values; /* nodes in all */
};

/*
 * The offset is that of the first byte that cannot be right, or text.len when the text ends too
 * early. Where a whole character, \u escape or repeated name is wrong, it is that of its first
 * byte; a name begins with its quote.
 */
struct jread_error {
	size_t      offset;
	const char *what; /* ends a sentence: "a control character in a string" */
};

/* text may be at most UINT32_MAX bytes. False: *why is filled, *doc untouched. */
bool jread_parse(struct arena *a, struct str text, const struct jlimits *limits, struct jdoc *doc,
    struct jread_error *why) MUSTCHECK;

/* First member or element, NULL when there is none (or n is a scalar); then the next, or NULL. */
const struct jnode *jread_first(const struct jdoc *doc, const struct jnode *n);
const struct jnode *jread_next(const struct jdoc *doc, const struct jnode *n);

/*
 * The member of an object with this unescaped name, NULL when there is none. A member that is
 * null has a node. Looks at one member after the other.
 */
const struct jnode *jread_member(const struct jdoc *doc, const struct jnode *object,
    struct str name);

/* Source bytes of the value, as they came. */
struct str jread_raw(const struct jdoc *doc, const struct jnode *n);

/* The unescaped text of a JTYPE_STRING, or of a name: a copy if it has escapes, else a view. */
struct str jread_string(struct arena *a, const struct jdoc *doc, const struct jnode *n);
struct str jread_key(struct arena *a, const struct jdoc *doc, const struct jnode *n);

#endif
