/*
 * Work between two requests, when it is due: expired idempotency keys are removed,
 * in steps of milliseconds.
 */
#ifndef APP_HOUSEKEEPING_H
#define APP_HOUSEKEEPING_H

#include "db/db.h"

struct housekeeping {
	int64_t due_ms;     /* monotonic */
	int64_t expired_ms; /* wall: when the last expired key was made that was removed */
};

void housekeeping_init(struct housekeeping *h);

/* Does what is due; returns the ms until it wants to be called again. */
int64_t housekeeping_run(struct housekeeping *h, struct db *db, const struct conf *conf);

#endif
