/* Who may connect by TCP. */
#include "net/allow.h"

#include <netinet/in.h>
#include <string.h>

enum { SHOWN_BYTES = 60 };

bool
allow_parse(const char *list, struct allow *out, struct buf *err)
{
	struct str   rest = str_of(list);
	struct allow a = { 0 };

	while (rest.ptr) {
		struct str item = str_trim(str_cut(&rest, ','));

		if (item.len == 0)
			continue;
		if (a.n == ALLOW_NETS_MAX) {
			buf_fmt(err, "listen_allow has more than %d entries", ALLOW_NETS_MAX);
			return false;
		}
		if (!network_parse(item, &a.net[a.n])) {
			/* Its beginning: a long one would leave no room for the message. */
			buf_fmt(err, "listen_allow: \"%.*s\" is no address or network",
			    (int)(item.len < SHOWN_BYTES ? item.len : SHOWN_BYTES), item.ptr);
			return false;
		}
		a.n++;
	}
	*out = a;
	return true;
}

bool
allow_has(const struct allow *a, const struct sockaddr_storage *peer)
{
	static const unsigned char v4_prefix[12] = { [10] = 0xff, [11] = 0xff };
	unsigned char              address[NETWORK_ADDRESS_BYTES];

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
		if (network_has(&a->net[i], address))
			return true;
	return false;
}
