/*
 * The life of a subscription: what may happen in which state. The table is the whole truth about
 * it; what happens then is in billing/life.h.
 */
#ifndef BILLING_STATE_H
#define BILLING_STATE_H

#include "base/str.h"

/* STATE(name, as it is kept and shown) */
#define STATES(STATE) \
	STATE(DRAFT,    "draft") \
	STATE(PENDING,  "pending_payment") \
	STATE(TRIALING, "trialing") \
	STATE(ACTIVE,   "active") \
	STATE(PAST_DUE, "past_due") \
	STATE(CANCELED, "canceled")

enum state {
#define STATE(name, text) STATE_##name,
	STATES(STATE)
#undef STATE
	STATE__COUNT,
};

/* STATE(as it is kept and shown): what an invoice can be. */
#define INVOICE_STATES(STATE) \
	STATE("draft") \
	STATE("outstanding") \
	STATE("paid") \
	STATE("void") \
	STATE("uncollectible")

/* EVENT(name): the first ones are asked for, the others are due. */
#define EVENTS(EVENT) \
	EVENT(CONFIRM)    /* a trial is begun on its checkout page */ \
	EVENT(PAY)        /* one of its invoices was paid */ \
	EVENT(VOID)       /* or is void */ \
	EVENT(CANCEL)     /* at the end of the period or trial, where there is one to end */ \
	EVENT(CANCEL_NOW) \
	EVENT(UNCANCEL) \
	EVENT(CHANGE)     /* to another plan or interval */ \
	EVENT(REPLACE)    /* by another selection, before it was paid */ \
	EVENT(START)      /* the deadlines: sql/migrate/0007_subscription.sql */ \
	EVENT(NOTICE) \
	EVENT(TRIAL_END) \
	EVENT(RENEW) \
	EVENT(CANCEL_DUE) \
	EVENT(QUOTE_OVER) \
	EVENT(OVERDUE) \
	EVENT(GRACE_OVER)

enum event {
#define EVENT(name) EVENT_##name,
	EVENTS(EVENT)
#undef EVENT
	EVENT__COUNT,
};

/* Why an event is refused. */
enum refusal {
	REFUSE_NOTHING,
	REFUSE_NEVER,           /* a defect: nobody can ask for it, and it is never due */
	REFUSE_CANCELED,        /* it is over already */
	REFUSE_NOT_SCHEDULED,   /* no cancellation is scheduled */
	REFUSE_NOT_ACTIVE,      /* it cannot be changed in this state */
	REFUSE_LIVE,            /* it is there and may not be replaced */
	REFUSE_SETTLED,         /* there is nothing to confirm */
	/* Not by the state alone: */
	REFUSE_SCHEDULED,       /* a cancellation is scheduled already */
	REFUSE_ENDLESS,         /* bought once: there is no period to end with */
	REFUSE_UNCHANGED,       /* it has that plan and interval */
	REFUSE_OTHER_GROUP,     /* the plans are not in one group */
	REFUSE_WAITS,           /* for a quote: the change would wait for the end of the period */
	REFUSE__COUNT
};

enum refusal state_refuses(enum state state, enum event event);

/* Whether the event, which is not refused, may lead to that state. */
bool state_leads(enum state from, enum event event, enum state to);

struct str state_text(enum state state);

/* text is one of the names: anything else is a defect of the database, and ends the process. */
enum state state_of(struct str text);

#endif
