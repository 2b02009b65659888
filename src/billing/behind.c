/* Changes of subscriptions that are behind. */
#include "billing/behind.h"
#include "billing/advance.h"

#include <stdio.h>

enum err
behind_check(struct write *w, const struct life *l)
{
	w->first_advance = NULL;
	if (!life_is_behind(l))
		return ERR_OK;
	w->first_advance = &l->id;
	return call_fail(w->call, ERR_UNAVAILABLE, NULL,
	    "Something that was due before this has not been carried out yet. "
	    "The change was not made; try again.");
}

/* False: the problem says why it is still behind. */
static bool
catch_up(struct write *w, unsigned *most)
{
	struct call    *c = w->call;
	struct advanced one;
	enum advance    came = billing_catch_up(c->db, &c->tenant.environment, w->first_advance,
	       most, &one);

	if (came == ADVANCE_FAILED)
		snprintf(c->problem.log, sizeof(c->problem.log),
		    "a deadline of the subscription failed: %s", one.log);
	if (came != ADVANCE_NOTHING)
		return false;
	c->problem = (struct problem) { .code = ERR_OK };
	return true;
}

enum err
behind_run(struct write *w, const struct answers *answers, void *what)
{
	unsigned most = ADVANCE_CATCH_UP_MAX;
	enum err e;

	do {
		w->first_advance = NULL;
		e = write_run(w, answers, what);
	} while (e == ERR_UNAVAILABLE && w->first_advance && most-- > 0 && catch_up(w, &most));
	return e;
}
