/*
 * A database for fuzzing. It has the interface of src/db, takes its place, and answers what
 * a script of bytes says. Linked before libclientele.a, so that everything above db/ is the
 * real code.
 *
 * Script     Bytes that are used up one by one, whenever there is something to decide; 0, and the
 *            end of the script, is what a healthy database with one customer would do.
 * Promises   What is sent is checked as PostgreSQL would: the number of parameters, their sizes
 *            by the casts of the statement, text in UTF-8 without NUL, valid JSON; and that each
 *            statement on tenants' rows names the caller's environment.
 */
#ifndef TESTS_FUZZ_FAKE_DB_H
#define TESTS_FUZZ_FAKE_DB_H

#include "base/arena.h"
#include "base/id.h"

/* Starts over. The answers are made in a. */
void fake_db_begin(struct arena *a, struct str script);

/* What the API key may do and from where, as its columns would say; absent: all, and from anywhere. */
void fake_db_restrict(struct str permissions, struct str addresses);

/* What has happened since. */
struct fake_db_seen {
	bool     odd;    /* the database was not healthy, or did not say what a healthy one says */
	bool     rated;  /* the API key has a rate limit of its own */
	unsigned runs;   /* transactions */
	unsigned writes; /* statements that would change a tenant's rows */
};
struct fake_db_seen fake_db_end(void);

#endif
