/* What an error of PostgreSQL means. */
#include "db/verdict.h"
#include "base/log.h"

#include <stdio.h>

enum {
	POOLER_SIGNS = 2, /* one may be an accident */
};

/* The first row whose text is the SQLSTATE's beginning. */
static const struct {
	const char    *sqlstate;
	struct verdict verdict;
	bool           pooler; /* a sign of one that prepared statements cannot be used with */
} meanings[] = {
	{ "23505", { .status = DB_UNIQUE }, false },
	{ "55P03", { .status = DB_LOCKED }, false },  /* lock_not_available */
	{ "57014", { .status = DB_TIMEOUT }, false }, /* query_canceled */
	{ "40001", { .status = DB_TIMEOUT, .retry = true }, false },  /* serialization_failure */
	{ "40P01", { .status = DB_TIMEOUT, .retry = true }, false },  /* deadlock_detected */
	{ "0A000", { .status = DB_FAILED, .retry = true, .close = true }, false }, /* cached plan must not change result type */
	{ "26000", { .status = DB_GONE, .retry = true, .close = true }, true },    /* prepared statement is gone */
	{ "42P05", { .status = DB_GONE, .retry = true, .close = true }, true },    /* there already: somebody else's */
	/* PostgreSQL's loss of a connection, and all that PgBouncer itself has to say; also after the commit. */
	{ "08", { .status = DB_GONE, .close = true, .doubt = true }, false },
	{ "25006", { .status = DB_GONE, .retry = true, .close = true }, false },  /* read-only after a failover: find the primary */
	{ "57P", { .status = DB_GONE, .retry = true, .close = true }, false },    /* shut down, or not yet started */
	{ "53300", { .status = DB_GONE, .close = true }, false }, /* too many connections */
	{ "53", { .status = DB_GONE }, false },   /* the disk is full, or the memory */
	{ "", { .status = DB_FAILED }, false },
};

static void
suspect_pooler(struct db *db)
{
	if (++db->pooler_signs == POOLER_SIGNS)
		log_error("prepared statements come and go: database_url leads through a pooler that gives "
		    "each transaction another connection; set prepared_statements = off");
}

struct verdict
verdict_of(struct tx *tx, size_t step, const PGresult *res)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
	size_t      i = 0;

	/* The connection broke, or libpq had no memory for the real result. */
	if (!sqlstate)
		return (struct verdict) { .status = DB_GONE, .close = true, .doubt = true, .unseen = true };
	while (strncmp(sqlstate, meanings[i].sqlstate, strlen(meanings[i].sqlstate)) != 0)
		i++;
	tx->failed = step;
	snprintf(tx->constraint, sizeof(tx->constraint), "%s", constraint ? constraint : "");
	if (meanings[i].verdict.doubt)
		snprintf(tx->log, sizeof(tx->log), "connection lost with SQLSTATE %s (%.100s), first statement %s",
		    sqlstate, PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY),
		    sql_catalogue[tx->step[0].id].name);
	else
		snprintf(tx->log, sizeof(tx->log), "statement %s failed with SQLSTATE %s%s%s",
		    sql_catalogue[tx->step[step].id].name, sqlstate, constraint ? " on " : "",
		    constraint ? constraint : "");
	if (meanings[i].pooler)
		suspect_pooler(tx->db);
	return meanings[i].verdict;
}
