/* Replies as json-c objects. */
#include "json/jwrite.h"
#include "base/arena.h"

#include <errno.h>
#include <json-c/json_object.h>
#include <json-c/printbuf.h>
#include <limits.h>

/* What a borrowed value refers to: a function that writes it, or else its text. */
struct borrowed {
	jwrite_fn  *fn;
	const void *what;
	struct str  json;
};

/* Makes room for n bytes and for the NUL that printbuf keeps behind the text. */
static char *
reserve(struct printbuf *out, size_t n)
{
	if (n >= (size_t)(out->size - out->bpos)) {
		int at = out->bpos;

		/* The only call that enlarges a printbuf also moves the end of its text. */
		if (n >= INT_MAX || printbuf_memset(out, -1, 0, (int)n + 1) < 0)
			out_of_memory();
		out->bpos = at;
	}
	return out->buf + out->bpos;
}

/* Takes n bytes that were written into the room. */
static void
advance(struct printbuf *out, size_t n)
{
	out->bpos += (int)n;
	out->buf[out->bpos] = '\0';
}

static void
append(struct printbuf *out, const char *p, size_t n)
{
	memcpy(reserve(out, n), p, n);
	advance(out, n);
}

#define APPEND(out, lit) append((out), "" lit, sizeof(lit) - 1)

static struct json_object *
must(struct json_object *value)
{
	if (!value)
		out_of_memory();
	return value;
}

static struct json_object *
copy_bytes(const void *p, size_t n)
{
	return must(n > INT_MAX ? NULL : json_object_new_string_len(p, (int)n));
}

struct json_object *
jwrite_object(void)
{
	return must(json_object_new_object());
}

struct json_object *
jwrite_array(void)
{
	return must(json_object_new_array());
}

struct json_object *
jwrite_str(struct str s)
{
	return s.ptr ? copy_bytes(s.ptr, s.len) : NULL;
}

struct json_object *
jwrite_int(int64_t n)
{
	return must(json_object_new_int64(n));
}

struct json_object *
jwrite_bool(bool b)
{
	return must(json_object_new_boolean(b));
}

static int
write_borrowed(struct json_object *value, struct printbuf *out, int level UNUSED, int flags UNUSED)
{
	struct borrowed b;

	memcpy(&b, json_object_get_string(value), sizeof(b));
	if (b.fn)
		b.fn(out, b.what);
	else
		jout_raw(out, b.json);
	return 0;
}

/* A string of json-c carries the struct, so that it costs no allocation of its own. */
static struct json_object *
borrow(const struct borrowed *b)
{
	struct json_object *value = copy_bytes(b, sizeof(*b));

	json_object_set_serializer(value, write_borrowed, NULL, NULL);
	return value;
}

struct json_object *
jwrite_raw(struct str json)
{
	return json.ptr ? borrow(&(struct borrowed) { .json = json }) : NULL;
}

struct json_object *
jwrite_custom(jwrite_fn *fn, const void *what)
{
	return borrow(&(struct borrowed) { .fn = fn, .what = what });
}

void
jwrite_put(struct json_object *object, const char *key, struct json_object *value)
{
	const unsigned flags = JSON_C_OBJECT_ADD_CONSTANT_KEY | JSON_C_OBJECT_ADD_KEY_IS_NEW;

	if (json_object_object_add_ex(object, key, value, flags) < 0)
		out_of_memory();
}

void
jwrite_push(struct json_object *array, struct json_object *value)
{
	if (json_object_array_add(array, value) < 0)
		out_of_memory();
}

void
jwrite_text(struct json_object *value, struct buf *out)
{
	const int   flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	const char *text;
	size_t      len;

	/*
	 * json-c ignores failed appends of brackets, names and strings, and would yield a text
	 * with holes: errno is their only trace.
	 */
	errno = 0;
	text = json_object_to_json_string_length(value, flags, &len);
	if (!text || errno == ENOMEM)
		out_of_memory();
	buf_add(out, text, len);
}

void
jwrite_free(struct json_object *value)
{
	json_object_put(value);
}

void
jout_open(struct printbuf *out)
{
	APPEND(out, "{");
}

void
jout_close(struct printbuf *out)
{
	APPEND(out, "}");
}

void
jout_key(struct printbuf *out, struct str key)
{
	char  *to = reserve(out, 1 + key.len);
	size_t n = 0;

	/* No value ends in an opening brace, so one means that this is the first member. */
	if (out->bpos == 0 || to[-1] != '{')
		to[n++] = ',';
	memcpy(to + n, key.ptr, key.len);
	advance(out, n + key.len);
}

/* How many bytes at the beginning need no escape: by eights, and then one by one. */
static size_t
plain(const char *p, size_t n)
{
	const uint64_t ones = UINT64_MAX / 255, high = ones << 7;
	size_t         at = 0;

	for (uint64_t x; at + sizeof(x) <= n; at += sizeof(x)) {
		uint64_t control, quote, slash;

		memcpy(&x, p + at, sizeof(x));
		quote = x ^ ones * '"';
		slash = x ^ ones * '\\';
		/* High bits of bytes below the space, or of zeros; a borrow may set the next. */
		control = (x - ones * ' ') & ~x;
		quote = (quote - ones) & ~quote;
		slash = (slash - ones) & ~slash;
		if ((control | quote | slash) & high)
			break;
	}
	while (at < n && (unsigned char)p[at] >= ' ' && p[at] != '"' && p[at] != '\\')
		at++;
	return at;
}

size_t
jout_escape(char out[JOUT_ESCAPE_BYTES], char c)
{
	/* The letter behind the backslash; characters without one have the long form. */
	static const char letters[UCHAR_MAX + 1] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
		['"'] = '"', ['\\'] = '\\',
	};
	char letter = letters[(unsigned char)c];

	*out++ = '\\';
	if (letter) {
		*out = letter;
		return 2;
	}
	str_put_hex(str_put(out, STR("u00")), &c, 1);
	return JOUT_ESCAPE_BYTES;
}

void
jout_str(struct printbuf *out, struct str s)
{
	char  *to;
	size_t n;

	if (!s.ptr) {
		APPEND(out, "null");
		return;
	}
	n = plain(s.ptr, s.len);
	to = reserve(out, n + 2);
	*to = '"';
	memcpy(to + 1, s.ptr, n);
	advance(out, 1 + n);
	while (n < s.len) {
		size_t more;

		advance(out, jout_escape(reserve(out, JOUT_ESCAPE_BYTES), s.ptr[n++]));
		more = plain(s.ptr + n, s.len - n);
		append(out, s.ptr + n, more);
		n += more;
	}
	APPEND(out, "\"");
}

void
jout_raw(struct printbuf *out, struct str json)
{
	if (json.ptr)
		append(out, json.ptr, json.len);
	else
		APPEND(out, "null");
}

void
jout_bool(struct printbuf *out, bool b)
{
	if (b)
		APPEND(out, "true");
	else
		APPEND(out, "false");
}
