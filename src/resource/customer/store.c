/* Customers in PostgreSQL. */
#include "resource/customer/store.h"
#include "base/clock.h"
#include "base/hash.h"
#include "call/idem.h"
#include "call/merge.h"
#include "call/revision.h"
#include "db/cell.h"
#include "resource/customer/alias.h"
#include "resource/customer/warn.h"

#define FIELD_STRUCT struct customer

/* $3 to $13 of customer_create and customer_create_many. */
static const struct member created[] = {
	FIELD_KEPT(UUID, id),
	FIELD_KEPT(TEXT, external_id),
	FIELD_KEPT(TEXT, email),
	FIELD_KEPT(TEXT, full_name),
	FIELD_KEPT(TEXT, tax_document),
	FIELD_KEPT(JSON, address),
	{ BIND_UUID, offsetof(struct customer, address_id), true },
	FIELD_KEPT(TEXT, timezone),
	FIELD_KEPT(JSON, metadata),
	FIELD_KEPT(BOOL, is_active),
	FIELD_KEPT(BYTES, history),
};

enum { SALT_BYTES = 16 }; /* of what an event says (sql/migrate: history_seal) */

enum { CREATED_ID, CREATED_EXTERNAL_ID }; /* the first rows of created */

/* $5 to $12 of customer_update, in the order of enum member_of_customer. */
static const struct member updated[] = {
	[MEMBER_EXTERNAL_ID] = FIELD_KEPT(TEXT, external_id),
	[MEMBER_EMAIL] = FIELD_KEPT(TEXT, email),
	[MEMBER_FULL_NAME] = FIELD_KEPT(TEXT, full_name),
	[MEMBER_TAX_DOCUMENT] = FIELD_KEPT(TEXT, tax_document),
	[MEMBER_ADDRESS] = FIELD_KEPT(JSON, address),
	[MEMBER_TIMEZONE] = FIELD_KEPT(TEXT, timezone),
	[MEMBER_METADATA] = FIELD_KEPT(JSON, metadata),
	[MEMBER_IS_ACTIVE] = FIELD_KEPT(BOOL, is_active),
};

/* ---- reading ---- */

/* The row in the cell after the columns of a customer (:live). */
static const struct member live_members[] = {
	FIELD_KEPT(UUID, live.id),
	FIELD_KEPT(TEXT, live.status),
	FIELD_KEPT(UUID, live.plan_id),
	FIELD_KEPT(TEXT, live.plan_code),
	FIELD_KEPT(TEXT, live.plan_name),
	FIELD_KEPT(TIME, live.period_end_ms),
	FIELD_KEPT(BOOL, live.cancels),
};

_Static_assert(COL_CUSTOMER_GET_LIVE == COL_CUSTOMER_GET_EXTERNAL_LIVE
	&& COL_CUSTOMER_GET_MERGED_INTO == COL_CUSTOMER_GET_EXTERNAL_MERGED_INTO,
    "both are read so");

enum err
customer_read_found(struct call *c, struct tx *tx, struct customer *out)
{
	enum err          e = stored_find(c, &customer_fields, tx, out);
	const struct row *live;
	struct row        row;

	if (e != ERR_OK)
		return e;
	row = tx_row(tx, READ_STEP, 0);
	out->beside = row_text(&row, COL_CUSTOMER_GET_LIVE);
	if (cell_rows(out->beside, c->arena, &live) > 0)
		member_read(live, live_members, COUNTOF(live_members), out);
	return ERR_OK;
}

/* The customer that the transaction finds, or the one whom its ids lead to. */
static enum err
follow(struct call *c, struct tx *tx, struct customer *out)
{
	enum err   e = customer_read_found(c, tx, out);
	struct row row;
	struct id  into;

	if (e != ERR_OK)
		return e;
	row = tx_row(tx, READ_STEP, 0);
	if (row_is_null(&row, COL_CUSTOMER_GET_MERGED_INTO))
		return ERR_OK;
	into = row_id(&row, COL_CUSTOMER_GET_MERGED_INTO);
	*out = (struct customer) { .existing = false };
	bind_id(call_read(c, tx, SQL_CUSTOMER_GET), &into);
	return customer_read_found(c, tx, out);
}

