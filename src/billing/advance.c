/* Carrying out deadlines. */
#include "billing/advance.h"
#include "billing/ledger.h"

#include <stdio.h>

/* Steps. */
enum { ENTER, CLAIM, LOOK };

/* tx->then: decides, and adds what is to be written. */
static bool
decide(struct tx *tx, void *with)
{
	struct advanced *one = with;
	struct life     *l = ARENA_NEW(tx->arena, struct life, 1);
	struct deed     *d = ARENA_NEW(tx->arena, struct deed, 1);
	struct row       row;

	*one = (struct advanced) { 0 };
	if (tx_rows(tx, CLAIM) == 0 || tx_rows(tx, LOOK) == 0)
		return true;
	row = tx_row(tx, CLAIM, 0);
	one->environment = row_id(&row, COL_BILLING_CLAIM_ENVIRONMENT);
	one->subscription = row_id(&row, COL_BILLING_CLAIM_ID);
	row = tx_row(tx, LOOK, 0);
	ledger_read(&row, tx->arena, &one->environment, l);
	one->due_ms = l->due_ms;
	snprintf(one->what, sizeof(one->what), "%.*s", STR_ARGS(l->due_what));
	life_advance(l, d);
	ledger_save(tx_step(tx, SQL_BILLING_SAVE), l, d);
	return true;
}

enum advance
billing_advance(struct db *db, const struct id *environment, int64_t until_ms,
    struct advanced *one)
{
	struct arena   arena;
	struct tx      tx;
	struct bind   *b;
	enum db_status status;

	arena_init(&arena);
	tx_init(&tx, db, &arena);
	tx.then = decide;
	tx.with = one;
	(void)tx_step(&tx, SQL_BILLING_ENTER);
	b = tx_step(&tx, environment ? SQL_BILLING_CLAIM_OF : SQL_BILLING_CLAIM);
	if (environment) {
		bind_id(b, environment);
		bind_time(b, until_ms);
	}
	b = tx_step(&tx, SQL_BILLING_LOOK);
	for (int i = 0; i < 3; i++)
		bind_null(b);
	status = tx_run(&tx);
	snprintf(one->log, sizeof(one->log), "%s", status == DB_OK ? "" : tx.log);
	arena_fini(&arena);
	if (status != DB_OK)
		return ADVANCE_FAILED;
	return one->due_ms ? ADVANCE_DONE : ADVANCE_NOTHING;
}
