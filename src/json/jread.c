/* Strict JSON reader: RFC 8259 into a flat index. */
#include "json/jread.h"
#include "base/hash.h"
#include "base/utf8.h"

#include <assert.h>

const char *const jtype_names[] = {
	[JTYPE_NULL] = "null",
	[JTYPE_BOOL] = "boolean",
	[JTYPE_NUMBER] = "number",
	[JTYPE_STRING] = "string",
	[JTYPE_ARRAY] = "array",
	[JTYPE_OBJECT] = "object",
};

enum {
	/* The largest value of jnode.height. */
	HEIGHT_MAX = UINT8_MAX,

	/*
	 * Nodes to begin with. A body of the API has at most one value for every 17 bytes
	 * (measured with batches); one of long strings must not cost more than 72 KiB.
	 */
	NODE_BYTES = 14,
	NODES_MIN = 8,
	NODES_FIRST_MAX = 2048,

	/* In objects up to this size all pairs of names are compared, which beats any table. */
	PAIRWISE_MAX = 16,
};

struct reader {
	struct arena         *arena;
	const struct jlimits *limits;
	struct jread_error   *why;
	const unsigned char  *text;
	const unsigned char  *p; /* the next byte */
	const unsigned char  *end;
	struct jnode         *nodes;
	uint32_t              count;
	uint32_t              cap;
	uint32_t              depth;
	uint32_t              open; /* the innermost array or object; undefined at depth 0 */
};

/* Bytes that stand for themselves in a string, whatever comes next to them. */
static const bool plain[256] = {
	[' '] = true,
	['!'] = true,
	['#' ... '['] = true,
	[']' ... 0x7F] = true,
};

/* What a backslash and this letter mean. u has a function of its own. */
static const char unescaped[256] = {
	['"'] = '"',
	['\\'] = '\\',
	['/'] = '/',
	['b'] = '\b',
	['f'] = '\f',
	['n'] = '\n',
	['r'] = '\r',
	['t'] = '\t',
};

static bool
fail(struct reader *r, const unsigned char *at, const char *what)
{
	*r->why = (struct jread_error) {
		.offset = (size_t)(at - r->text),
		.what = at == r->end ? "an unexpected end" : what,
	};
	return false;
}

static inline uint32_t
offset(const struct reader *r)
{
	return (uint32_t)(r->p - r->text);
}

/* The next byte; 0 at the end, which is safe because the grammar has no place for a NUL. */
static inline unsigned char
peek(const struct reader *r)
{
	return r->p < r->end ? *r->p : 0;
}

static inline void
skip_blanks(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
		r->p++;
}

/* Reads the four digits of a UTF-16 unit. */
static bool
read_hex(struct reader *r, uint32_t *unit)
{
	uint32_t n = 0;

	for (int i = 0; i < 4; i++, r->p++) {
		int digit = str_hex_digit((char)peek(r));

		if (digit < 0)
			return fail(r, r->p, "a \\u without four hexadecimal digits");
		n = n << 4 | (uint32_t)digit;
	}
	*unit = n;
	return true;
}

/* Reads from the backslash on. A pair of surrogates is one escape. */
static bool
read_escape(struct reader *r)
{
	static const char    half[] = "half a surrogate pair";
	const unsigned char *start = r->p++;
	uint32_t             unit;

	if (peek(r) != 'u') {
		if (!unescaped[peek(r)])
			return fail(r, r->p, "an unknown escape");
		r->p++;
		return true;
	}
	r->p++;
	if (!read_hex(r, &unit))
		return false;
	if (unit == 0)
		return fail(r, start, "an escaped NUL");
	if (unit < 0xD800 || unit > 0xDFFF)
		return true;
	if (unit > 0xDBFF)
		return fail(r, start, half);
	for (const char *due = "\\u"; *due; due++, r->p++)
		if (peek(r) != *due)
			return fail(r, r->p == r->end ? r->p : start, half);
	if (!read_hex(r, &unit))
		return false;
	return (unit >= 0xDC00 && unit <= 0xDFFF) || fail(r, start, half);
}

/* Reads from the opening quote to the closing one. */
static bool
read_string(struct reader *r, bool *escaped)
{
	size_t n;

	for (r->p++;; r->p += n) {
		while (r->p < r->end && plain[*r->p])
			r->p++;
		n = 0;
		if (peek(r) == '"') {
			r->p++;
			return true;
		}
		if (peek(r) == '\\') {
			*escaped = true;
			if (!read_escape(r))
				return false;
			continue;
		}
		if (peek(r) < ' ')
			return fail(r, r->p, "a control character in a string");
		n = utf8_char((const char *)r->p, (size_t)(r->end - r->p));
		if (n == 0)
			return fail(r, r->p, "bad UTF-8");
	}
}

