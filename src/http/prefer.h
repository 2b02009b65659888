/*
 * The header Prefer (RFC 7240): what a client would like, of what the service can do. Anything else
 * in it is ignored, as the standard has it; of a preference that stands there twice the first
 * counts.
 */
#ifndef HTTP_PREFER_H
#define HTTP_PREFER_H

#include "base/str.h"

enum prefer {
	PREFER_STRICT = 1, /* handling=strict: refuse what would be ignored */
	PREFER_EACH = 2,   /* return=each: an answer for each item of a batch */
};

enum { PREFER_TEXT_BYTES = 32 };

/* A set of enum prefer. */
unsigned prefer_parse(struct str header);

/* The set as in Preference-Applied; room holds what is returned. */
struct str prefer_text(unsigned set, char room[PREFER_TEXT_BYTES]);

#endif
