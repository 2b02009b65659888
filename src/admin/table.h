/*
 * What the pool and each of its workers is at, as lines and a table for people. Programs read
 * admin/status.h: words and columns change here.
 */
#ifndef ADMIN_TABLE_H
#define ADMIN_TABLE_H

#include "admin/tally.h"
#include "base/buf.h"

void table_write(const struct stats *s, const struct tally *t, struct buf *out);

#endif