static inline bool
at_digit(const struct reader *r)
{
	return str_is_digit((char)peek(r));
}

static bool
read_digits(struct reader *r)
{
	if (!at_digit(r))
		return fail(r, r->p, "a missing digit");
	while (at_digit(r))
		r->p++;
	return true;
}

static bool
read_number(struct reader *r)
{
	if (peek(r) == '-')
		r->p++;
	if (peek(r) == '0') {
		r->p++;
		if (at_digit(r))
			return fail(r, r->p, "a digit after a leading zero");
	} else if (!read_digits(r)) {
		return false;
	}
	if (peek(r) == '.') {
		r->p++;
		if (!read_digits(r))
			return false;
	}
	if (peek(r) == 'e' || peek(r) == 'E') {
		r->p++;
		if (peek(r) == '+' || peek(r) == '-')
			r->p++;
		return read_digits(r);
	}
	return true;
}

static bool
read_word(struct reader *r, const char *word)
{
	for (; *word; word++, r->p++)
		if (peek(r) != *word)
			return fail(r, r->p, "something other than a value");
	return true;
}

static bool
open_container(struct reader *r, struct jnode *n)
{
	if (r->depth >= r->limits->depth)
		return fail(r, r->p, "too many levels");
	n->height = 1;
	n->values = r->open; /* until close_container() puts the number of values here */
	r->open = (uint32_t)(n - r->nodes);
	r->depth++;
	r->p++;
	return true;
}

/* Returns the index of the container that it closes. */
static uint32_t
close_container(struct reader *r)
{
	uint32_t      closed = r->open;
	struct jnode *n = &r->nodes[closed];

	r->p++;
	r->open = n->values;
	r->depth--;
	n->len = offset(r) - n->start;
	n->values = r->count - closed;
	if (r->depth && r->nodes[r->open].height <= n->height)
		r->nodes[r->open].height = (unsigned char)(n->height + 1);
	return closed;
}

static inline unsigned char
closing_bracket(const struct reader *r)
{
	return r->nodes[r->open].type == JTYPE_OBJECT ? '}' : ']';
}

/* Reads a scalar, or opens an array or object. */
static bool
read_value(struct reader *r, struct jnode *n)
{
	bool ok;

	n->start = offset(r);
	n->values = 1;
	switch (peek(r)) {
	case '{':
		n->type = JTYPE_OBJECT;
		return open_container(r, n);
	case '[':
		n->type = JTYPE_ARRAY;
		return open_container(r, n);
	case '"':
		n->type = JTYPE_STRING;
		ok = read_string(r, &n->escaped);
		break;
	case '-':
	case '0' ... '9':
		n->type = JTYPE_NUMBER;
		ok = read_number(r);
		break;
	case 't':
		n->type = JTYPE_BOOL;
		n->truth = true;
		ok = read_word(r, "true");
		break;
	case 'f':
		n->type = JTYPE_BOOL;
		ok = read_word(r, "false");
		break;
	default:
		ok = read_word(r, "null");
	}
	n->len = offset(r) - n->start;
	return ok;
}

static void
grow(struct reader *r)
{
	size_t        bytes = (size_t)(r->end - r->text);
	size_t        cap = (size_t)r->cap * 2;
	struct jnode *more;

	if (cap == 0)
		cap = bytes / NODE_BYTES + NODES_MIN;
	if (r->cap == 0 && cap > NODES_FIRST_MAX)
		cap = NODES_FIRST_MAX;
	if (cap > r->limits->values)
		cap = r->limits->values;
	if (cap > UINT32_MAX)
		cap = UINT32_MAX;
	more = ARENA_NEW(r->arena, struct jnode, cap);
	if (r->count)
		memcpy(more, r->nodes, r->count * sizeof(*more));
	r->nodes = more;
	r->cap = (uint32_t)cap;
}

/* Adds a node for the value that begins here. In an object it reads name and colon first. */
static bool
begin_value(struct reader *r)
{
	struct jnode *n;
	uint32_t      name = offset(r) + 1;

	if (r->count >= r->limits->values)
		return fail(r, r->p, "too many values");
	if (r->count == r->cap)
		grow(r);
	n = &r->nodes[r->count++];
	if (!r->depth)
		return true;
	r->nodes[r->open].size++;
	if (r->nodes[r->open].type == JTYPE_ARRAY)
		return true;
	if (peek(r) != '"')
		return fail(r, r->p, "something other than a name in quotes");
	if (!read_string(r, &n->key_escaped))
		return false;
	n->key = name;
	n->key_len = offset(r) - 1 - name;
	skip_blanks(r);
	if (peek(r) != ':')
		return fail(r, r->p, "something other than a colon");
	r->p++;
	skip_blanks(r);
	return true;
}

