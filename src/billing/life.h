/*
 * What happens to a subscription: each function here takes it as it is, decides, and leaves it as
 * it will be, with a deed: the invoice, events and payments that go with it. Nothing here
 * touches the database: billing/ledger.h reads a life and writes a deed, in one transaction.
 *
 * Times      Wall ms; 0 is none. 'at' is the time as of which it happens: now, or when it was due.
 * Refused    Then the life is unchanged and the deed empty.
 * Lifetime   Views live as long as what the life was read from; what is made is in its arena.
 */
#ifndef BILLING_LIFE_H
#define BILLING_LIFE_H

#include "base/arena.h"
#include "base/id.h"
#include "billing/state.h"

enum {
	NOTICE_DAYS = 3,       /* before the end of a period or a trial */
	QUOTE_HOURS = 24,      /* as long may a change wait to be paid */
	BILLING_TOKEN_BYTES = 3 * ID_TEXT_BYTES, /* the environment, and 256 bits */
};

/* A plan, and one of its prices. */
struct offer {
	struct id  plan_id, price_id; /* price_id: nil for a free plan */
	struct str name;
	struct str model;    /* how the plan is consumed, or absent */
	struct str step;     /* absent for a free plan */
	int64_t    amount;
	bool       is_free;
	struct id  group;    /* or nil */
	int64_t    order;    /* its place in the group */
	int64_t    trial_days;
	int64_t    end_ms;   /* of a period that begins at the time of the look; 0: never */
	int64_t    day;      /* of the month, on which that begins */
	bool       gone;     /* the plan was deleted */
	bool       priced;   /* the plan has a price, though it need not be this one */
};

/* How the environment bills. */
struct terms {
	int64_t    now_ms;
	struct str currency;
	struct str collection; /* checkout or invoice */
	int64_t    net_days, grace_days;
	bool       clocked;    /* the time is that of a test clock */
};

/* A subscription: the columns of its table (sql/migrate/0007_subscription.sql). */
struct life {
	struct id  id, customer_id, plan_id, price_id;
	struct str name, status, step;
	int64_t    base_price;
	struct str metadata, zone;
	int64_t    anchor_ms, anchor_index, period_index, period_start_ms, period_end_ms;
	int64_t    trial_days, trial_ends_ms, start_ms, end_ms;
	bool       activated, noticed;
	int64_t    cancel_asked_ms;
	struct str cancel_reason;
	int64_t    cancel_ms;
	bool       cancel_early;
	struct str next_kind;
	struct id  next_plan_id, next_price_id;
	int64_t    next_ms;
	struct id  next_invoice_id;
	struct str checkout_token, success_url;
	bool       clocked;
	int64_t    due_ms;
	struct str due_what;
	int64_t    created_ms, updated_ms;

	struct arena *arena;
	struct id    environment;
	/* Read with it. */
	struct terms terms;
	struct offer plan;        /* the current one, with its price as it is now */
	struct offer next;        /* of next_plan_id */
	int64_t      day;         /* of the month, on which periods begin where the customer is */
	struct str   zone_now;    /* the customer's */
	int64_t      further_end_ms; /* of the period after the current one */
	int64_t      credit;      /* of the customer */
	int64_t      quote_credit; /* of that, what next_invoice_id took and would give back */
	int64_t      paid;        /* for the current period */
	struct str   asked;       /* at its checkout page: billing_asked(), or absent */
	/* Of its outstanding invoices, but for next_invoice_id, the one that is due first. */
	struct id    unpaid_id;
	int64_t      unpaid_ms;
};

/* An invoice that is paid or void now. */
struct settled {
	struct id  id;
	int64_t    period_index;
	int64_t    unpaid_ms; /* of the others that are outstanding, the earliest due date, or 0 */
};

enum { LINES_MAX = 2, DEED_EVENTS_MAX = 10 };

struct bill {
	struct id  id; /* nil: there is none */
	struct str status, type, currency;
	int64_t    subtotal, credit, total;
	int64_t    index, start_ms, end_ms, issued_ms, due_ms;
	struct id  plan_id;
	struct str plan_name, token;
	size_t     lines;
	struct line {
		struct str description;
		int64_t    amount;
	} line[LINES_MAX];
};

struct deed {
	int64_t     at_ms;
	struct bill bill;
	struct id   settle_id;   /* this invoice, or with the nil id all that are outstanding, */
	struct str  settle;      /* get this status; absent: none */
	int64_t     settle_start_ms, settle_end_ms; /* the period that its payment began; or 0 */
	int64_t     credit;      /* that the customer gains, or loses */
	size_t      events;
	struct happened {
		struct str type;
		struct id  invoice_id; /* or nil */
		struct str data;       /* JSON, or absent */
	} event[DEED_EVENTS_MAX];
};

/* What a change of plan costs, or when it comes. */
struct change {
	bool        waits;
	const char *kind;     /* waits: plan_downgrade or interval_change */
	bool        upgrade;
	bool        revoked;  /* the current plan was asked for, so what was scheduled is off */
	bool        checkout; /* it is done when the invoice is paid */
	struct str  old_name;
	struct id   old_plan_id;
	int64_t     charge, credit, net, applied, total, left_over;
	int64_t     days_left, days;
};

/*
 * A new one: id, customer_id, name, metadata, zone_now, trial_days, start_ms, success_url,
 * cancel_early, credit, arena, environment and terms are set; offer is what was selected.
 */
void life_create(struct life *l, const struct offer *offer, struct deed *d);

/*
 * Whether its checkout page asks for something. The token of one that asked for a trial is kept, so
 * that the page can say that the trial has begun.
 */
bool life_is_at_checkout(const struct life *l);

/* Whether a new one would be the same selection as this one, which waits to be paid. */
bool life_is_same(const struct life *l, const struct life *wanted);
enum refusal life_replace(struct life *l, struct deed *d);

enum refusal life_cancel(struct life *l, bool now, struct str reason, struct deed *d);
enum refusal life_uncancel(struct life *l, struct deed *d);
enum refusal life_confirm(struct life *l, struct deed *d);
enum refusal life_paid(struct life *l, const struct settled *invoice, struct deed *d);
enum refusal life_void(struct life *l, const struct settled *invoice, struct deed *d);

/* Decides and quotes; *l stays as it is. */
enum refusal life_quote(const struct life *l, const struct offer *to, struct change *change);
/* Does it, or schedules it, or asks for its payment. */
enum refusal life_change(struct life *l, const struct offer *to, struct change *change,
    struct deed *d);

/* What is due, as of l->due_ms. REFUSE_NEVER: what the row says is due cannot be in its state. */
enum refusal life_advance(struct life *l, struct deed *d);

/* Whether something was due before now and has not been carried out: then that comes first. */
bool life_is_behind(const struct life *l);

/*
 * Secrets for addresses of pages, which also say whose they are. The one of an invoice follows from
 * that of the checkout page which asks for its payment, and not the other way round: so the page
 * finds its invoice, and whoever may see that cannot confirm anything.
 */
struct str billing_token(struct arena *a, const struct id *environment);
struct str billing_invoice_token(struct arena *a, struct str checkout);

/* Whose a token is; false: it is none, whatever else is known. */
bool billing_token_owner(struct str token, struct id *environment) MUSTCHECK;

/* Rank of a billing interval: a longer one has a higher; absent: 0. */
int step_rank(struct str step);

#endif
