/* An invoice is paid, or void. */
#include "billing/settle.h"
#include "billing/ledger.h"

const char *const settle_sentences[SETTLE__COUNT] = {
	[SETTLE_OVER] = "Only an invoice that is outstanding can be paid or void.",
	[SETTLE_FORBIDDEN] = "The subscription forbids it.",
};

enum { STEP_LOCK, STEP_LOOK, STEP_INVOICE };

void
settle_ask(struct tx *tx, const struct id *environment, const struct id *invoice)
{
	struct bind *b = tx_step(tx, SQL_BILLING_LOCK_OF);

	bind_id(b, environment);
	bind_id(b, invoice);
	b = tx_step(tx, SQL_BILLING_LOOK);
	bind_id(b, environment);
	bind_null(b);
	bind_id(b, invoice);
	b = tx_step(tx, SQL_INVOICE_OUTSTANDING);
	bind_id(b, environment);
	bind_id(b, invoice);
}

enum settle
settle_decide(struct tx *tx, size_t first, const struct id *environment, bool paid,
    struct settlement *s)
{
	struct settled settled;
	struct row     row;

	s->deed = (struct deed) { 0 };
	if (tx_rows(tx, first + STEP_INVOICE) == 0 || tx_rows(tx, first + STEP_LOOK) == 0)
		return SETTLE_MISSING;
	s->invoice = tx_row(tx, first + STEP_INVOICE, 0);
	row = tx_row(tx, first + STEP_LOOK, 0);
	ledger_read(&row, tx->arena, environment, &s->life);
	if (!ledger_read_settled(&s->invoice, &s->life, &settled))
		return SETTLE_OVER;
	if ((paid ? life_paid : life_void)(&s->life, &settled, &s->deed) != REFUSE_NOTHING)
		return SETTLE_FORBIDDEN;
	ledger_save(tx_step(tx, SQL_BILLING_SAVE), &s->life, &s->deed);
	return SETTLE_DONE;
}
