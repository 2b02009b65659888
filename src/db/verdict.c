/* What an error of PostgreSQL means. */
#include "db/verdict.h"
#include "base/log.h"

#include <stdio.h>

enum {
	POOLER_SIGNS = 2, /* one may be an accident */
};

/* The first row that an SQLSTATE begins with applies to it. */
static const struct {
	const char    *sqlstate;
	struct verdict verdict;
	bool           pooler; /* a sign of one that prepared statements cannot be used with */
} meanings[] = {
	{ "23505", { .status = DB_UNIQUE }, false },                 /* unique_violation */
	{ "55P03", { .status = DB_LOCKED }, false },                 /* lock_not_available */
	{ "57014", { .status = DB_TIMEOUT }, false },                /* query_canceled */
	{ "40001", { .status = DB_TIMEOUT, .retry = true }, false }, /* serialization_failure */
	{ "40P01", { .status = DB_TIMEOUT, .retry = true }, false }, /* deadlock_detected */
	/* "cached plan must not change result type" */
	{ "0A000", { .status = DB_FAILED, .retry = true, .close = true }, false },
	/* A prepared statement is gone. */
	{ "26000", { .status = DB_GONE, .retry = true, .close = true }, true },
	/* A prepared statement is there already: somebody else's. */
	{ "42P05", { .status = DB_GONE, .retry = true, .close = true }, true },
	/* A connection that PostgreSQL lost, and PgBouncer's own errors; even after the commit. */
	{ "08", { .status = DB_GONE, .close = true, .doubt = true }, false },
	/* Read-only after a failover: connect again, to find the primary. */
	{ "25006", { .status = DB_GONE, .retry = true, .close = true }, false },
	/* PostgreSQL shuts down, or is still starting. */
	{ "57P", { .status = DB_GONE, .retry = true, .close = true }, false },
	{ "53300", { .status = DB_GONE, .close = true }, false }, /* too_many_connections */
	{ "53", { .status = DB_GONE }, false },                   /* no disk space, no memory */
	{ "", { .status = DB_FAILED }, false },
};

static void
suspect_pooler(struct db *db)
{
	if (++db->lane->pooler_signs == POOLER_SIGNS)
		log_error("prepared statements come and go: database_url leads through a pooler "
		    "that gives each transaction another connection; "
		    "set prepared_statements = off");
}

struct verdict
verdict_of(struct tx *tx, size_t step, const PGresult *res)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
	size_t      i = 0;

	/* The connection broke, or libpq had no memory for the real result. */
	if (!sqlstate)
		return (struct verdict) {
			.status = DB_GONE, .close = true, .doubt = true, .unseen = true,
		};
	while (strncmp(sqlstate, meanings[i].sqlstate, strlen(meanings[i].sqlstate)) != 0)
		i++;
	tx->failed = step;
	snprintf(tx->constraint, sizeof(tx->constraint), "%s", constraint ? constraint : "");
	snprintf(tx->sqlstate, sizeof(tx->sqlstate), "%.5s", sqlstate);
	if (meanings[i].verdict.doubt)
		tx_note(tx, "connection lost with SQLSTATE %s (%.100s), first statement %s",
		    sqlstate, PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY),
		    tx_statement(tx, 0));
	else
		tx_note(tx, "statement %s failed with SQLSTATE %s%s%s", tx_statement(tx, step),
		    sqlstate, constraint ? " on " : "", constraint ? constraint : "");
	if (meanings[i].pooler)
		suspect_pooler(tx->db);
	return meanings[i].verdict;
}
