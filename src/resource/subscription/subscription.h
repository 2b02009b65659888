/*
 * A subscription, as the API takes and shows it. What happens to it is in billing/life.h.
 *
 * Lifetime   Views into the request, its arena, or a transaction's result.
 */
#ifndef RESOURCE_SUBSCRIPTION_SUBSCRIPTION_H
#define RESOURCE_SUBSCRIPTION_SUBSCRIPTION_H

#include "billing/behind.h"
#include "billing/ledger.h"
#include "call/stored.h"

enum {
	SUBSCRIPTION_NAME_MAX_CHARS = 200,
	SUBSCRIPTION_REASON_MAX_CHARS = 500,
	SUBSCRIPTION_URL_MAX_CHARS = 2048,
	SUBSCRIPTION_TRIAL_DAYS_MAX = 730,
};

/* What a client can set. */
enum {
	MEMBER_CUSTOMER, MEMBER_PLAN, MEMBER_PLAN_CODE, MEMBER_INTERVAL, MEMBER_PRICE, MEMBER_NAME,
	MEMBER_SKIP_TRIAL, MEMBER_TRIAL_DAYS, MEMBER_START, MEMBER_SUCCESS_URL, MEMBER_CANCEL,
	MEMBER_METADATA, MEMBER_REASON, MEMBER_IMMEDIATE, MEMBER_PREPAID,
	MEMBER_REFUSED,
};

/* How a call names the fields that select a plan and a price; and its words for a missing plan. */
struct selection {
	const char *plan, *interval, *no_plan;
};

struct subscription {
	struct life life;                  /* first: billing/ledger.h has the columns of a change */
	const struct selection *names;     /* of a request */
	struct str  customer;              /* of a request: either id */
	struct str  plan, plan_code, interval, price, start;
	struct str  reason;
	bool        skip_trial, immediate;
	int64_t     trial_days, prepaid;
	int64_t     canceled_ms, date_ms;  /* what cancel and uncancel answered once */
	/* Shown and not kept: subscription_reply() and stored_read() fill them. */
	int64_t     days_left, next_billing_ms, early_start_ms, early_end_ms;
	bool        cancels;
	unsigned    given;                 /* by a request: a bit for each member */
};

/* Where a field is shown. */
enum {
	SUBSCRIPTION_SHOWN = 1,
	SUBSCRIPTION_CANCELED = 2, /* the answer to cancel and uncancel, of some versions */
};

extern const struct field_list subscription_intervals;
extern const struct fields subscription_fields;
extern const struct fields cancel_fields; /* in alone */

/* Prefixes of ids that other resources have. */
#define CUSTOMER_PREFIX STR("cus_")
#define PLAN_PREFIX     STR("pln_")
#define PRICE_PREFIX    STR("prc_")
#define INVOICE_PREFIX  STR("inv_")

/* Answers with it, after it was changed. */
enum err subscription_reply(struct call *c, int status, struct subscription *s, unsigned view);

/* Absent for the nil id. */
struct str subscription_ref(struct call *c, struct str prefix, const struct id *id);

/* An interval as the call's version knows it: absent for one that is newer. */
struct str subscription_interval(const struct call *c, struct str step);

/* Where the customer confirms or pays; absent if there is nothing to. */
struct str subscription_checkout(struct call *c, const struct life *l);

/* ---- the calls that change one ---- */

enum err subscription_create(struct call *c);
enum err subscription_cancel(struct call *c);
enum err subscription_uncancel(struct call *c);
enum err subscription_change(struct call *c);
enum err subscription_preview(struct call *c);

/* ---- what they share (store.c) ---- */

/* Steps of a write that changes a subscription. */
enum { STEP_LOCK, STEP_LOOK, STEP_OFFER };

/* Begins a write with the first two, for the id of the path. */
void subscription_lock(struct write *w, struct call *c);

/*
 * In 'make': what they found. ERR_SUBSCRIPTION_NOT_FOUND, or the error of behind_check(), for which
 * the write is run by behind_run().
 */
enum err subscription_look(struct write *w, struct life *l);

/* Four parameters of billing_order and billing_offer: the plan and price that *s asks for. */
void subscription_bind_wanted(struct bind *b, const struct subscription *s);

/*
 * In 'make': what that step found. It fails if there is no such plan or price, or if the
 * plan was deleted and is not the one that it has already (NULL: none).
 */
enum err subscription_offered(struct write *w, size_t step, const struct subscription *s,
    const struct id *has, struct offer *offer);

/* Adds the step that writes what happened. */
void subscription_save(struct write *w, const struct life *l, const struct deed *d);

/* Ends a call that was refused; names may be NULL where no plan is selected. */
enum err subscription_refuse(struct call *c, enum refusal why, const struct selection *names);

/* Adds a fault if it was given and is no address. */
void subscription_check_url(struct call *c, struct str url);

#endif
