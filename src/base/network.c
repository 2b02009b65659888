/* Addresses and networks of the Internet. */
#include "base/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

enum { V4_PREFIX_BITS = 96, BITS = 128 };

static const unsigned char v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool
is_mapped(const unsigned char address[NETWORK_ADDRESS_BYTES])
{
	return memcmp(address, v4_prefix, sizeof(v4_prefix)) == 0;
}

static bool
parse_address(struct str text, unsigned char out[NETWORK_ADDRESS_BYTES], bool *is_v4)
{
	char z[INET6_ADDRSTRLEN];

	if (text.len >= sizeof(z))
		return false;
	snprintf(z, sizeof(z), "%.*s", STR_ARGS(text));
	memcpy(out, v4_prefix, sizeof(v4_prefix));
	*is_v4 = inet_pton(AF_INET, z, out + sizeof(v4_prefix)) == 1;
	return *is_v4 || inet_pton(AF_INET6, z, out) == 1;
}

bool
network_address(struct str text, unsigned char out[NETWORK_ADDRESS_BYTES])
{
	bool is_v4;

	return text.ptr && parse_address(text, out, &is_v4);
}

bool
network_parse(struct str text, struct network *out)
{
	struct str bits = text, address = str_trim(str_cut(&bits, '/'));
	bool       is_v4 = false;
	int64_t    n = BITS;

	if (!parse_address(address, out->address, &is_v4)
	    || (bits.ptr && !str_to_i64(bits, 0, is_v4 ? BITS - V4_PREFIX_BITS : BITS, &n)))
		return false;
	out->bits = (unsigned char)(n + (is_v4 && bits.ptr ? V4_PREFIX_BITS : 0));
	return true;
}

/* Of byte i, those bits that count. */
static unsigned char
mask(const struct network *n, unsigned i)
{
	unsigned whole = n->bits / 8;

	return (unsigned char)(i < whole ? 0xff : i > whole ? 0 : 0xff00U >> n->bits % 8);
}

struct str
network_text(const struct network *n, char out[NETWORK_TEXT_BYTES])
{
	bool          is_v4 = n->bits >= V4_PREFIX_BITS && is_mapped(n->address);
	unsigned      skipped = is_v4 ? V4_PREFIX_BITS : 0;
	unsigned char address[NETWORK_ADDRESS_BYTES];
	size_t        len;

	for (unsigned i = 0; i < sizeof(address); i++)
		address[i] = n->address[i] & mask(n, i);
	inet_ntop(is_v4 ? AF_INET : AF_INET6, address + skipped / 8, out, NETWORK_TEXT_BYTES);
	len = strlen(out);
	len += (size_t)snprintf(out + len, NETWORK_TEXT_BYTES - len, "/%u", n->bits - skipped);
	return (struct str) { out, len };
}

bool
network_has(const struct network *n, const unsigned char address[NETWORK_ADDRESS_BYTES])
{
	unsigned whole = n->bits / 8;

	return memcmp(address, n->address, whole) == 0
	    && (n->bits % 8 == 0 || ((address[whole] ^ n->address[whole]) & mask(n, whole)) == 0);
}

bool
network_within(const struct network *inner, const struct network *outer)
{
	return outer->bits <= inner->bits && network_has(outer, inner->address);
}

bool
network_has_rest(const struct network *n)
{
	for (unsigned i = 0; i < NETWORK_ADDRESS_BYTES; i++)
		if (n->address[i] & ~mask(n, i))
			return true;
	return false;
}
