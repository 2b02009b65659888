/* What a key of the configuration takes, and how it is written. */
#include "conf/key.h"
#include "base/arena.h"
#include "base/rate.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { CLIP_BYTES = 60 };

static const char *const off_on[] = { "off", "on" };
static const char *const off_on_log[] = { "off", "on", "log" }; /* CONF_SANDBOX_ */

/* The names of a type's values, from 0 to the key's max. NULL: it has none. */
static const char *const *
names_of(enum type type)
{
	return type == TYPE_LEVEL ? log_level_names
	    : type == TYPE_FORMAT ? log_format_names
	    : type == TYPE_SWITCH ? off_on
	    : type == TYPE_SANDBOX ? off_on_log
				  : NULL;
}

struct unit {
	const char *suffix;
	int64_t     factor;
};

/* Largest first: a value is printed in the first unit that divides it. */
static const struct unit byte_units[] = { { "M", MIB }, { "K", KIB }, { "", 1 }, { NULL, 0 } };
static const struct unit ms_units[] = { { "h", HOUR }, { "m", MINUTE }, { "s", SECOND },
	{ "ms", 1 }, { NULL, 0 } };
static const struct unit plain_units[] = { { "", 1 }, { NULL, 0 } };

static char **
text_of(const struct conf *c, const struct key *k)
{
	/* Every struct conf is made writable, and readers of this pointer do not write. */
	return (char **)((uintptr_t)c + k->at);
}

static int64_t *
number_of(const struct conf *c, const struct key *k)
{
	return (int64_t *)((uintptr_t)c + k->at);
}

static const struct unit *
units_of(enum type type)
{
	return type == TYPE_BYTES ? byte_units : type == TYPE_MS ? ms_units : plain_units;
}

static bool
is_text(enum type type)
{
	return type == TYPE_TEXT || type == TYPE_URL;
}

static void
print_rate(int64_t packed, struct buf *out)
{
	const struct rate r = rate_unpack((uint64_t)packed);
	char              text[RATE_TEXT_BYTES];

	buf_str(out, rate_text(&r, text));
}

static void
print_number(const struct key *k, int64_t n, struct buf *out)
{
	const struct unit *u = units_of(k->type);

	if (names_of(k->type))
		buf_fmt(out, "%s", names_of(k->type)[n]);
	else if (k->type == TYPE_RATE)
		print_rate(n, out);
	else if (k->type == TYPE_OCTAL)
		buf_fmt(out, "%04o", (unsigned)n);
	else if (k->type == TYPE_WORKERS && n == CONF_WORKERS_DYNAMIC)
		buf_fmt(out, "dynamic");
	else if ((k->type == TYPE_COUNT || k->type == TYPE_WORKERS) && n == CONF_WORKERS_AUTO)
		buf_fmt(out, "auto");
	else if (n == 0)
		buf_fmt(out, "0");
	else {
		while (n % u->factor != 0)
			u++;
		buf_fmt(out, "%lld%s", (long long)(n / u->factor), u->suffix);
	}
}

static bool
parse_units(const struct key *k, struct str value, int64_t *out)
{
	struct str digits = value;
	struct str suffix;
	int64_t    n;

	while (digits.len && (digits.ptr[digits.len - 1] < '0' || digits.ptr[digits.len - 1] > '9'))
		digits.len--;
	suffix = (struct str) { value.ptr + digits.len, value.len - digits.len };
	if (!str_to_i64(digits, 0, INT64_MAX, &n))
		return false;
	/* Only 0 needs no unit: a time without one would be misread. */
	for (const struct unit *u = units_of(k->type); u->suffix; u++)
		if (str_is(suffix, u->suffix) || (n == 0 && suffix.len == 0)) {
			if (__builtin_mul_overflow(n, u->factor, &n) || n < k->min || n > k->max)
				return false;
			*out = n;
			return true;
		}
	return false;
}

