/*
 * A simulated PostgreSQL, and libpq in front of it (postgres.c has both: libpq's functions are
 * defined there and take the place of the library's).
 *
 * Knows      The statements of sql/query by their names: what each does to environments, keys,
 *            customers and idempotency records; row-level security; advisory locks, locks of rows
 *            and of external ids, lock_timeout and statement_timeout; a commit at each Sync.
 * Checks     What is sent, as it comes: each statement names the environment that its member of a
 *            batch has entered; what shares a connection with others only reads, is quick, and
 *            waits for no lock; a group has its locks first, none twice, and no external id twice;
 *            a cancellation hits the transaction that it was meant for.
 * Faults     database_faults(): connections that end, before or after a commit, with or without a
 *            word; silence; restarts; no room; slowness; errors of statements.
 */
#ifndef TESTS_SIMULATE_DATABASE_H
#define TESTS_SIMULATE_DATABASE_H

#include "base/id.h"
#include "base/str.h"

enum { TENANTS = 3, DATABASE_TEXT = 48 };

struct tenant_of_world {
	struct id environment, organization, key;
	char      api_key[64];
};
extern struct tenant_of_world tenants[TENANTS];

/*
 * intensity: how much goes wrong until lasts_us; 0: nothing. apart: there can be a connection for each
 * kind of statement, so quick ones and slow ones share none.
 */
void database_begin(unsigned intensity, int64_t lasts_us, bool apart);

/* From now on it is healthy. */
void database_heals(void);

/* The server ends, and with it what it has not sent. */
void database_ends(void);

/* ---- what is committed */

struct customer_seen {
	struct id   id;
	int         tenant;
	const char *external_id; /* or "" */
	const char *email;
	const char *name;
	int64_t     committed_us;
};

size_t database_customers(void);
/* False: this one was not committed (yet). */
bool   database_customer(size_t n, struct customer_seen *out);

/* A customer that was there before all requests. */
void   database_plant(int tenant, const char *external_id, const char *email);

extern struct database_counts {
	uint64_t statements, commits, rollbacks, groups, grouped, bundled, batches, batched, cancels, faults, deadlocks, locks_timed_out, alone, connections;
} database_counts;

#endif
