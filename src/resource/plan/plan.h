/*
 * A plan: what can be subscribed to, with a price for each interval at which it is paid.
 *
 * Found      By its id or by its code, which is unique in the environment; an id counts more. A
 *            deleted plan or price is found by nobody but by whoever deletes it again.
 * Default    One of the prices of a plan is its default, as long as it has any. A free plan has no
 *            price.
 * Lifetime   Views into the request, its arena, or a transaction's result.
 */
#ifndef RESOURCE_PLAN_PLAN_H
#define RESOURCE_PLAN_PLAN_H

#include "call/stored.h"

enum {
	/* The contract names no lengths; these are those of similar fields of other resources. */
	PLAN_CODE_MAX_CHARS = 100,
	PLAN_NAME_MAX_CHARS = 200,
	PLAN_DESCRIPTION_MAX_CHARS = 2000,
	PRICE_TRIAL_DAYS_MAX = 730,
};

/* What a client can set, in the order of plan_update's bits (sql/query). */
enum member_of_plan {
	MEMBER_CODE,
	MEMBER_NAME,
	MEMBER_DESCRIPTION,
	MEMBER_CONSUMPTION_MODEL,
	MEMBER_IS_PUBLIC,
	MEMBER_IS_FREE,
	MEMBER_BLOCK_ON_EXHAUSTION,
	MEMBER_METADATA,
	MEMBER_GROUP,
};

struct plan {
	struct id  id;
	struct str code, name;
	struct str description;         /* or absent */
	struct str consumption_model;   /* or absent */
	bool       is_public, is_free;
	struct str block_on_exhaustion; /* a cell with a boolean, or absent */
	struct str metadata;            /* JSON as it came */
	struct str group;               /* as a request names it, or absent */
	struct id  group_id;            /* or nil */
	int64_t    sort_order;          /* its place in its group */
	struct str prices;              /* a cell with rows, or absent */
	int64_t    created_ms, updated_ms;
	unsigned   given;               /* by a request: a bit for each member */
};

/* In the order of plan_price_update's bits; those that an update cannot have come last. */
enum member_of_price {
	MEMBER_PRICE,
	MEMBER_TRIAL_DAYS,
	MEMBER_DEFAULT_PRICE,
	MEMBER_INCLUDED_BALANCE,
	MEMBER_INCLUDED_CREDITS,
	MEMBER_PRICE_METADATA,
	MEMBER_INTERVAL,
	MEMBER_NOT_HERE,
};

struct price {
	struct id  id, plan_id;
	struct str interval;
	int64_t    price, trial_days;
	bool       is_default;
	struct str included_balance, included_credits; /* cells with numbers, or absent */
	struct str metadata;                           /* JSON as it came */
	int64_t    created_ms, updated_ms;
	unsigned   given;
};

/* Where a field is shown. */
enum plan_view {
	PLAN_SHOWN = 1,
	PLAN_DELETED = 2,
	PLAN_VISIBILITY = 4, /* the answer to its change, in earlier versions */
	PRICE_NESTED = 8,    /* in its plan */
	PRICE_ALONE = 16,
	PRICE_DELETED = 32,
	PRICE_CHOSEN = 64,  /* the answer to its change, in earlier versions */
};

extern const struct fields plan_fields, price_fields;
/* Of a plan, where a request can set nothing but its visibility, and must. */
extern const struct fields visibility_fields;
extern const struct plan plan_defaults;
extern const struct price price_defaults;

/* The calls below /plans/{id}/prices (prices.c). */
enum err price_create(struct call *c);
enum err price_get(struct call *c);
enum err price_update(struct call *c);
enum err price_make_default(struct call *c);
enum err price_delete(struct call *c);

#endif
