/* From where an API key may be used. */
#include "auth/origin.h"
#include "json/jread.h"

const char *
origins_add(struct arena *a, struct origins *o, struct str text)
{
	struct network *n = &o->net[o->count];
	char            shown[NETWORK_TEXT_BYTES];

	if (o->count == API_KEY_ADDRESSES_MAX)
		return arena_fmt(a, "must have at most %d addresses and networks",
		    API_KEY_ADDRESSES_MAX).ptr;
	if (!network_parse(text, n))
		return "must be an IPv4 or IPv6 address or network, such as 203.0.113.0/24";
	if (network_has_rest(n))
		return arena_fmt(a, "must have no bits behind its length: the network is %.*s",
		    STR_ARGS(network_text(n, shown))).ptr;
	o->count++;
	return NULL;
}

struct origins *
origins_stored(struct arena *a, struct str json)
{
	static const struct jlimits limits = { 1, API_KEY_ADDRESSES_MAX + 1 };
	struct jread_error          why;
	struct jdoc                 doc;
	struct origins             *o;

	if (!json.ptr)
		return NULL;
	o = ARENA_NEW(a, struct origins, 1); /* what cannot be read lets nobody in */
	if (!jread_parse(a, json, &limits, &doc, &why))
		return o;
	for (const struct jnode *n = jread_first(&doc, doc.nodes); n; n = jread_next(&doc, n))
		if (n->type == JTYPE_STRING)
			(void)origins_add(a, o, jread_string(a, &doc, n));
	return o;
}

struct str
origins_json(struct arena *a, const struct origins *o)
{
	struct str text = STR("[");
	char       one[NETWORK_TEXT_BYTES];

	for (size_t i = 0; i < o->count; i++)
		text = arena_fmt(a, "%s%s\"%.*s\"", text.ptr, i ? "," : "",
		    STR_ARGS(network_text(&o->net[i], one)));
	return arena_fmt(a, "%s]", text.ptr);
}

bool
origins_have(const struct origins *o, struct str address)
{
	unsigned char client[NETWORK_ADDRESS_BYTES];

	if (!network_address(address, client))
		return false;
	for (size_t i = 0; i < o->count; i++)
		if (network_has(&o->net[i], client))
			return true;
	return false;
}

bool
origins_within(const struct origins *inner, const struct origins *outer)
{
	for (size_t i = 0, k; i < inner->count; i++) {
		for (k = 0; k < outer->count; k++)
			if (network_within(&inner->net[i], &outer->net[k]))
				break;
		if (k == outer->count)
			return false;
	}
	return true;
}
