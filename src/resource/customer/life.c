/* How a customer leaves and comes back. */
#include "resource/customer/life.h"
#include "base/clock.h"
#include "resource/customer/store.h"

enum { STEP_LOCK, STEP_CHANGE };

static void
begin(struct write *w, struct call *c)
{
	write_begin(w, c);
	w->tx.again = true; /* what was done before is not done twice */
	stored_bind_ref(write_step(w, SQL_CUSTOMER_SEIZE), &customer_fields, c->param[0]);
}

static enum err
make_changed(struct write *w, void *what UNUSED)
{
	if (write_rows(w, STEP_LOCK) == 0)
		return stored_missing(w->call, &customer_fields);
	if (write_rows(w, STEP_CHANGE) == 0)
		return call_fail(w->call, ERR_CONFLICT, "id",
		    "The customer has a subscription. Cancel it at once, or wait until it is "
		    "over.");
	return stored_returned(w, STEP_CHANGE, 200, &customer_fields, CUSTOMER_PLAIN);
}

static const struct answers changed = { .make = make_changed };

enum err
customer_archive(struct call *c)
{
	struct write w;

	begin(&w, c);
	bind_time(write_step(&w, SQL_CUSTOMER_ARCHIVE), clock_wall_ms());
	return write_run(&w, &changed, NULL);
}

enum err
customer_restore(struct call *c)
{
	struct write w;

	begin(&w, c);
	(void)write_step(&w, SQL_CUSTOMER_RESTORE);
	return write_run(&w, &changed, NULL);
}
