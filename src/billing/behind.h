/*
 * A change that is asked for while something that was due before is not done yet, because the clerk
 * was away or has much to do. That comes first: it is carried out as the clerk would, each deadline
 * in a transaction of its own and as of its time, and then the change is decided anew. So no change
 * skips a renewal, and none takes back what was to take effect before it.
 *
 *	if ((e = behind_check(w, l)) != ERR_OK)		in 'make', before it decides anything
 *		return e;
 *	...
 *	return behind_run(&w, &answers, what);		instead of write_run()
 *
 * Reading    waits for nothing: what is shown is what was done so far.
 */
#ifndef BILLING_BEHIND_H
#define BILLING_BEHIND_H

#include "billing/life.h"
#include "call/write.h"

/* ERR_OK, or the error with which 'make' ends. l must live as long as the call. */
enum err behind_check(struct write *w, const struct life *l);

/*
 * As write_run(). ERR_UNAVAILABLE, and the change was not done: a deadline before it failed, or so
 * many are due that one request does not wait for them; what was carried out stays done.
 */
enum err behind_run(struct write *w, const struct answers *answers, void *what);

#endif