enum err
customer_find(struct call *c, struct str ref, struct customer *out)
{
	struct tx tx;
	struct id id;
	enum err  e = ERR_CUSTOMER_NOT_FOUND;

	if (id_parse(customer_fields.prefix, ref, &id)) {
		bind_id(call_read(c, &tx, SQL_CUSTOMER_GET), &id);
		e = follow(c, &tx, out);
	}
	if (e == ERR_CUSTOMER_NOT_FOUND) {
		bind_text(call_read(c, &tx, SQL_CUSTOMER_GET_EXTERNAL), ref);
		e = follow(c, &tx, out);
	}
	return e;
}

static void
bind_kept(struct bind *b, enum customer_kept kept)
{
	if (kept == CUSTOMER_EITHER)
		bind_null(b);
	else
		bind_bool(b, kept == CUSTOMER_ARCHIVED);
}

enum err
customer_list(struct call *c, struct customer_filter *filter, struct tx *tx)
{
	static const enum sql_id plain[CUSTOMER_KEPT__COUNT] = {
		[CUSTOMER_LISTED] = SQL_CUSTOMER_LIST,
		[CUSTOMER_ARCHIVED] = SQL_CUSTOMER_LIST_ARCHIVED,
		[CUSTOMER_EITHER] = SQL_CUSTOMER_LIST_ALL,
	};
	struct str   either = filter->customer_id.ptr ? filter->customer_id : filter->external_id;
	bool         one = either.ptr, mail = filter->email.ptr;
	bool         searched = filter->by_active || filter->search.ptr;
	enum sql_id  statement = one ? SQL_CUSTOMER_LIST_EXTERNAL
	    : searched ? SQL_CUSTOMER_LIST_FILTERED
	    : mail ? SQL_CUSTOMER_LIST_EMAIL : plain[filter->kept];
	struct bind *b = stored_ask(c, tx, statement, &filter->page);
	struct id    id;

	if (one || searched) {
		if (filter->by_active)
			bind_bool(b, filter->active);
		else
			bind_null(b);
		bind_text(b, filter->search);
	}
	if (one || searched || mail)
		bind_text(b, filter->email);
	if (one) {
		bind_id(b, id_parse(customer_fields.prefix, filter->customer_id, &id) ? &id : NULL);
		bind_kept(b, filter->kept);
		bind_text(b, either);
		bind_text(b, filter->customer_id.ptr ? filter->external_id : STR_NONE);
	} else if (searched) {
		bind_i64(b, CUSTOMER_LOOKED_AT);
		bind_kept(b, filter->kept);
		filter->page.ended = COL_CUSTOMER_LIST_FILTERED_ENDED;
		db_slow(c->db);
	} else if (mail) {
		bind_kept(b, filter->kept);
	}
	return ERR_OK;
}

/* What is given of it that an update can change: bits as $4 of customer_update has them. */
static unsigned
given(const struct customer *change)
{
	return change->given & ((1u << COUNTOF(updated)) - 1);
}

/* Of those that are named by their external ids, which stay. */
static unsigned
given_in_many(const struct customer *change)
{
	return given(change) & ~(1u << MEMBER_EXTERNAL_ID);
}

/* Sets the members that are given. Whether any has another value now. */
static bool
overlay(const struct customer *change, unsigned members, struct customer *customer)
{
	bool differs = false;

	for (size_t i = 0; i < COUNTOF(updated); i++) {
		void       *to = (char *)customer + updated[i].at;
		const void *from = (const char *)change + updated[i].at;
		size_t      size = updated[i].type == BIND_BOOL ? sizeof(bool) : sizeof(struct str);
		bool        same = updated[i].type == BIND_BOOL
		    ? *(bool *)to == *(const bool *)from
		    : !((struct str *)to)->ptr == !((const struct str *)from)->ptr
			&& str_eq(*(struct str *)to, *(const struct str *)from);

		if (!(members & 1u << i) || same)
			continue;
		memcpy(to, from, size);
		differs = true;
	}
	return differs;
}

