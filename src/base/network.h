/*
 * Addresses and networks of the Internet, of both versions.
 *
 * Form       16 bytes, an IPv6 address; IPv4 is mapped into it (::ffff:0:0/96), so that an IPv4
 *            client is the same whichever way it came.
 */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include "base/str.h"

enum {
	NETWORK_ADDRESS_BYTES = 16,
	NETWORK_TEXT_BYTES = 64, /* the longest text, and its NUL */
};

struct network {
	unsigned char address[NETWORK_ADDRESS_BYTES];
	unsigned char bits; /* that count, of the 128; those behind them may be anything */
};

bool network_address(struct str text, unsigned char out[NETWORK_ADDRESS_BYTES]) MUSTCHECK;

/* "203.0.113.0/24", "2001:db8::/32"; an address alone is a network of one. */
bool network_parse(struct str text, struct network *out) MUSTCHECK;

/* The other way, in the usual spelling and with zeros for the bits that do not count. */
struct str network_text(const struct network *n, char out[NETWORK_TEXT_BYTES]);

bool network_has(const struct network *n, const unsigned char address[NETWORK_ADDRESS_BYTES]);

/* Whether all of inner is in outer. */
bool network_within(const struct network *inner, const struct network *outer);

/* Whether a bit that does not count is set: who wrote that may have meant another network. */
bool network_has_rest(const struct network *n);

#endif
