/* What the calls share that change a subscription. */
#include "resource/subscription/subscription.h"
#include "call/idem.h"

enum err
subscription_reply(struct call *c, int status, struct subscription *s, unsigned view)
{
	subscription_fields.derive(s);
	idem_about(c, &s->life.customer_id, 1);
	return field_reply(c, status, &subscription_fields, s, view);
}

void
subscription_lock(struct write *w, struct call *c)
{
	const struct id *id = stored_id(c, &subscription_fields, 0);
	struct bind     *b;

	write_begin(w, c);
	/* What is written follows from what is read. */
	w->careful = true;
	bind_id(write_step(w, SQL_BILLING_LOCK), id);
	b = write_step(w, SQL_BILLING_LOOK);
	bind_id(b, id);
	bind_null(b);
}

enum err
subscription_look(struct write *w, struct life *l)
{
	struct row row;

	if (write_rows(w, STEP_LOOK) == 0)
		return stored_missing(w->call, &subscription_fields);
	row = write_row(w, STEP_LOOK, 0);
	ledger_read(&row, w->call->arena, &w->call->tenant.environment, l);
	return behind_check(w, l);
}

void
subscription_bind_wanted(struct bind *b, const struct subscription *s)
{
	struct id  plan, price;
	struct str none = STR(""); /* finds nothing: an id that is none */

	bind_id(b, s->plan.ptr && id_parse(PLAN_PREFIX, s->plan, &plan) ? &plan : NULL);
	bind_text(b, s->plan.ptr ? none : s->plan_code);
	bind_id(b, s->price.ptr && id_parse(PRICE_PREFIX, s->price, &price) ? &price : NULL);
	bind_text(b, s->interval);
}

enum err
subscription_offered(struct write *w, size_t step, const struct subscription *s,
    const struct id *has, struct offer *offer)
{
	const struct selection *names = s->names;
	struct call            *c = w->call;
	struct id               price;
	struct row              row;

	if (write_rows(w, step) > 0)
		row = write_row(w, step, 0);
	if (write_rows(w, step) == 0 || !ledger_read_offer(&row, offer))
		return call_fail(c, ERR_PLAN_NOT_FOUND, names->plan, names->no_plan);
	if (offer->gone && !(has && id_eq(&offer->plan_id, has)))
		return call_fail(c, ERR_PLAN_UNAVAILABLE, names->plan,
		    "The plan was deleted and can no longer be selected.");
	if (offer->is_free)
		return ERR_OK;
	if (!offer->priced)
		return call_fail(c, ERR_NO_PRICES, names->plan, "The plan has no price.");
	if (id_is_nil(&offer->price_id)
	    || (s->price.ptr && !id_parse(PRICE_PREFIX, s->price, &price)))
		return call_fail(c, ERR_PRICE_NOT_FOUND,
		    s->price.ptr ? "priceId" : names->interval, "The plan has no such price.");
	return ERR_OK;
}

void
subscription_save(struct write *w, const struct life *l, const struct deed *d)
{
	ledger_save(tx_step(&w->tx, SQL_BILLING_SAVE), l, d);
}

/* param NULL: the field that selects a plan */
static const struct {
	enum err    err;
	const char *param, *message;
} refusals[REFUSE__COUNT] = {
	[REFUSE_NEVER] = { ERR_INTERNAL, NULL, "Something went wrong on our side." },
	[REFUSE_CANCELED] = { ERR_ALREADY_CANCELED, "id", "The subscription is canceled." },
	[REFUSE_NOT_SCHEDULED] = { ERR_NOT_SCHEDULED, "id", "No cancellation is scheduled." },
	[REFUSE_NOT_ACTIVE] = { ERR_NOT_ACTIVE, "id",
	    "The plan can be changed only while the subscription is active or in its trial." },
	[REFUSE_LIVE] = { ERR_ALREADY_SUBSCRIBED, "customerId",
	    "The customer has a subscription already." },
	[REFUSE_SETTLED] = { ERR_CONFLICT, "id", "There is nothing to confirm." },
	[REFUSE_SCHEDULED] = { ERR_ALREADY_SCHEDULED, "id", "A cancellation is scheduled." },
	[REFUSE_ENDLESS] = { ERR_ONE_TIME, "id",
	    "The subscription was paid once and has no end; cancel it at once." },
	[REFUSE_UNCHANGED] = { ERR_NO_CHANGE, NULL,
	    "The subscription has this plan and billing interval already." },
	[REFUSE_OTHER_GROUP] = { ERR_OTHER_GROUP, NULL,
	    "The two plans are not in one plan group." },
	[REFUSE_WAITS] = { ERR_CHANGE_WAITS, NULL,
	    "The change would wait for the end of the period and costs nothing now." },
};

enum err
subscription_refuse(struct call *c, enum refusal why, const struct selection *names)
{
	const char *param = refusals[why].param;

	return call_fail(c, refusals[why].err, param || !names ? param : names->plan,
	    refusals[why].message);
}

void
subscription_check_url(struct call *c, struct str url)
{
	if (url.ptr && !str_starts(url, STR("https://")) && !str_starts(url, STR("http://")))
		call_field(c, "successUrl", "must begin with https:// or http://");
}
