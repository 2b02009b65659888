/* Customers in PostgreSQL. */
#include "resource/customer/store.h"
#include "base/clock.h"
#include "call/idem.h"

enum {
	VANISHED_RUNS_MAX = 3, /* of a create whose external id was taken and free again in between */
};

/* Columns of :customer in sql/query/customer.sql. */
static void
read_row(const struct row *r, struct customer *out)
{
	struct customer read = {
		.id = row_id(r, 0),
		.external_id = row_text(r, 1),
		.email = row_text(r, 2),
		.full_name = row_text(r, 3),
		.tax_document = row_text(r, 4),
		.address = row_text(r, 5),
		.timezone = row_text(r, 6),
		.metadata = row_text(r, 7),
		.is_active = row_bool(r, 8),
		.created_ms = row_time(r, 9),
		.updated_ms = row_time(r, 10),
		.existing = true,
	};

	*out = read;
}

static enum err
not_found(struct call *c)
{
	return call_fail(c, ERR_CUSTOMER_NOT_FOUND, "id", "There is no customer with this id.");
}

static enum err
find_by(struct call *c, enum sql_id statement, const struct id *id, struct str external_id, struct customer *out)
{
	struct tx      tx;
	struct bind   *b;
	struct row     row;
	enum db_status status;

	tx_init(&tx, c->db, c->arena);
	tx.again = true;
	call_enter(c, &tx);
	b = tx_step(&tx, statement);
	bind_id(b, &c->tenant.environment);
	if (id)
		bind_id(b, id);
	else
		bind_text(b, external_id);
	if ((status = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, status);
	if (tx_rows(&tx, 1) == 0)
		return not_found(c);
	row = tx_row(&tx, 1, 0);
	read_row(&row, out);
	return ERR_OK;
}

enum err
store_find(struct call *c, struct str ref, struct customer *out)
{
	struct id id;
	enum err  e = ERR_CUSTOMER_NOT_FOUND;

	if (id_parse(CUSTOMER_PREFIX, ref, &id))
		e = find_by(c, SQL_CUSTOMER_GET, &id, STR_NONE, out);
	if (e == ERR_CUSTOMER_NOT_FOUND)
		e = find_by(c, SQL_CUSTOMER_GET_EXTERNAL, NULL, ref, out);
	return e;
}

enum err
store_list(struct call *c, const struct list_filter *filter, struct customer **out, size_t *count)
{
	struct tx        tx;
	struct bind     *b;
	struct customer *list;
	enum db_status   status;
	bool             filtered = filter->by_active || filter->search.ptr;

	tx_init(&tx, c->db, c->arena);
	tx.again = true;
	call_enter(c, &tx);
	b = tx_step(&tx, filter->external_id.ptr ? SQL_CUSTOMER_LIST_EXTERNAL
	        : filtered ? SQL_CUSTOMER_LIST_FILTERED : SQL_CUSTOMER_LIST);
	bind_id(b, &c->tenant.environment);
	bind_id(b, &filter->page.after);
	bind_i64(b, page_rows(&filter->page));
	if (filtered || filter->external_id.ptr) {
		if (filter->by_active)
			bind_bool(b, filter->active);
		else
			bind_null(b);
		bind_text(b, filter->search);
	}
	if (filter->external_id.ptr)
		bind_text(b, filter->external_id);
	if ((status = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, status);
	*count = tx_rows(&tx, 1);
	list = ARENA_NEW(c->arena, struct customer, *count);
	for (size_t i = 0; i < *count; i++) {
		struct row row = tx_row(&tx, 1, i);

		read_row(&row, &list[i]);
	}
	*out = list;
	return ERR_OK;
}

/* ---- writes ---- */

static struct str
cell_id(const struct id *id)
{
	return (struct str) { (const char *)id->b, ID_BYTES };
}

static struct str
cell_bool(bool v)
{
	return (struct str) { v ? "\1" : "\0", 1 };
}

/* A member of a customer as a cell of a binary parameter, in the order of customer_create's $3 to $12. */
static const struct column {
	enum bind_type type;
	struct str (*cell)(const struct customer *c);
} create_columns[];

#define COLUMN(name, expression) \
	static struct str name(const struct customer *c) { return (expression); }
COLUMN(col_id, cell_id(&c->id))
COLUMN(col_external_id, c->external_id)
COLUMN(col_email, c->email)
COLUMN(col_full_name, c->full_name)
COLUMN(col_tax_document, c->tax_document)
COLUMN(col_address, c->address)
COLUMN(col_address_id, customer_gives(c, MEMBER_ADDRESS_ID) ? cell_id(&c->address_id) : STR_NONE)
COLUMN(col_timezone, c->timezone)
COLUMN(col_metadata, c->metadata)
COLUMN(col_is_active, cell_bool(c->is_active))
#undef COLUMN

static const struct column create_columns[] = {
	{ BIND_UUID, col_id },
	{ BIND_TEXT, col_external_id },
	{ BIND_TEXT, col_email },
	{ BIND_TEXT, col_full_name },
	{ BIND_TEXT, col_tax_document },
	{ BIND_JSON, col_address },
	{ BIND_UUID, col_address_id },
	{ BIND_TEXT, col_timezone },
	{ BIND_JSON, col_metadata },
	{ BIND_BOOL, col_is_active },
};

static void
bind_column(struct bind *b, enum bind_type type, struct str (*cell)(const struct customer *c),
    const struct customer *customers, size_t count, bool skip_absent)
{
	struct str *cells = ARENA_NEW(b->arena, struct str, count);
	size_t      n = 0;

	for (size_t i = 0; i < count; i++) {
		cells[n] = cell(&customers[i]);
		if (cells[n].ptr || !skip_absent)
			n++;
	}
	bind_array(b, type, cells, n);
}

/* Marks each customer as created or replaces it by the row that existed; false when one is neither. */
static bool
settle(struct customer *customers, size_t count, const struct id *made, size_t mades,
    const struct tx *tx, size_t step)
{
	size_t rows = step < tx->steps ? tx_rows(tx, step) : 0;
	size_t settled = 0;

	for (size_t i = 0; i < count; i++) {
		bool found = mades == count;

		for (size_t k = 0; k < mades && !found; k++)
			found = id_eq(&made[k], &customers[i].id);
		for (size_t k = 0; k < rows && !found; k++) {
			struct row row = tx_row(tx, step, k);
			struct str external_id = row_text(&row, 1);

			found = customers[i].external_id.ptr && str_eq(external_id, customers[i].external_id);
			if (found) {
				struct id meant = customers[i].id;

				read_row(&row, &customers[i]);
				/* Made by an earlier run of this transaction, whose answer was lost: it is new to who asked. */
				customers[i].existing = !id_eq(&meant, &customers[i].id);
			}
		}
		settled += found;
	}
	return settled == count;
}

/* The stored answer of a create: ids for what it made, rows for what existed. */
static enum err
replay_create(struct call *c, struct customer *customers, size_t count, const struct idem_stored *stored)
{
	size_t rows = tx_rows(&stored->tx, IDEM_CUSTOMERS_STEP);

	if (stored->ids != count)
		return call_fail(c, ERR_IDEM_UNAVAILABLE, "Idempotency-Key",
		    "The idempotency record cannot be read. Nothing was done; try again.");
	idem_mark(c, stored, count ? &customers[0].id : NULL);
	for (size_t i = 0; i < count; i++) {
		customers[i].id = stored->id[i];
		customers[i].created_ms = customers[i].updated_ms = id_ms(&stored->id[0]);
		for (size_t k = 0; k < rows; k++) {
			struct row row = tx_row(&stored->tx, IDEM_CUSTOMERS_STEP, k);
			struct str external_id = row_text(&row, 1);

			if (customers[i].external_id.ptr && str_eq(external_id, customers[i].external_id)) {
				read_row(&row, &customers[i]);
				break;
			}
		}
	}
	return ERR_OK;
}

static enum err
create_once(struct call *c, struct customer *customers, size_t count, bool *settled)
{
	struct tx          tx;
	struct idem_stored stored = { 0 };
	struct bind       *b;
	const struct id   *made;
	size_t             externals = 0, mades;
	struct row         row;
	int64_t            now_ms = clock_wall_ms();
	bool               taken;
	enum err           e;

	for (size_t i = 0; i < count; i++) {
		customers[i].id = id_new();
		/* One time for all, which the first id tells: so a replay can tell it again. */
		if (i == 0)
			now_ms = id_ms(&customers[0].id);
		customers[i].created_ms = customers[i].updated_ms = now_ms;
		customers[i].existing = false;
		externals += customers[i].external_id.ptr != NULL;
	}
	tx_init(&tx, c->db, c->arena);
	tx.again = c->idem_key.ptr || externals == count;
	call_enter(c, &tx);
	b = tx_step(&tx, count == 1 ? SQL_CUSTOMER_CREATE : SQL_CUSTOMER_CREATE_MANY);
	bind_id(b, &c->tenant.environment);
	bind_time(b, now_ms);
	for (size_t i = 0; i < COUNTOF(create_columns); i++) {
		if (count == 1)
			bind_text(b, create_columns[i].cell(customers));
		else
			bind_column(b, create_columns[i].type, create_columns[i].cell, customers, count, false);
	}
	if (externals || c->idem_key.ptr) {
		b = tx_step(&tx, SQL_CUSTOMER_SETTLE);
		bind_id(b, &c->tenant.environment);
		bind_i64(b, (int64_t)count);
		bind_column(b, BIND_TEXT, col_external_id, customers, count, true);
		bind_column(b, BIND_UUID, col_id, customers, count, false);
		idem_bind(c, b);
	}
	e = idem_run(c, &tx, &stored, &taken);
	if (e == ERR_OK && stored.found) {
		*settled = true;
		e = replay_create(c, customers, count, &stored);
	} else if (e == ERR_OK) {
		row = tx_row(&tx, 1, 0);
		mades = row_ids(&row, 0, c->arena, &made);
		*settled = settle(customers, count, made, mades, &tx, 2);
	}
	return e;
}

enum err
store_create(struct call *c, struct customer *customers, size_t count)
{
	for (int runs = 0; runs < VANISHED_RUNS_MAX; runs++) {
		bool     settled = false;
		enum err e = create_once(c, customers, count, &settled);

		if (e != ERR_OK || settled)
			return e;
	}
	return call_fail(c, ERR_UNAVAILABLE, NULL,
	    "Another request changed the customer at the same moment. Try again.");
}

enum err
store_update(struct call *c, struct str ref, const struct customer *change, struct customer *out)
{
	enum { UPDATE_BITS = (1 << (MEMBER_IS_ACTIVE + 1)) - 1 };
	struct tx          tx;
	struct idem_stored stored = { 0 };
	struct bind       *b;
	struct id          id;
	struct row         row;
	unsigned           given = change->given & UPDATE_BITS;
	bool               taken;
	enum err           e;

	tx_init(&tx, c->db, c->arena);
	tx.again = c->idem_key.ptr;
	call_enter(c, &tx);
	b = tx_step(&tx, given ? SQL_CUSTOMER_UPDATE : SQL_CUSTOMER_KEEP);
	bind_id(b, &c->tenant.environment);
	bind_id(b, id_parse(CUSTOMER_PREFIX, ref, &id) ? &id : NULL);
	bind_text(b, ref);
	if (given) {
		bind_i64(b, given);
		bind_text(b, change->external_id);
		bind_text(b, change->email);
		bind_text(b, change->full_name);
		bind_text(b, change->tax_document);
		bind_text(b, change->address);
		bind_text(b, change->timezone);
		bind_text(b, change->metadata);
		bind_bool(b, change->is_active);
		bind_time(b, clock_wall_ms());
	}
	idem_bind(c, b);
	e = idem_run(c, &tx, &stored, &taken);
	if (taken)
		e = idem_refused(c, ERR_DUPLICATE, &stored);
	else if (e == ERR_OK && !stored.found && tx_rows(&tx, 1) == 0)
		/* Perhaps this very update has taken the external id away that it is addressed to. */
		e = idem_find(c, &stored);
	if (e == ERR_OK && stored.found) {
		idem_mark(c, &stored, NULL);
		e = stored.outcome;
	}
	if (e == ERR_OK) {
		const struct tx *answer = stored.found ? &stored.tx : &tx;
		size_t           step = stored.found ? IDEM_CUSTOMERS_STEP : 1;

		if (tx_rows(answer, step) == 0) {
			e = not_found(c);
		} else {
			row = tx_row(answer, step, 0);
			read_row(&row, out);
		}
	}
	if (e == ERR_DUPLICATE)
		call_fail(c, e, "externalId", "Another customer has this external id.");
	return e;
}