/* The customer as customer_update would leave it. Whether it has changed. */
static bool
apply(const struct customer *change, unsigned members, int64_t now_ms, struct customer *customer)
{
	if (!overlay(change, members, customer))
		return false;
	customer->revision++;
	/* As in customer_update. */
	if (customer->updated_ms >= now_ms && customer->updated_ms < now_ms + 5000)
		customer->updated_ms++;
	else
		customer->updated_ms = now_ms;
	return true;
}

bool
customer_overlay(const struct customer *change, struct customer *customer)
{
	customer->given |= change->given;
	if (change->given & 1u << MEMBER_ADDRESS_ID)
		customer->address_id = change->address_id;
	return overlay(change, given_in_many(change), customer);
}

/* ---- creating ---- */

/* What history_digest() of sql/migrate makes of the first event of a customer. */
static struct str
first_digest(struct call *c, const struct id *id, int64_t now_ms)
{
	struct str     type = STR("customer.created\n"), source = call_source(c);
	size_t         size = ID_BYTES + 8 + type.len + source.len + 1;
	unsigned char *digest = ARENA_NEW(c->arena, unsigned char, SHA256_BYTES);
	char          *text = ARENA_NEW(c->arena, char, size), *end;

	end = str_put(text, (struct str) { (const char *)id->b, ID_BYTES });
	bind_put_i64(end, (now_ms - POSTGRES_EPOCH_MS) * 1000);
	end = str_put(str_put(end + 8, type), source);
	*end = '\n';
	hash_sha256((struct str) { text, size }, digest);
	return (struct str) { (const char *)digest, SHA256_BYTES };
}

/* Gives all customers of a request ids, the same time, and the digests of their first events. */
static int64_t
stamp(struct call *c, struct customer *customers, size_t count)
{
	int64_t now_ms = clock_wall_ms();

	for (size_t i = 0; i < count; i++) {
		customers[i].id = id_new();
		customers[i].history = first_digest(c, &customers[i].id, now_ms);
		customers[i].created_ms = customers[i].updated_ms = now_ms;
		customers[i].existing = false;
	}
	return now_ms;
}

struct creation {
	const struct customer *meant;
	struct customer       *stored;
	enum err             (*reply)(struct call *c, const struct customer *customer);
};

static enum err
expect_created(struct write *w, void *what)
{
	struct creation *creation = what;

	*creation->stored = *creation->meant;
	return creation->reply(w->call, creation->stored);
}

static void
read_taken(struct write *w, void *what)
{
	struct creation *creation = what;

	if (creation->meant->external_id.ptr)
		bind_text(write_step(w, SQL_CUSTOMER_TAKEN), creation->meant->external_id);
}

static enum err
make_created(struct write *w, void *what)
{
	struct creation *creation = what;
	struct row       row = write_row(w, 0, 0);

	if (row_bool(&row, COL_CUSTOMER_CREATE_MADE)) {
		*creation->stored = *creation->meant;
	} else if (!creation->meant->external_id.ptr || write_rows(w, 1) == 0) {
		w->again = true; /* the customer that was in the way is gone */
		return ERR_OK;
	} else {
		row = write_row(w, 1, 0);
		stored_read(&row, &customer_fields, creation->stored);
		/*
		 * The id meant for it: an earlier run of this transaction made it, whose outcome
		 * was lost, so it is new to the client.
		 */
		creation->stored->existing = !id_eq(&creation->stored->id, &creation->meant->id);
	}
	return creation->reply(w->call, creation->stored);
}

