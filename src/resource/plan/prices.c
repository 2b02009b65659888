/* The calls below /plans/{id}/prices. Each locks the plan, then sees all its prices. */
#include "base/clock.h"
#include "resource/plan/plan.h"

#define FIELD_STRUCT struct price

/* $4 to $12 of plan_price_create. */
static const struct member created[] = {
	FIELD_KEPT(UUID, id),
	FIELD_KEPT(TEXT, interval),
	FIELD_KEPT(I64, price),
	FIELD_KEPT(I64, trial_days),
	FIELD_KEPT(BOOL, is_default),
	FIELD_CELL(I64, included_balance),
	FIELD_CELL(I64, included_credits),
	FIELD_KEPT(JSON, metadata),
	FIELD_KEPT(TIME, created_ms),
};

/* $6 to $11 of plan_price_update, in the order of enum member_of_price. */
static const struct member updated[] = {
	[MEMBER_PRICE] = FIELD_KEPT(I64, price),
	[MEMBER_TRIAL_DAYS] = FIELD_KEPT(I64, trial_days),
	[MEMBER_DEFAULT_PRICE] = FIELD_KEPT(BOOL, is_default),
	[MEMBER_INCLUDED_BALANCE] = FIELD_CELL(I64, included_balance),
	[MEMBER_INCLUDED_CREDITS] = FIELD_CELL(I64, included_credits),
	[MEMBER_PRICE_METADATA] = FIELD_KEPT(JSON, metadata),
};

/* Steps of every write here. Not each one has a middle one: then LAST comes in its place. */
enum { LOCK, MIDDLE, LAST };

static struct bind *
step(struct write *w, enum sql_id statement)
{
	struct bind *b = write_step(w, statement);

	stored_bind_ref(b, &plan_fields, w->call->param[0]);
	return b;
}

/* After it another price can become the default: this one, or a new one. */
static void
undefault(struct write *w, const struct id *id)
{
	bind_id(step(w, SQL_PLAN_PRICE_UNDEFAULT), id);
}

static enum err
no_price(struct call *c)
{
	return call_fail(c, price_fields.missing, "priceId", price_fields.missing_message);
}

/* ---- creating ---- */

static enum err
reply_created(struct write *w, void *what)
{
	const struct price *price = what;
	size_t              last = price->is_default ? LAST : MIDDLE;

	if (write_rows(w, LOCK) == 0)
		return stored_missing(w->call, &plan_fields);
	if (write_rows(w, last))
		return stored_returned(w, last, 201, &price_fields, PRICE_ALONE);
	return call_fail(w->call, ERR_CONFLICT, "price", "A free plan has no price.");
}

enum err
price_create(struct call *c)
{
	static const struct answers answers = { .make = reply_created };
	struct price *price = ARENA_NEW(c->arena, struct price, 1);
	struct write  w;
	struct bind  *b;
	enum err      e;

	*price = price_defaults;
	if ((e = field_read_body(c, &price_fields, FIELD_CREATE, price)) != ERR_OK)
		return e;
	price->id = id_new();
	price->created_ms = clock_wall_ms();
	write_begin(&w, c);
	step(&w, SQL_PLAN_LOCK);
	if (price->is_default)
		undefault(&w, NULL);
	b = step(&w, SQL_PLAN_PRICE_CREATE);
	for (size_t i = 0; i < COUNTOF(created); i++)
		member_bind(b, &created[i], price);
	return write_run(&w, &answers, price);
}

/* ---- reading ---- */

enum err
price_get(struct call *c)
{
	struct price *price = ARENA_NEW(c->arena, struct price, 1);
	struct bind  *b;
	struct tx     tx;
	enum err      e;

	b = call_read(c, &tx, SQL_PLAN_PRICE_GET);
	stored_bind_ref(b, &plan_fields, c->param[0]);
	bind_id(b, stored_id(c, &price_fields, 1));
	if ((e = stored_find(c, &price_fields, &tx, price)) == price_fields.missing)
		return no_price(c);
	return e != ERR_OK ? e : field_reply(c, 200, &price_fields, price, PRICE_ALONE);
}

