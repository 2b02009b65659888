/*
 * Internal to db/. A bundle: members of a group (db/lanes.h) that send the same statements in the
 * same environment. For these there is one that does it for several at once ("-- many" in
 * sql/query): a third less work for PostgreSQL from eight on.
 *
 * Sent       The leader, its first member, sends these in the place of its own; the others nothing.
 * Results    Of each statement a row for each member, in order: tx_row() and tx_rows() give a
 *            member its own. What such a row says in its first column, tx_affected() counts.
 * Errors     Nobody's own. Nothing of the group was done, and each member runs by itself.
 * Lifetime   Results live until the arena of the last member ends.
 */
#ifndef DB_BUNDLE_H
#define DB_BUNDLE_H

#include "db/lane.h"
#include "db/verdict.h"

struct bundle {
	unsigned       users;
	bool           failed;
	struct verdict verdict; /* if it failed */
	struct pg_result *result[TX_STEPS_MAX];
};

/* The statement that a step was sent as. */
enum sql_id bundle_statement(const struct tx *tx, size_t step);

/* Whether tx can be in a bundle that the other one leads. */
bool bundle_takes(const struct tx *leader, const struct tx *tx) MUSTCHECK;

/* Of the leader, whose tx->bundle it becomes. */
void bundle_begin(struct tx *leader);

/* The parameters of all members for one step. */
void bundle_bind(struct bind *b, const struct wait *leader, size_t step);

/* What a verdict on the bundle is for each member. */
struct verdict bundle_verdict(struct tx *tx, struct verdict verdict);

/* When the leader has read: its results are this member's, too. */
void bundle_join(struct tx *tx, const struct wait *leader, size_t place);

#endif
