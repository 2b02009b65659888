/*
 * Entity tags of rows that have a revision, and what clients ask for by them.
 *
 * Tag        Id, revision and version of the API, and a digest of what the answer shows beside the
 *            row: "cus_....3.2026-08-27". So it is another one for each text that a path can be
 *            answered with (a strong tag), without a digest of that text. What a write answers with
 *            has the tag that a read has which shows the row alone.
 * If-Match   Of a tag only id and revision count: what the row's writes would overwrite. Statements
 *            that change such a row take two arrays for it, of ids and of revisions, or NULL.
 * If-None-Match  Of a read the answers that the client has. Of a write it is *, which no row meets
 *            that is there: as an If-Match without a tag.
 * Errors     A malformed If-Match is a validation_error, because its sender relies on it, and so is
 *            an If-None-Match of a write. That of a read is met by nothing.
 */
#ifndef CALL_REVISION_H
#define CALL_REVISION_H

#include "call/field.h"

/*
 * For a route that is ROUTE_REVISED: fills c->match, and c->merges, from the headers.
 * ERR_VALIDATION.
 */
enum err revision_begin(struct call *c);

/* Adds ETag; beside is what the answer shows beside the row, if only its bytes, or absent. */
void revision_tag(struct call *c, const struct fields *f, const void *what, struct str beside);

/* After that: whether the client has this answer already (If-None-Match). */
bool revision_is_known(const struct call *c);

/* Binds the two arrays for If-Match. */
void revision_bind(struct bind *b, const struct call *c, const struct fields *f);

/* Whether it names this row as it is, or does not ask for anything. */
bool revision_matches(const struct call *c, const struct fields *f, const void *what);

/* Ends a call that it forbids. */
enum err revision_refuse(struct call *c);

#endif
