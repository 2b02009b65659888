/* Idempotency keys. */
#include "call/idem.h"
#include "base/limits.h"
#include "base/log.h"

enum { EXPIRED_RUNS_MAX = 3 };

enum err
idem_begin(struct call *c)
{
	static const char name[] = "Idempotency-Key";
	struct str        key = c->req->header[HEADER_IDEMPOTENCY_KEY];
	struct str        path = c->req->uri;

	if (!key.ptr)
		return ERR_OK;
	key = str_trim(key);
	/* A structured header's string is the same key as the bare text. */
	if (key.len >= 2 && key.ptr[0] == '"' && key.ptr[key.len - 1] == '"') {
		key.ptr++;
		key.len -= 2;
	}
	if (key.len == 0 || key.len > IDEMPOTENCY_KEY_MAX_BYTES)
		return call_fail(c, ERR_VALIDATION, name, "Idempotency-Key must have 1 to 255 characters.");
	for (size_t i = 0; i < key.len; i++)
		if (key.ptr[i] < 0x20 || key.ptr[i] > 0x7E)
			return call_fail(c, ERR_VALIDATION, name, "Idempotency-Key must be printable ASCII.");

	const struct str parts[] = { str_of(method_names[c->req->method]), str_cut(&path, '?'),
		str_of(version_info(c->version)->name), c->req->body };

	hash_sha256_parts(parts, COUNTOF(parts), c->idem_hash);
	c->idem_key = key;
	return ERR_OK;
}

void
idem_add(struct call *c, struct str part)
{
	const struct str parts[] = { { (const char *)c->idem_hash, SHA256_BYTES }, part };
	unsigned char    hash[SHA256_BYTES];

	hash_sha256_parts(parts, COUNTOF(parts), hash);
	memcpy(c->idem_hash, hash, SHA256_BYTES);
}

void
idem_bind(const struct call *c, struct bind *b)
{
	bind_text(b, c->idem_key);
	bind_text(b, (struct str) { (const char *)c->idem_hash, SHA256_BYTES });
}

void
idem_step(const struct call *c, struct tx *tx, const struct id *ids, size_t count, enum err outcome)
{
	struct str  *cells = ARENA_NEW(c->arena, struct str, count);
	struct bind *b = tx_step(tx, SQL_IDEMPOTENCY_PUT);

	for (size_t i = 0; i < count; i++)
		cells[i] = (struct str) { (const char *)ids[i].b, ID_BYTES };
	bind_id(b, &c->tenant.environment);
	bind_array(b, BIND_UUID, cells, count);
	bind_text(b, str_of(err_info(outcome)->code));
	idem_bind(c, b);
}

static enum err
unavailable(struct call *c, const struct tx *tx, enum db_status status)
{
	enum err e = call_db_failed(c, tx, status);

	return e != ERR_INTERNAL ? e : call_fail(c, ERR_IDEM_UNAVAILABLE, "Idempotency-Key",
	    "The idempotency record cannot be read or written. Nothing was done; try again.");
}

static bool
writes_record(enum sql_id id)
{
	static const enum sql_id statements[] = { SQL_CUSTOMER_SETTLE, SQL_CUSTOMER_UPDATE, SQL_CUSTOMER_KEEP,
		SQL_IDEMPOTENCY_PUT };

	for (size_t i = 0; i < COUNTOF(statements); i++)
		if (statements[i] == id)
			return true;
	return false;
}