static bool
parse_number(const struct key *k, struct str value, int64_t *out)
{
	struct rate rate;
	int64_t     n = 0;

	switch (k->type) {
	case TYPE_WORKERS:
	case TYPE_COUNT:
		if (k->type == TYPE_WORKERS && str_is(value, "dynamic")) {
			*out = CONF_WORKERS_DYNAMIC;
			return true;
		}
		if (k->type == TYPE_WORKERS && str_starts(value, STR("static ")))
			value = str_trim((struct str) { value.ptr + 7, value.len - 7 });
		if (str_is(value, "auto")) {
			*out = 0;
			return true;
		}
		return parse_units(k, value, out);
	case TYPE_INT:
	case TYPE_BYTES:
	case TYPE_MS:
		return parse_units(k, value, out);
	case TYPE_OCTAL:
		if (value.len < 3 || value.len > 4)
			return false;
		for (size_t i = 0; i < value.len; i++) {
			if (value.ptr[i] < '0' || value.ptr[i] > '7')
				return false;
			n = n * 8 + (value.ptr[i] - '0');
		}
		if (n > k->max)
			return false;
		*out = n;
		return true;
	case TYPE_LEVEL:
	case TYPE_FORMAT:
	case TYPE_SANDBOX:
	case TYPE_SWITCH:
		while (n <= k->max && !str_is(value, names_of(k->type)[n]))
			n++;
		if (n > k->max)
			return false;
		*out = n;
		return true;
	case TYPE_RATE:
		if (!rate_parse(value, &rate))
			return false;
		*out = (int64_t)rate_pack(&rate);
		return true;
	case TYPE_TEXT:
	case TYPE_URL:
		break;
	}
	return false;
}

static bool
text_fits(const struct key *k, struct str value)
{
	if ((int64_t)value.len < k->min || (int64_t)value.len > k->max || !utf8_valid(value)
	    || str_has_control(value))
		return false;
	if (k->type == TYPE_URL)
		return (str_starts(value, STR("https://")) || str_starts(value, STR("http://")))
		    && value.ptr[value.len - 1] != '/';
	return true;
}

struct str
key_clip(struct str s)
{
	return (struct str) { s.ptr, s.len < CLIP_BYTES ? s.len : CLIP_BYTES };
}

/* What the key takes, for the message about a value that it refused. */
static void
print_expected(const struct key *k, struct buf *err)
{
	static const char *const what[] = {
		[TYPE_INT] = "a whole number",
		[TYPE_COUNT] = "auto or a whole number",
		[TYPE_WORKERS] = "auto, dynamic or a whole number",
		[TYPE_BYTES] = "a size such as 16K or 2M,",
		[TYPE_MS] = "a time such as 500ms, 5s, 1m or 24h,",
		[TYPE_OCTAL] = "octal permissions such as 0660",
		[TYPE_RATE] = "off or a rate such as 100/s, 1000/m burst 50 or 5000/h, with "
			      "numbers",
		[TYPE_TEXT] = "plain text",
		[TYPE_URL] = "an http or https URL without a slash at its end",
	};

	for (int64_t i = 0; names_of(k->type) && i <= k->max; i++)
		buf_fmt(err, "%s%s", i == 0 ? "" : i == k->max ? " or " : ", ",
		    names_of(k->type)[i]);
	if (names_of(k->type))
		return;
	buf_fmt(err, "%s", what[k->type]);
	if (k->type == TYPE_OCTAL)
		return;
	if (is_text(k->type)) {
		buf_fmt(err, " of %d to %d bytes", (int)k->min, (int)k->max);
		return;
	}
	if (k->type == TYPE_RATE) {
		buf_fmt(err, " from %d to %d", (int)k->min, (int)k->max);
		return;
	}
	buf_fmt(err, " from ");
	print_number(k, k->min, err);
	buf_fmt(err, " to ");
	print_number(k, k->max, err);
}

bool
key_set(const struct key *k, struct conf *c, struct str value, struct buf *err)
{
	char **text = text_of(c, k);

	if (is_text(k->type) && text_fits(k, value)) {
		free(*text);
		*text = must_alloc(value.len + 1);
		memcpy(*text, value.ptr, value.len);
		return true;
	}
	if (!is_text(k->type) && parse_number(k, value, number_of(c, k)))
		return true;
	buf_fmt(err, "%s must be ", k->name);
	print_expected(k, err);
	if (!(k->flags & SECRET))
		buf_fmt(err, ", not \"%.*s\"", STR_ARGS(key_clip(value)));
	return false;
}

void
key_print(const struct key *k, const struct conf *c, struct buf *out)
{
	if (!is_text(k->type))
		print_number(k, *number_of(c, k), out);
	else if ((k->flags & SECRET) && **text_of(c, k))
		buf_fmt(out, "********");
	else
		buf_fmt(out, "%s", *text_of(c, k));
}

bool
key_same(const struct key *k, const struct conf *a, const struct conf *b)
{
	if (is_text(k->type))
		return strcmp(*text_of(a, k), *text_of(b, k)) == 0;
	return *number_of(a, k) == *number_of(b, k);
}

void
key_copy(const struct key *k, struct conf *to, const struct conf *from)
{
	if (is_text(k->type)) {
		free(*text_of(to, k));
		*text_of(to, k) = must_strdup(*text_of(from, k));
	} else
		*number_of(to, k) = *number_of(from, k);
}

void
key_free(const struct key *k, struct conf *c)
{
	if (is_text(k->type))
		free(*text_of(c, k));
}
