/*
 * Runs of test clocks: a sandbox's time is set forward, and all that is due until then is carried
 * out in order (sql/migrate/0008_test_clock.sql).
 *
 * Durable    A run is a row. Each deadline is one transaction with what the run has counted, so a
 *            process that is killed loses nothing and does nothing twice; another goes on.
 * Failed     A deadline that fails is written down, and the run goes on behind it.
 */
#ifndef BILLING_RUN_H
#define BILLING_RUN_H

#include "billing/advance.h"

/*
 * One step of the run that has waited longest for one, of any environment: a deadline, or its end.
 * ADVANCE_NOTHING: there is no run, or others have it in hand. Fills the same as billing_advance().
 */
enum advance billing_run(struct db *db, struct advanced *one);

#endif