/* *again: the record had expired and is gone, the write may run. */
static enum err
read_record(struct call *c, struct idem_stored *stored, bool *again)
{
	struct tx     *tx = &stored->tx;
	struct bind   *b;
	struct row     row;
	struct str     hash, outcome;
	enum db_status status;

	tx_init(tx, c->db, c->arena);
	tx->again = true;
	bind_id(tx_step(tx, SQL_ENVIRONMENT_ENTER), &c->tenant.environment);
	b = tx_step(tx, SQL_IDEMPOTENCY_FIND);
	bind_id(b, &c->tenant.environment);
	bind_text(b, c->idem_key);
	bind_i64(b, c->settings->idempotency_ttl_ms);
	b = tx_step(tx, SQL_CUSTOMER_KEPT);
	bind_id(b, &c->tenant.environment);
	bind_text(b, c->idem_key);
	if ((status = tx_run(tx)) != DB_OK)
		return unavailable(c, tx, status);
	*again = tx_rows(tx, 1) == 0; /* housekeeping has just removed it */
	if (*again)
		return ERR_OK;
	row = tx_row(tx, 1, 0);
	if (row_bool(&row, 3)) {
		struct tx drop;

		*again = true;
		tx_init(&drop, c->db, c->arena);
		drop.again = true;
		bind_id(tx_step(&drop, SQL_ENVIRONMENT_ENTER), &c->tenant.environment);
		b = tx_step(&drop, SQL_IDEMPOTENCY_DROP);
		bind_id(b, &c->tenant.environment);
		bind_text(b, c->idem_key);
		bind_i64(b, c->settings->idempotency_ttl_ms);
		if ((status = tx_run(&drop)) != DB_OK)
			return unavailable(c, &drop, status);
		return ERR_OK;
	}
	hash = row_text(&row, 0);
	if (hash.len != SHA256_BYTES || memcmp(hash.ptr, c->idem_hash, SHA256_BYTES) != 0)
		return call_fail(c, ERR_IDEM_MISMATCH, "Idempotency-Key",
		    "This idempotency key was used for a different request.");
	outcome = row_text(&row, 1);
	stored->found = true;
	stored->outcome = err_find(outcome.ptr, outcome.len);
	stored->ids = row_ids(&row, 2, c->arena, &stored->id);
	return ERR_OK;
}

void
idem_mark(struct call *c, const struct idem_stored *stored, const struct id *made)
{
	/* Its own record, after a lost connection: this is the first answer. */
	if (made && stored->ids && id_eq(&stored->id[0], made))
		return;
	response_header(c->res, "Idempotent-Replayed", STR("true"));
	c->facts->replayed = true;
}

enum err
idem_run(struct call *c, struct tx *tx, struct idem_stored *stored, bool *taken)
{
	*taken = false;
	stored->found = false;
	stored->outcome = ERR_OK;
	for (int runs = 0; runs < EXPIRED_RUNS_MAX; runs++) {
		enum db_status status = tx_run(tx);
		bool           again = false;
		enum err       e;

		if (status == DB_OK)
			return ERR_OK;
		if (status == DB_UNIQUE && tx->constraint == DB_CONSTRAINT_EXTERNAL_ID) {
			*taken = true;
			return ERR_DUPLICATE;
		}
		if (status == DB_FAILED && c->idem_key.ptr && writes_record(tx->step[tx->failed].id))
			return unavailable(c, tx, status);
		if (status != DB_UNIQUE || !c->idem_key.ptr
		    || (tx->constraint != DB_CONSTRAINT_IDEMPOTENCY_KEY && tx->constraint != DB_CONSTRAINT_NEW_ID))
			return call_db_failed(c, tx, status);
		if ((e = read_record(c, stored, &again)) != ERR_OK || !again)
			return e;
	}
	return call_fail(c, ERR_IDEM_UNAVAILABLE, "Idempotency-Key",
	    "The idempotency record keeps changing. Nothing was done; try again.");
}

enum err
idem_find(struct call *c, struct idem_stored *stored)
{
	bool again;

	stored->found = false;
	return c->idem_key.ptr ? read_record(c, stored, &again) : ERR_OK;
}

enum err
idem_refused(struct call *c, enum err outcome, struct idem_stored *stored)
{
	struct tx tx;
	enum err  e;
	bool      taken;

	tx_init(&tx, c->db, c->arena);
	if (!c->idem_key.ptr)
		return outcome;
	call_enter(c, &tx);
	idem_step(c, &tx, NULL, 0, outcome);
	e = idem_run(c, &tx, stored, &taken);
	if (e == ERR_IDEM_MISMATCH || (e == ERR_OK && stored->found))
		return e;
	/* The refusal changed nothing, so without a record it is still the right answer. */
	if (e != ERR_OK)
		log_info("the refusal was not recorded: %s", tx.log);
	return outcome;
}
