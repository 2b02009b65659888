/*
 * Lines of a file that are read and written together, in one transaction.
 *
 * Names      No two of them have the same external id, as import_write() asks.
 * Lifetime   The lines live in the chunk until it is filled anew.
 */
#ifndef RESOURCE_CUSTOMER_IMPORT_CHUNK_H
#define RESOURCE_CUSTOMER_IMPORT_CHUNK_H

#include "resource/customer/import.h"

struct import_chunk {
	struct arena        arena;
	struct import_line *lines;
	size_t              count;
	int64_t             bytes, line; /* of the file, behind its last line */
	enum sheet_next     next;        /* what follows; SHEET_RECORD: more lines */
	const struct str  **names;       /* a set of their external ids */
	size_t              slots;       /* of it: with room to spare */
};

void import_chunk_init(struct import_chunk *chunk);
void import_chunk_fini(struct import_chunk *chunk);

/*
 * Fills it with what comes next, up to so many lines, and so many bytes and a line; or up to a
 * line with an external id that this chunk has, or the one before (NULL: none), which may still be
 * written then: that line begins the next chunk. So this one may have no lines.
 */
void import_chunk_fill(struct import_chunk *chunk, struct import_reader *reader, struct sheet *s,
    size_t lines, int64_t bytes, const struct import_chunk *before);

#endif