enum err
customer_create(struct call *c, const struct customer *customer,
    enum err (*reply)(struct call *c, const struct customer *customer))
{
	static const struct answers answers = {
		.expect = expect_created, .read = read_taken, .make = make_created,
	};
	struct customer *meant = ARENA_NEW(c->arena, struct customer, 1);
	struct creation  creation = { meant, ARENA_NEW(c->arena, struct customer, 1), reply };
	struct write     w;
	struct bind     *b;

	*meant = *customer;
	write_begin(&w, c);
	/* With neither a key nor an external id a second run would make a second customer. */
	w.tx.again |= meant->external_id.ptr != NULL;
	w.groups = true;
	w.order = meant->external_id;
	b = write_step(&w, SQL_CUSTOMER_CREATE);
	bind_time(b, stamp(c, meant, 1));
	for (size_t i = 0; i < COUNTOF(created); i++)
		member_bind(b, &created[i], meant);
	return write_run(&w, &answers, &creation);
}

struct creations {
	const struct customer *meant;
	struct customer       *customers;
	size_t                 count;
	bool                   updates;
	enum err             (*reply)(struct call *c, void *with);
	void                  *with;
};

static bool
is_among(const struct id *id, const struct id *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (id_eq(id, &ids[i]))
			return true;
	return false;
}

/* Replaces the customer by the row that has its external id; false when there is none. */
static bool
take_existing(const struct write *w, size_t step, struct customer *customer)
{
	for (size_t i = 0; customer->external_id.ptr && i < write_rows(w, step); i++) {
		struct row row = write_row(w, step, i);
		struct id  meant = customer->id;

		if (!str_eq(row_text(&row, COL_CUSTOMER_SETTLE_ASKED), customer->external_id))
			continue;
		stored_read(&row, &customer_fields, customer);
		customer->existing = !id_eq(&meant, &customer->id); /* as in make_created() */
		return true;
	}
	return false;
}

/* Whether customer_update_many met the nth customer; *changed: and found something to change. */
static bool
take_changed(const struct write *w, size_t step, int64_t nth, bool *changed)
{
	for (size_t i = 0; i < write_rows(w, step); i++) {
		struct row row = write_row(w, step, i);

		if (row_i64(&row, COL_CUSTOMER_UPDATE_MANY_NTH) != nth)
			continue;
		*changed = row_bool(&row, COL_CUSTOMER_UPDATE_MANY_CHANGED);
		return true;
	}
	return false;
}

static enum err
make_created_many(struct write *w, void *what)
{
	struct creations *creations = what;
	struct arena     *arena = w->call->arena;
	struct row        row = write_row(w, 0, 0);
	const struct id  *made;
	size_t            made_count = row_ids(&row, COL_CUSTOMER_CREATE_MANY_IDS, arena, &made);

	for (size_t i = 0; i < creations->count; i++) {
		struct customer *customer = &creations->customers[i];

		*customer = creations->meant[i];
		if (made_count < creations->count
		    && !is_among(&customer->id, made, made_count)
		    && !take_existing(w, 1 + creations->updates, customer))
			w->again = true;
		else if (creations->updates && customer->existing
		    && !take_changed(w, 1, (int64_t)i + 1, &customer->changed))
			w->again = true; /* it has been merged into another one just now */
		if (w->again)
			return ERR_OK;
	}
	return creations->reply(w->call, creations->with);
}

static void
add_update_many(struct write *w, const struct customer *meant, size_t count, int64_t now_ms)
{
	struct bind *b = write_step(w, SQL_CUSTOMER_UPDATE_MANY);
	struct str  *cells = ARENA_NEW(w->call->arena, struct str, count);
	char        *eights = ARENA_NEW(w->call->arena, char, 8 * count);

	for (size_t i = 0; i < count; i++) {
		bind_put_i64(eights + 8 * i, given_in_many(&meant[i]));
		cells[i] = (struct str) { eights + 8 * i, 8 };
	}
	bind_time(b, now_ms);
	member_bind_all(b, &created[CREATED_ID], meant, sizeof(*meant), count);
	for (size_t i = 0; i < COUNTOF(updated); i++)
		member_bind_all(b, &updated[i], meant, sizeof(*meant), count);
	bind_array(b, BIND_I64, cells, count);
}

