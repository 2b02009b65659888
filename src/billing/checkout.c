/* Where a customer pays. */
#include "billing/checkout.h"
#include "base/hash.h"
#include "billing/life.h"

#include <assert.h>

enum value { SUBSCRIPTION, INVOICE, AMOUNT, CURRENCY, SUCCESS_URL, SIG, VALUE__COUNT };

static const char *const names[VALUE__COUNT] = {
	[SUBSCRIPTION] = "subscription",
	[INVOICE] = "invoice",
	[AMOUNT] = "amount",
	[CURRENCY] = "currency",
	[SUCCESS_URL] = "success_url",
	[SIG] = "sig",
};

/* ---- the template ---- */

/* VALUE__COUNT: there is no such name. */
static enum value
value_of(struct str name)
{
	enum value v = 0;

	while (v < VALUE__COUNT && !str_is(name, names[v]))
		v++;
	return v;
}

/* The text before the next name, and that: absent at the end. False: a brace has no partner. */
static bool
next_name(struct str *rest, struct str *text, struct str *name)
{
	*text = str_cut(rest, '{');
	*name = rest->ptr ? str_cut(rest, '}') : STR_NONE;
	return (!name->ptr || rest->ptr) && (text->len == 0 || !memchr(text->ptr, '}', text->len));
}

static bool
is_address(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!str_is_visible(s.ptr[i]))
			return false;
	return str_starts(s, STR("https://")) || str_starts(s, STR("http://"));
}

bool
checkout_check(const struct conf *conf, struct buf *err)
{
	struct str template = str_of(conf->checkout_url_template), rest = template, text, name;
	size_t     before = err->len;
	bool       whole = true;

	if (template.len && !is_address(template))
		buf_fmt(err, "checkout_url_template must begin with https:// or http://, and have "
		    "neither blanks nor letters that are not ASCII");
	while (rest.ptr && whole && err->len == before) {
		whole = next_name(&rest, &text, &name);
		if (whole && name.ptr && value_of(name) == VALUE__COUNT)
			buf_fmt(err, "checkout_url_template: there is no {%.*s}", STR_ARGS(name));
		else if (whole && name.ptr && value_of(name) == SIG && !*conf->checkout_url_secret)
			buf_fmt(err, "checkout_url_template: {sig} needs checkout_url_secret");
	}
	if (!whole && err->len == before)
		buf_fmt(err, "checkout_url_template: a brace has no partner");
	return err->len == before;
}

/* ---- the address ---- */

static struct str
escape(struct arena *a, struct str s)
{
	static const char hex[] = "0123456789ABCDEF";
	char             *text = ARENA_NEW(a, char, 3 * s.len + 1), *end = text;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char b = (unsigned char)s.ptr[i];

		if (str_is_alnum(s.ptr[i]) || memchr("-._~", b, 4)) {
			*end++ = s.ptr[i];
			continue;
		}
		*end++ = '%';
		*end++ = hex[b >> 4];
		*end++ = hex[b & 15];
	}
	return (struct str) { text, (size_t)(end - text) };
}

static struct str
id_value(struct arena *a, struct str prefix, const struct id *id)
{
	return id_prefixed(prefix, id, ARENA_NEW(a, char, ID_PREFIXED_BYTES));
}

/* Of an invoice, by the UUID that the database has; anything else is a defect of the statement. */
static struct str
invoice_value(struct arena *a, struct str uuid)
{
	struct id id;
	bool      is_id = id_parse_uuid(uuid, &id);

	assert(is_id);
	return id_value(a, STR("inv_"), &id);
}

static void
set_values(struct arena *a, const struct conf *conf, const struct life *l,
    struct str values[VALUE__COUNT])
{
	struct str    asked = l->asked;
	unsigned char hash[SHA256_BYTES];
	char         *sig = ARENA_NEW(a, char, 2 * SHA256_BYTES);
	struct str    all;

	values[SUBSCRIPTION] = id_value(a, STR("sub_"), &l->id);
	values[INVOICE] = invoice_value(a, str_cut(&asked, ' '));
	values[AMOUNT] = str_cut(&asked, ' ');
	values[CURRENCY] = asked;
	values[SUCCESS_URL] = l->success_url;
	all = arena_fmt(a, "%.*s\n%.*s\n%.*s\n%.*s\n%.*s", STR_ARGS(values[SUBSCRIPTION]),
	    STR_ARGS(values[INVOICE]), STR_ARGS(values[AMOUNT]), STR_ARGS(values[CURRENCY]),
	    STR_ARGS(values[SUCCESS_URL]));
	hash_hmac_sha256(str_of(conf->checkout_url_secret), all, hash);
	values[SIG] = (struct str) { sig, (size_t)(str_put_hex(sig, hash, sizeof(hash)) - sig) };
}

static struct str
expand(struct arena *a, struct str template, const struct str values[VALUE__COUNT])
{
	struct str rest = template, whole = STR(""), text, name;

	while (rest.ptr && next_name(&rest, &text, &name)) {
		enum value v = name.ptr ? value_of(name) : VALUE__COUNT;
		struct str value = v < VALUE__COUNT ? escape(a, values[v]) : STR_NONE;

		whole = arena_fmt(a, "%.*s%.*s%.*s", STR_ARGS(whole), STR_ARGS(text),
		    STR_ARGS(value));
	}
	return whole;
}

struct str
checkout_url(struct arena *a, const struct conf *conf, const struct life *l)
{
	struct str values[VALUE__COUNT];

	if (!life_is_at_checkout(l))
		return STR_NONE;
	if (!*conf->checkout_url_template || !l->asked.ptr)
		return arena_fmt(a, "%s/checkout/%.*s", conf->public_url,
		    STR_ARGS(l->checkout_token));
	set_values(a, conf, l, values);
	return expand(a, str_of(conf->checkout_url_template), values);
}