/* ---- updating ---- */

struct update {
	struct price *change;
	unsigned      view;
	size_t        last; /* the step of the update */
};

static enum err
reply_updated(struct write *w, void *what)
{
	const struct update *u = what;

	if (write_rows(w, LOCK) == 0)
		return stored_missing(w->call, &plan_fields);
	if (write_rows(w, u->last))
		return stored_returned(w, u->last, 200, &price_fields, u->view);
	/* With isDefault false the middle step has read the price. */
	if (u->last == MIDDLE || u->change->is_default || write_rows(w, MIDDLE) == 0)
		return no_price(w->call);
	return call_fail(w->call, ERR_CONFLICT, "isDefault",
	    "One price of a plan is its default: make another one the default instead.");
}

static enum err
run_update(struct call *c, struct price *change, unsigned view)
{
	static const struct answers answers = { .make = reply_updated };
	const struct id *id = stored_id(c, &price_fields, 1);
	struct update    u = { change, view, MIDDLE };
	struct write     w;
	struct bind     *b;

	write_begin(&w, c);
	step(&w, SQL_PLAN_LOCK);
	if (change->given & 1u << MEMBER_DEFAULT_PRICE) {
		u.last = LAST;
		if (change->is_default)
			undefault(&w, id);
		else
			bind_id(step(&w, SQL_PLAN_PRICE_GET), id);
	}
	b = step(&w, change->given ? SQL_PLAN_PRICE_UPDATE : SQL_PLAN_PRICE_GET);
	bind_id(b, id);
	if (change->given) {
		bind_i64(b, change->given);
		for (size_t i = 0; i < COUNTOF(updated); i++)
			member_bind(b, &updated[i], change);
		bind_time(b, clock_wall_ms());
	}
	return write_run(&w, &answers, &u);
}

/* An id that is none binds NULL, which is no price: not the same as a new one. */
static bool
is_id(struct call *c)
{
	return stored_id(c, &price_fields, 1) != NULL;
}

enum err
price_update(struct call *c)
{
	struct price *change = ARENA_NEW(c->arena, struct price, 1);
	enum err      e = field_read_body(c, &price_fields, FIELD_UPDATE, change);

	return e != ERR_OK ? e : !is_id(c) ? no_price(c) : run_update(c, change, PRICE_ALONE);
}

enum err
price_make_default(struct call *c)
{
	static const struct field_view views[] = {
		{ V_2026_07_24, PRICE_ALONE },
		{ V_FIRST,      PRICE_CHOSEN },
	};
	struct price *change = ARENA_NEW(c->arena, struct price, 1);

	change->is_default = true;
	change->given = 1u << MEMBER_DEFAULT_PRICE;
	return !is_id(c) ? no_price(c) : run_update(c, change, field_view(c, views));
}

/* ---- deleting ---- */

static enum err
reply_deleted(struct write *w, void *what UNUSED)
{
	struct price *price = ARENA_NEW(w->call->arena, struct price, 1);
	struct row    row;

	if (write_rows(w, MIDDLE) == 0)
		return write_rows(w, LOCK) ? no_price(w->call)
		    : stored_missing(w->call, &plan_fields);
	row = write_row(w, MIDDLE, 0);
	price->id = row_id(&row, COL_PLAN_PRICE_DELETE_ID);
	return field_reply(w->call, 200, &price_fields, price, PRICE_DELETED);
}

enum err
price_delete(struct call *c)
{
	static const struct answers answers = { .make = reply_deleted };
	struct write w;
	struct bind *b;

	write_begin(&w, c);
	w.tx.again = true; /* deleting twice does no harm */
	step(&w, SQL_PLAN_LOCK);
	b = step(&w, SQL_PLAN_PRICE_DELETE);
	bind_id(b, stored_id(c, &price_fields, 1));
	bind_time(b, clock_wall_ms());
	step(&w, SQL_PLAN_PRICE_PROMOTE);
	return write_run(&w, &answers, NULL);
}