enum err
customer_create_many(struct call *c, struct customer *customers, size_t count, bool updates,
    enum err (*reply)(struct call *c, void *with), void *with)
{
	static const struct answers answers = { .make = make_created_many };
	struct customer *meant = ARENA_NEW(c->arena, struct customer, count);
	struct creations creations = { meant, customers, count, updates, reply, with };
	struct write     w;
	struct bind     *b;
	size_t           named = 0;
	int64_t          now_ms;

	memcpy(meant, customers, count * sizeof(*meant));
	write_begin(&w, c);
	/* All or nothing, even if a customer that was in the way is gone meanwhile. */
	w.careful = true;
	for (size_t i = 0; i < count; i++)
		named += meant[i].external_id.ptr != NULL;
	w.tx.again |= named == count && !updates;
	b = write_step(&w, SQL_CUSTOMER_CREATE_MANY);
	bind_time(b, now_ms = stamp(c, meant, count));
	for (size_t i = 0; i < COUNTOF(created); i++)
		member_bind_all(b, &created[i], meant, sizeof(*meant), count);
	if (updates)
		add_update_many(&w, meant, count, now_ms);
	b = write_step(&w, SQL_CUSTOMER_SETTLE);
	bind_i64(b, (int64_t)count);
	member_bind_all(b, &created[CREATED_EXTERNAL_ID], meant, sizeof(*meant), count);
	member_bind_all(b, &created[CREATED_ID], meant, sizeof(*meant), count);
	return write_run(&w, &answers, &creations);
}

enum err
customer_look_many(struct call *c, struct customer *customers, size_t count, bool updates,
    enum err (*reply)(struct call *c, void *with), void *with)
{
	struct customer *meant = ARENA_NEW(c->arena, struct customer, count);
	int64_t          now_ms = clock_wall_ms();
	struct tx        tx;
	enum err         e;

	memcpy(meant, customers, count * sizeof(*meant));
	member_bind_all(call_read(c, &tx, SQL_CUSTOMER_KNOWN), &created[CREATED_EXTERNAL_ID],
	    meant, sizeof(*meant), count);
	if ((e = call_read_run(c, &tx)) != ERR_OK)
		return e;
	for (size_t i = 0; i < tx_rows(&tx, READ_STEP); i++) {
		struct row row = tx_row(&tx, READ_STEP, i);
		struct str external_id = row_text(&row, COL_CUSTOMER_KNOWN_ASKED);

		for (size_t k = 0; k < count; k++) {
			if (!str_eq(meant[k].external_id, external_id))
				continue;
			stored_read(&row, &customer_fields, &customers[k]);
			customers[k].existing = true;
			customers[k].changed = updates
			    && apply(&meant[k], given_in_many(&meant[k]), now_ms, &customers[k]);
		}
	}
	return reply(c, with);
}

/* ---- updating ---- */

/* The customer is of the arena. */
static enum err
reply_changed(struct call *c, const struct customer *customer)
{
	idem_about(c, &customer->id, 1);
	revision_tag(c, &customer_fields, customer, STR_NONE);
	return field_reply(c, 200, &customer_fields, customer, CUSTOMER_PLAIN);
}

enum err
customer_returned(struct write *w, size_t step)
{
	struct call     *c = w->call;
	struct customer *customer = ARENA_NEW(c->arena, struct customer, 1);
	struct row       row;

	if (write_rows(w, step) == 0)
		return stored_missing(c, &customer_fields);
	row = write_row(w, step, 0);
	stored_read(&row, &customer_fields, customer);
	alias_note(c, c->param[0], customer);
	return reply_changed(c, customer);
}