static bool
read_document(struct reader *r)
{
	if (r->end - r->p >= 3 && memcmp(r->p, "\xEF\xBB\xBF", 3) == 0)
		return fail(r, r->p, "a byte order mark");
	skip_blanks(r);
	if (!begin_value(r))
		return false;
	for (;;) {
		uint32_t done = r->count - 1;

		if (!read_value(r, &r->nodes[done]))
			return false;
		skip_blanks(r);
		if (r->depth && r->open == done && peek(r) != closing_bracket(r)) {
			if (!begin_value(r))
				return false;
			continue;
		}
		while (r->depth && peek(r) == closing_bracket(r)) {
			done = close_container(r);
			skip_blanks(r);
		}
		if (!r->depth)
			return r->p == r->end || fail(r, r->p, "more text after the end");
		if (peek(r) != ',')
			return fail(r, r->p, "something other than a comma or a closing bracket");
		r->p++;
		skip_blanks(r);
		r->nodes[done].next = r->count;
		if (!begin_value(r))
			return false;
	}
}

/* Takes a byte or an escape of checked text, and returns the 1 to 4 bytes that it means. */
static size_t
unescape(const char **p, char out[4])
{
	const char *s = *p;
	uint32_t    unit[2] = { 0 };

	if (s[0] != '\\') {
		*p += 1;
		out[0] = s[0];
		return 1;
	}
	if (s[1] != 'u') {
		*p += 2;
		out[0] = unescaped[(unsigned char)s[1]];
		return 1;
	}
	for (int i = 0; i < 2; i++, *p += 6) {
		for (int digit = 2; digit < 6; digit++)
			unit[i] = unit[i] << 4 | (uint32_t)str_hex_digit((*p)[digit]);
		if (unit[0] < 0xD800 || unit[0] > 0xDBFF) {
			*p += 6;
			return utf8_put(out, unit[0]);
		}
	}
	return utf8_put(out, 0x10000 + ((unit[0] - 0xD800) << 10) + (unit[1] - 0xDC00));
}

/* A view of the text when nothing is escaped, else a copy. */
static struct str
plain_text(struct arena *a, struct str s, bool escaped)
{
	const char *p = s.ptr;
	char       *copy;
	size_t      len = 0;
	size_t      n;
	char        some[4];

	if (!escaped)
		return s;
	copy = ARENA_NEW(a, char, s.len);
	while (p < s.ptr + s.len) {
		n = unescape(&p, some);
		memcpy(copy + len, some, n);
		len += n;
	}
	return (struct str) { copy, len };
}

static struct str
key_source(struct str text, const struct jnode *n)
{
	return (struct str) { text.ptr + n->key, n->key_len };
}

/* The names of one object so far. Those of a large object are in a hash table. */
struct names {
	struct str *list;
	uint32_t    count;
	uint32_t   *slots; /* 1 + place in the list; 0 is free */
	unsigned    bits;  /* there are 1 << bits slots; 0 without a table */
};

/*
 * A polynomial over the prime 2^31 - 1 at a secret point, spread by a secret factor: without
 * knowing both, nobody can choose names that share a slot more often than by chance.
 */
static uint64_t
hash_name(struct str name)
{
	static uint64_t secret[2];
	const uint64_t  prime = INT32_MAX;
	uint64_t        h = 1;

	if (!secret[1]) {
		hash_random(secret, sizeof(secret));
		secret[0] %= prime;
		secret[1] |= 1;
	}
	for (size_t i = 0; i < name.len; i++)
		h = (h * secret[0] + (unsigned char)name.ptr[i]) % prime;
	return h * secret[1];
}

/* False when the object has the name already. */
static bool
add_name(struct names *all, struct str name)
{
	if (all->bits) {
		size_t at = (size_t)(hash_name(name) >> (64 - all->bits));

		for (; all->slots[at]; at = (at + 1) & (((size_t)1 << all->bits) - 1))
			if (str_eq(all->list[all->slots[at] - 1], name))
				return false;
		all->slots[at] = all->count + 1;
	} else {
		for (uint32_t i = 0; i < all->count; i++)
			if (str_eq(all->list[i], name))
				return false;
	}
	all->list[all->count++] = name;
	return true;
}

