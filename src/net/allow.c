/* Who may connect by TCP. */
#include "net/allow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum {
	V4_PREFIX_BITS = 96,
	SHOWN_BYTES = 60,
};

static const unsigned char v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool
parse_address(struct str text, unsigned char out[16], bool *is_v4)
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
allow_parse(const char *list, struct allow *out, struct buf *err)
{
	struct str   rest = str_of(list);
	struct allow a = { 0 };

	while (rest.ptr) {
		struct str item = str_trim(str_cut(&rest, ','));
		struct str bits = item;
		struct str address = str_trim(str_cut(&bits, '/'));
		bool       is_v4 = false;
		int64_t    n = 128;

		if (item.len == 0)
			continue;
		if (a.n == ALLOW_NETS_MAX) {
			buf_fmt(err, "listen_allow has more than %d entries", ALLOW_NETS_MAX);
			return false;
		}
		if (!parse_address(address, a.net[a.n].address, &is_v4)
		    || (bits.ptr && !str_to_i64(bits, 0, is_v4 ? 32 : 128, &n))) {
			/* Its beginning: a long one would leave no room for the message. */
			buf_fmt(err, "listen_allow: \"%.*s\" is no address or network",
			    (int)(item.len < SHOWN_BYTES ? item.len : SHOWN_BYTES), item.ptr);
			return false;
		}
		a.net[a.n++].bits = (unsigned)n + (is_v4 && bits.ptr ? V4_PREFIX_BITS : 0);
	}
	*out = a;
	return true;
}

static bool
in_net(const unsigned char address[16], const unsigned char net[16], unsigned bits)
{
	unsigned      whole = bits / 8;
	unsigned char mask = (unsigned char)(0xff00u >> (bits % 8));

	return memcmp(address, net, whole) == 0
	    && (bits % 8 == 0 || ((address[whole] ^ net[whole]) & mask) == 0);
}

bool
allow_has(const struct allow *a, const struct sockaddr_storage *peer)
{
	unsigned char address[16];

	if (peer->ss_family == AF_UNIX)
		return true;
	if (peer->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;

		memcpy(address, v4_prefix, sizeof(v4_prefix));
		memcpy(address + sizeof(v4_prefix), &v4->sin_addr, sizeof(v4->sin_addr));
	} else if (peer->ss_family == AF_INET6)
		memcpy(address, &((const struct sockaddr_in6 *)peer)->sin6_addr, sizeof(address));
	else
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (in_net(address, a->net[i].address, a->net[i].bits))
			return true;
	return false;
}