/* Adds the step that changes what is given. */
static void
add_update(struct write *w, struct str ref, const struct customer *change, int64_t now_ms)
{
	struct bind *b = write_step(w, SQL_CUSTOMER_UPDATE);
	char        *salt = ARENA_NEW(w->call->arena, char, SALT_BYTES);

	stored_bind_ref(b, &customer_fields, ref);
	bind_i64(b, given(change));
	for (size_t i = 0; i < COUNTOF(updated); i++)
		member_bind(b, &updated[i], change);
	bind_time(b, now_ms);
	revision_bind(b, w->call, &customer_fields);
	hash_random(salt, SALT_BYTES);
	bind_text(b, (struct str) { salt, SALT_BYTES });
}

static enum err
reply_updated(struct call *c, const struct customer *change, const struct customer *customer)
{
	if (!(change->given & 1u << MEMBER_EXTERNAL_ID))
		alias_note(c, c->param[0], customer);
	return reply_changed(c, customer);
}

static enum err
make_updated(struct write *w, void *what)
{
	const struct customer *change = what;
	struct customer       *customer = ARENA_NEW(w->call->arena, struct customer, 1);
	struct row             row;

	if (write_rows(w, 0) == 0)
		return stored_missing(w->call, &customer_fields);
	row = write_row(w, 0, 0);
	stored_read(&row, &customer_fields, customer);
	w->again = given(change) && row_is_null(&row, COL_CUSTOMER_UPDATE_MET);
	if (w->again)
		return ERR_OK; /* it has just been merged into another one */
	if (given(change) ? !row_bool(&row, COL_CUSTOMER_UPDATE_MET)
			  : !revision_matches(w->call, &customer_fields, customer))
		return revision_refuse(w->call);
	warn_of_id(w->call, change->external_id);
	return reply_updated(w->call, change, customer);
}

enum err
customer_update(struct call *c, struct str ref, const struct customer *change)
{
	static const struct answers answers = { .make = make_updated };
	struct customer             meant = *change;
	struct write                w;

	write_begin(&w, c);
	w.groups = true;
	w.order = ref;
	if (given(change))
		add_update(&w, ref, change, clock_wall_ms());
	else
		stored_bind_ref(write_step(&w, SQL_CUSTOMER_FIND), &customer_fields, ref);
	return write_run(&w, &answers, &meant);
}

struct patch {
	struct str ref;
	int64_t    now_ms;
};

/* Runs before the commit: it reads the patch by what is there, and adds the step that writes. */
static enum err
make_merged(struct write *w, void *what)
{
	const struct patch *patch = what;
	struct call        *c = w->call;
	struct customer    *customer = ARENA_NEW(c->arena, struct customer, 1);
	struct customer    *change = ARENA_NEW(c->arena, struct customer, 1);
	struct row          row;
	enum err            e;

	if (write_rows(w, 0) == 0)
		return stored_missing(c, &customer_fields);
	row = write_row(w, 0, 0);
	stored_read(&row, &customer_fields, customer);
	w->again = row_bool(&row, COL_CUSTOMER_LOCK_MERGED);
	if (w->again)
		return ERR_OK; /* just now */
	*change = customer_defaults;
	/* A body that is wrong is refused as such, whatever If-Match says (RFC 9110, 13.2.1). */
	if ((e = merge_read_body(c, &customer_fields, customer, change)) != ERR_OK)
		return e;
	if (!revision_matches(c, &customer_fields, customer))
		return revision_refuse(c);
	add_update(w, patch->ref, change, patch->now_ms);
	(void)apply(change, given(change), patch->now_ms, customer);
	warn_of_id(c, change->external_id);
	return reply_updated(c, change, customer);
}

enum err
customer_merge(struct call *c, struct str ref)
{
	static const struct answers answers = { .make = make_merged };
	struct patch                patch = { ref, clock_wall_ms() };
	struct write                w;

	write_begin(&w, c);
	w.careful = true;
	stored_bind_ref(write_step(&w, SQL_CUSTOMER_LOCK), &customer_fields, ref);
	return write_run(&w, &answers, &patch);
}
