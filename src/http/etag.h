/*
 * Lists of entity tags, as If-Match and If-None-Match have them (RFC 9110, 8.8.3 and 13.1).
 *
 * Weak       The mark W/ is dropped: some front servers put it before a strong tag when they
 *            compress an answer, and the tags of this service are all strong.
 * Lifetime   The tags are views of the header.
 */
#ifndef HTTP_ETAG_H
#define HTTP_ETAG_H

#include "base/str.h"

enum { ETAGS_MAX = 16 };

enum etags_kind {
	ETAGS_NONE,  /* no such header */
	ETAGS_ANY,   /* "*" */
	ETAGS_LIST,
	ETAGS_WRONG, /* neither, or more than ETAGS_MAX */
};

struct etags {
	enum etags_kind kind;
	size_t          count;
	struct str      tag[ETAGS_MAX]; /* without quotation marks */
};

/* header is absent when it was not sent. */
void etags_parse(struct str header, struct etags *out);

/*
 * Whether the list has this tag, which stands in quotation marks. Some front servers add a hyphen
 * and the name of a compression to it; the tags of this service have no hyphen there.
 */
bool etags_have(const struct etags *e, struct str quoted);

#endif
