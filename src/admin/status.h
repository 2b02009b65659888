/*
 * What the pool and each of its workers is at, as JSON.
 *
 * Names      Members of "pool" are the rows of admin/tally.h; units end their names (Ms, Us,
 *            Bytes). Members are added, never renamed.
 * Privacy    None of the API's data; of a request its route and the id that its answer carries.
 */
#ifndef ADMIN_STATUS_H
#define ADMIN_STATUS_H

#include "admin/tally.h"
#include "base/buf.h"

/* Of status and table: 512 workers take a quarter of it. */
enum { STATUS_MAX_BYTES = 1024 * 1024 };

void status_write(const struct stats *s, const struct tally *t, struct buf *out);

/* The pool's figures alone, {"startedMs":...,...}; the caller owns it. */
struct json_object *status_pool(const struct tally *t);

#endif
