/*
 * What has been counted, in Prometheus's text format 0.0.4.
 *
 * Names      All begin with clientele_. Single numbers are the rows of admin/tally.h, events those
 *            of shm/stats.h, families with labels those of metrics.c.
 * Pure       A function from a tally to text.
 */
#ifndef ADMIN_METRICS_H
#define ADMIN_METRICS_H

#include "admin/tally.h"
#include "base/buf.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum { METRICS_MAX_BYTES = 256 * 1024 }; /* 24 routes with 16 lines each are a fifth of it */

void metrics_write(const struct tally *t, struct buf *out);

#endif
