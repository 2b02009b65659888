/*
 * Work between two requests, when it is due: expired idempotency keys are removed, in steps of a
 * few milliseconds.
 */
#ifndef APP_HOUSEKEEPING_H
#define APP_HOUSEKEEPING_H

#include "db/db.h"

struct housekeeping {
	int64_t due_ms;     /* monotonic */
	int64_t expired_ms; /* wall: when the newest key that was removed had been made */
};

void housekeeping_init(struct housekeeping *h);

/* Does what is due, if anything. Returns the ms until it wants to be called again. */
int64_t housekeeping_run(struct housekeeping *h, struct db *db, const struct conf *conf);

#endif
