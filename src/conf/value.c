/* Values of configuration keys: read from text, printed as text. */
#include "base/arena.h"
#include "base/rate.h"
#include "base/utf8.h"
#include "conf/key.h"

#include <stdlib.h>
#include <string.h>

static const char *const off_on[] = { "off", "on" };
static const char *const off_on_log[] = { "off", "on", "log" }; /* CONF_SANDBOX_ */

/* The names of a type's values, from 0 to the key's max. NULL: it has none. */
static const char *const *
names_of(enum key_type type)
{
	return type == TYPE_LEVEL ? log_level_names
	    : type == TYPE_FORMAT ? log_format_names
	    : type == TYPE_SWITCH ? off_on
	    : type == TYPE_SANDBOX ? off_on_log
				  : NULL;
}

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define KIB    1024
#define MIB    (1024 * KIB)

struct unit {
	const char *suffix;
	int64_t     factor;
};

/* Largest first: a value is printed in the first unit that divides it. */
static const struct unit byte_units[] = { { "M", MIB }, { "K", KIB }, { "", 1 }, { NULL, 0 } };
static const struct unit ms_units[] = { { "h", HOUR }, { "m", MINUTE }, { "s", SECOND },
	{ "ms", 1 }, { NULL, 0 } };
static const struct unit plain_units[] = { { "", 1 }, { NULL, 0 } };

static const struct unit *
units_of(enum key_type type)
{
	return type == TYPE_BYTES ? byte_units : type == TYPE_MS ? ms_units : plain_units;
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

/* A number and its unit. A time without one is a guess waiting to be wrong; only 0 needs none. */
static bool
parse_units(const struct unit *units, struct str value, int64_t min, int64_t max, int64_t *out)
{
	struct str digits = value;
	struct str suffix;
	int64_t    n;

	while (digits.len && (digits.ptr[digits.len - 1] < '0' || digits.ptr[digits.len - 1] > '9'))
		digits.len--;
	suffix = (struct str) { value.ptr + digits.len, value.len - digits.len };
	if (!str_to_i64(digits, 0, INT64_MAX, &n))
		return false;
	for (const struct unit *u = units; u->suffix; u++)
		if (str_is(suffix, u->suffix) || (n == 0 && suffix.len == 0)) {
			if (__builtin_mul_overflow(n, u->factor, &n) || n < min || n > max)
				return false;
			*out = n;
			return true;
		}
	return false;
}

bool
conf_time(struct str text, int64_t min_ms, int64_t max_ms, int64_t *out_ms)
{
	return parse_units(ms_units, text, min_ms, max_ms, out_ms);
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
		return parse_units(units_of(k->type), value, k->min, k->max, out);
	case TYPE_INT:
	case TYPE_BYTES:
	case TYPE_MS:
		return parse_units(units_of(k->type), value, k->min, k->max, out);
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
	case TYPE_ORIGINS:
		break;
	}
	return false;
}

/*
 * Of characters alone that mean nothing in JSON and in the front servers' files, where it stands,
 * too.
 */
static bool
is_url(struct str s)
{
	if (!str_starts(s, STR("https://")) && !str_starts(s, STR("http://")))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!str_is_alnum(s.ptr[i]) && !(s.ptr[i] && strchr("/._-~:[]", s.ptr[i])))
			return false;
	return s.ptr[s.len - 1] != '/';
}

/* As browsers write it: in lower case, and nothing behind the host and its port. */
static bool
is_origin(struct str s)
{
	struct str host = s, scheme = str_cut(&host, ':');

	if (!(str_is(scheme, "https") || str_is(scheme, "http")) || !str_starts(host, STR("//"))
	    || host.len == 2)
		return false;
	for (size_t i = 2; i < host.len; i++)
		if (str_is_upper(host.ptr[i]) || (!str_is_alnum(host.ptr[i])
		    && !(host.ptr[i] && strchr(".-_:[]", host.ptr[i]))))
			return false;
	return true;
}

static bool
is_origins(struct str s)
{
	while (s.ptr)
		if (!is_origin(str_trim(str_cut(&s, ','))))
			return false;
	return true;
}

static bool
text_fits(const struct key *k, struct str value)
{
	size_t len;

	if ((int64_t)value.len < k->min || (int64_t)value.len > k->max)
		return false;
	for (size_t at = 0; at < value.len; at += len) {
		len = utf8_char(value.ptr + at, value.len - at);
		if (len == 0 || utf8_is_hidden(utf8_code(value.ptr + at, len)))
			return false;
	}
	return value.len == 0 || k->type == TYPE_TEXT
	    || (k->type == TYPE_URL ? is_url(value) : is_origins(value));
}

void
key_quote(struct str text, struct buf *err)
{
	struct str head = utf8_head(text, KEY_CLIP_BYTES);

	buf_fmt(err, "\"");
	buf_shown(err, head);
	buf_fmt(err, "%s\"", head.len < text.len ? "..." : "");
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
		[TYPE_ORIGINS] = "origins such as https://app.example.com, with commas between "
				 "them, in lower case and without a path,",
	};

	for (int64_t i = 0; names_of(k->type) && i <= k->max; i++)
		buf_fmt(err, "%s%s", i == 0 ? "" : i == k->max ? " or " : ", ",
		    names_of(k->type)[i]);
	if (names_of(k->type))
		return;
	buf_fmt(err, "%s", what[k->type]);
	if (k->type == TYPE_OCTAL)
		return;
	if (key_is_text(k)) {
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

/* A comment at the end of a line would become part of the value, and a path may have any name. */
static bool
has_comment(struct str value)
{
	for (size_t i = 1; i < value.len; i++)
		if (value.ptr[i] == '#' && (value.ptr[i - 1] == ' ' || value.ptr[i - 1] == '\t'))
			return true;
	return false;
}

bool
key_put(struct conf *c, const struct key *k, struct str value, struct buf *err)
{
	char **text = key_text(c, k);

	/* A password may look like anything; libpq reads no comments. */
	if (!(k->flags & KEY_SECRET) && has_comment(value)) {
		buf_fmt(err, "%s: a comment needs a line of its own: all after the = is the value",
		    k->name);
		return false;
	}
	if (key_is_text(k) && text_fits(k, value)) {
		if (*text)
			explicit_bzero(*text, strlen(*text));
		free(*text);
		*text = must_alloc(value.len + 1);
		memcpy(*text, value.ptr, value.len);
		return true;
	}
	if (!key_is_text(k) && parse_number(k, value, key_number(c, k)))
		return true;
	if (value.len == 0 && k->min > 0 && key_is_text(k)) {
		buf_fmt(err, "%s must not be empty", k->name);
		return false;
	}
	buf_fmt(err, "%s must be ", k->name);
	print_expected(k, err);
	if (!(k->flags & KEY_SECRET)) {
		buf_fmt(err, ", not ");
		key_quote(value, err);
	}
	return false;
}

bool
key_set(struct conf *c, const struct key *k, struct str value, struct buf *err)
{
	if (!(k->flags & KEY_OWNER) || c->owner) {
		c->owner_given |= (k->flags & KEY_OWNER) != 0;
		return key_put(c, k, value, err);
	}
	buf_fmt(err, "%s belongs in %s (owner_file), which only root can read: no process that "
	    "serves may know it", k->name, c->owner_file);
	return false;
}

void
key_print(const struct conf *c, const struct key *k, struct buf *out)
{
	if (key_is_text(k))
		buf_fmt(out, "%s", *key_text(c, k));
	else
		print_number(k, *key_number(c, k), out);
}