/* Makes a table for so many names, in the memory of the earlier one if that is large enough. */
static void
reserve_names(struct arena *a, struct names *all, struct names *earlier, uint32_t count)
{
	size_t slots;

	while ((UINT64_C(1) << all->bits) < (uint64_t)count * 2)
		all->bits++;
	slots = (size_t)1 << all->bits;
	if (all->bits > earlier->bits) {
		earlier->bits = all->bits;
		earlier->list = ARENA_NEW(a, struct str, slots / 2);
		earlier->slots = ARENA_NEW(a, uint32_t, slots);
	}
	all->list = earlier->list;
	all->slots = memset(earlier->slots, 0, slots * sizeof(*all->slots));
}

/* The first member whose name the object has already, or NULL. */
static const struct jnode *
find_repeated(const struct reader *r, const struct jnode *object, struct names *earlier)
{
	struct str          few[PAIRWISE_MAX];
	struct names        all = { .list = few };
	struct str          text = { (const char *)r->text, (size_t)(r->end - r->text) };
	const struct jnode *n = object + 1;

	if (object->size > PAIRWISE_MAX)
		reserve_names(r->arena, &all, earlier, object->size);
	/* If reading has stopped in this object, its last member may have no node or no name. */
	while (n->key) {
		if (!add_name(&all, plain_text(r->arena, key_source(text, n), n->key_escaped)))
			return n;
		if (n->next == 0 || n->next == r->count)
			break;
		n = r->nodes + n->next;
	}
	return NULL;
}

/* A repeated name is the first fault, whatever else is wrong behind it. */
static bool
check_names(struct reader *r)
{
	struct names         earlier = { 0 };
	const unsigned char *first = NULL;

	for (uint32_t i = 0; i < r->count; i++) {
		const struct jnode *n = NULL;

		if (r->nodes[i].type == JTYPE_OBJECT && r->nodes[i].size > 1)
			n = find_repeated(r, &r->nodes[i], &earlier);
		if (n && (!first || r->text + n->key - 1 < first))
			first = r->text + n->key - 1;
	}
	return !first || fail(r, first, "a name that the object has already");
}

bool
jread_parse(struct arena *a, struct str text, const struct jlimits *limits, struct jdoc *doc,
    struct jread_error *why)
{
	const unsigned char *bytes = (const unsigned char *)(text.ptr ? text.ptr : "");
	struct jread_error   fault;
	struct reader        r = {
		.arena = a,
		.limits = limits,
		.why = &fault,
		.text = bytes,
		.p = bytes,
		.end = bytes + text.len,
	};
	bool ok;

	assert(text.len <= UINT32_MAX && limits->depth <= HEIGHT_MAX);
	ok = read_document(&r);
	if (!check_names(&r) || !ok) {
		*why = fault;
		return false;
	}
	*doc = (struct jdoc) { text, r.nodes, r.count };
	return true;
}

const struct jnode *
jread_first(const struct jdoc *doc UNUSED, const struct jnode *n)
{
	return n->size ? n + 1 : NULL;
}

const struct jnode *
jread_next(const struct jdoc *doc, const struct jnode *n)
{
	return n->next ? doc->nodes + n->next : NULL;
}

/* Whether source text with escapes stands for this text. */
static bool
means(struct str source, struct str text)
{
	const char *p = source.ptr;
	const char *end = source.ptr + source.len;
	char        some[4];

	while (p < end) {
		struct str part = { some, unescape(&p, some) };

		if (!str_starts(text, part))
			return false;
		text.ptr += part.len;
		text.len -= part.len;
	}
	return text.len == 0;
}

const struct jnode *
jread_member(const struct jdoc *doc, const struct jnode *object, struct str name)
{
	const struct jnode *n = object->type == JTYPE_OBJECT ? jread_first(doc, object) : NULL;

	for (; n; n = jread_next(doc, n)) {
		struct str key = key_source(doc->text, n);

		if (n->key_escaped ? means(key, name) : str_eq(key, name))
			return n;
	}
	return NULL;
}

struct str
jread_raw(const struct jdoc *doc, const struct jnode *n)
{
	return (struct str) { doc->text.ptr + n->start, n->len };
}

struct str
jread_string(struct arena *a, const struct jdoc *doc, const struct jnode *n)
{
	assert(n->type == JTYPE_STRING);
	return plain_text(a, (struct str) { doc->text.ptr + n->start + 1, n->len - 2 }, n->escaped);
}

struct str
jread_key(struct arena *a, const struct jdoc *doc, const struct jnode *n)
{
	return plain_text(a, key_source(doc->text, n), n->key_escaped);
}
