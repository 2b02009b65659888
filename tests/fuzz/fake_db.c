/* A database for fuzzing: answers what a script of bytes says. */
#include "fake_db.h"
#include "base/utf8.h"
#include "db/db.h"
#include "fuzz.h"
#include "json/jread.h"

#include <ctype.h>

enum { ROWS_MAX = 120, IDS_MAX = 100 };

struct db {
	struct db_meter meter;
};

/* struct row points to one of these instead of libpq's. */
struct pg_result {
	enum sql_id       id;
	size_t            rows;
	const struct bind *bind;
};

static struct {
	struct arena       *arena;
	struct str          script;
	struct fake_db_seen seen;
	struct str          externals[ROWS_MAX]; /* external ids of the last create */
	size_t              externals_count;
	struct id           ids[IDS_MAX];  /* that it was to make */
	bool                replay;        /* the last look found a record */
	struct str          hash;          /* of the last request that would have left one */
	size_t              ids_count;
	bool                made_none;
	struct str          answer;        /* of the record that was read last */
	struct str          permissions, addresses; /* of the API key */
} fake;

/* An answer that is kept for a 409. */
#define REFUSAL \
	"{\"success\":false,\"code\":\"duplicate\",\"message\":\"It is there.\"," \
	"\"error\":{\"code\":\"duplicate\",\"message\":\"It is there.\"}}"

static const struct id environment = { "environment 0001" };

static unsigned
next(void)
{
	unsigned char b;

	if (fake.script.len == 0)
		return 0;
	b = (unsigned char)fake.script.ptr[0];
	fake.script.ptr++;
	fake.script.len--;
	fake.seen.odd |= b != 0;
	return b;
}

void
fake_db_begin(struct arena *a, struct str script)
{
	memset(&fake, 0, sizeof(fake));
	fake.arena = a;
	fake.script = script;
}

void
fake_db_restrict(struct str permissions, struct str addresses)
{
	fake.permissions = permissions;
	fake.addresses = addresses;
}

struct fake_db_seen
fake_db_end(void)
{
	return fake.seen;
}

/* ---- what is sent */

enum type { TYPE_UNKNOWN, TYPE_TEXT, TYPE_JSON, TYPE_ID, TYPE_BOOL, TYPE_EIGHT, TYPE_ARRAY };

/* The type that the statement casts $n to where it first does. */
static enum type
find_type(const char *text, int n)
{
	static const struct {
		const char *name;
		enum type   type;
	} types[] = {
		{ "text", TYPE_TEXT }, { "json", TYPE_JSON }, { "uuid", TYPE_ID }, { "boolean", TYPE_BOOL },
		{ "bigint", TYPE_EIGHT }, { "timestamptz", TYPE_EIGHT },
	};
	char name[8];

	snprintf(name, sizeof(name), "$%d::", n);
	text = strstr(text, name);
	for (size_t i = 0; text && i < COUNTOF(types); i++) {
		const char *word = text + strlen(name);
		size_t      len = strlen(types[i].name);

		if (strncmp(word, types[i].name, len) == 0 && !isalpha((unsigned char)word[len]))
			return strncmp(word + len, "[]", 2) == 0 ? TYPE_ARRAY : types[i].type;
	}
	return TYPE_UNKNOWN;
}

static enum type
parameter_type(enum sql_id id, int n)
{
	static unsigned char known[SQL__COUNT][SQL_PARAMETERS_MAX]; /* 1 + type */

	if (!known[id][n])
		known[id][n] = (unsigned char)(1 + find_type(sql_catalogue[id].text, n + 1));
	return known[id][n] - 1u;
}

static void
check_text(struct str s, bool is_json)
{
	static const struct jlimits limits = { 64, 200000 };
	struct jread_error          why;
	struct jdoc                 doc;

	CHECK(utf8_valid(s) && (s.len == 0 || !memchr(s.ptr, 0, s.len)));
	if (is_json)
		CHECK(jread_parse(fake.arena, s, &limits, &doc, &why));
}

static uint32_t
number(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The cells of a one-dimensional array; as many as fit are put into out. */
static size_t
read_array(struct str a, struct str *out, size_t most)
{
	uint32_t type, count;
	size_t   at = 20;

	CHECK(a.len >= 12 && number(a.ptr) <= 1);
	type = number(a.ptr + 8);
	CHECK(type == BIND_BOOL || type == BIND_BYTES || type == BIND_TEXT || type == BIND_JSON || type == BIND_UUID
	    || type == BIND_TIME || type == BIND_I64);
	if (number(a.ptr) == 0)
		return 0;
	count = number(a.ptr + 12);
	CHECK(count > 0 && count <= IDS_MAX && number(a.ptr + 16) == 1);
	for (uint32_t i = 0; i < count; i++) {
		struct str cell = STR_NONE;
		uint32_t   len;

		CHECK(at + 4 <= a.len);
		len = number(a.ptr + at);
		at += 4;
		if (len != UINT32_MAX) {
			CHECK(len <= a.len - at);
			cell = (struct str) { a.ptr + at, len };
			at += len;
			if (type == BIND_TEXT || type == BIND_JSON)
				check_text(cell, type == BIND_JSON);
			else if (type != BIND_BYTES)
				CHECK(len == (type == BIND_BOOL ? 1 : type == BIND_UUID ? ID_BYTES : 8));
		} else
			CHECK(number(a.ptr + 4) == 1);
		if (i < most)
			out[i] = cell;
	}
	CHECK(at == a.len);
	return count;
}

static struct str
parameter(const struct bind *b, int n)
{
	return (struct str) { b->value[n], (size_t)b->length[n] };
}

static void
check_step(const struct tx_step *step)
{
	const struct sql_stmt *stmt = &sql_catalogue[step->id];
	struct str             cells[IDS_MAX];

	CHECK(step->bind.n == stmt->nparams);
	for (int i = 0; i < step->bind.n; i++) {
		struct str value = parameter(&step->bind, i);

		if (!value.ptr)
			continue;
		switch (parameter_type(step->id, i)) {
		case TYPE_TEXT:
		case TYPE_JSON:
			check_text(value, parameter_type(step->id, i) == TYPE_JSON);
			break;
		case TYPE_ID:
			CHECK(value.len == ID_BYTES);
			break;
		case TYPE_BOOL:
			CHECK(value.len == 1);
			break;
		case TYPE_EIGHT:
			CHECK(value.len == 8);
			break;
		case TYPE_ARRAY:
			read_array(value, cells, IDS_MAX);
			break;
		case TYPE_UNKNOWN:
			break;
		}
	}
}

/*
 * All statements but those that find a key are on the rows of a tenant, whose environment comes first: that of the key, or of
 * the address of a page for people, which knows none.
 */
static void
check_tenant(const struct tx *tx, size_t i)
{
	struct str owner = { (const char *)environment.b, ID_BYTES };

	for (size_t k = 0; k < tx->steps; k++)
		if (tx->step[k].id == SQL_SITE_INVOICE || tx->step[k].id == SQL_SITE_CHECKOUT)
			owner = parameter(&tx->step[0].bind, 0);
	if (tx->step[i].id != SQL_KEY_HOLDER && tx->step[i].id != SQL_KEY_FIND)
		CHECK(str_eq(parameter(&tx->step[i].bind, 0), owner));
}

static void
remember_create(const struct bind *b, bool many)
{
	struct str id = parameter(b, 2), external = parameter(b, 3), cells[IDS_MAX];

	fake.ids_count = many ? read_array(id, cells, IDS_MAX) : 1;
	if (!many)
		cells[0] = id;
	for (size_t i = 0; i < fake.ids_count; i++)
		memcpy(fake.ids[i].b, cells[i].ptr, ID_BYTES);
	fake.externals_count = many ? read_array(external, fake.externals, ROWS_MAX) : 1;
	if (!many)
		fake.externals[0] = external;
}

/* How many rows a statement has; healthy is the number in a healthy database. */
static size_t
choose_rows(size_t healthy, size_t most)
{
	unsigned b = next();
	size_t   rows = b == 0 ? healthy : b - 1u;

	return rows < most ? rows : most;
}

static size_t
rows_of(const struct tx_step *step)
{
	const struct bind *b = &step->bind;

	switch ((int)step->id) {
	case SQL_KEY_FIND:
	case SQL_CUSTOMER_GET:
	case SQL_CUSTOMER_GET_EXTERNAL:
	case SQL_CUSTOMER_UPDATE:
	case SQL_CUSTOMER_FIND:
	case SQL_CUSTOMER_THERE:
	case SQL_CUSTOMER_LOCK:
	case SQL_API_KEY_REVOKE:
		return choose_rows(1, 1);
	case SQL_CUSTOMER_FIND_AMONG:
	case SQL_CUSTOMER_FIND_BETWEEN:
	case SQL_CUSTOMER_COUNT:
		return 1;
	case SQL_IDEMPOTENCY_LOOK:
		fake.replay = next() & 1;
		return 1;
	case SQL_CUSTOMER_LIST:
	case SQL_CUSTOMER_LIST_FILTERED:
	case SQL_CUSTOMER_LIST_EXTERNAL:
	case SQL_CUSTOMER_DUPLICATES:
	case SQL_CUSTOMER_FIND_NEWEST:
	case SQL_CUSTOMER_FIND_EMAIL:
	case SQL_CUSTOMER_FIND_PLAN:
	case SQL_CUSTOMER_FIND_BY_CREATED:
	case SQL_CUSTOMER_FIND_BY_CREATED_LAST:
	case SQL_CUSTOMER_FIND_BY_UPDATED:
	case SQL_CUSTOMER_FIND_BY_EMAIL:
	case SQL_CUSTOMER_FIND_BY_NAME:
	case SQL_CUSTOMER_PAGE_EMAIL:
	case SQL_CUSTOMER_PAGE_METADATA:
	case SQL_CUSTOMER_PAGE_STATUS:
	case SQL_CUSTOMER_PAGE_PLAN:
	case SQL_CUSTOMER_PAGE_BY_CREATED:
	case SQL_CUSTOMER_PAGE_BY_CREATED_LAST:
	case SQL_CUSTOMER_PAGE_BY_UPDATED:
	case SQL_CUSTOMER_PAGE_BY_EMAIL:
	case SQL_CUSTOMER_PAGE_BY_NAME:
	case SQL_API_KEY_LIST:
		return choose_rows(1, number(b->value[2] + 4)); /* LIMIT $3 */
	case SQL_CUSTOMER_CREATE:
	case SQL_CUSTOMER_CREATE_MANY:
		remember_create(b, step->id == SQL_CUSTOMER_CREATE_MANY);
		fake.made_none = next() & 1;
		return 1;
	case SQL_API_KEY_CREATE:
		fake.made_none = next() & 1;
		return 1;
	case SQL_CUSTOMER_SETTLE:
		return choose_rows(0, fake.externals_count < IDS_MAX ? fake.externals_count : IDS_MAX);
	default:
		return 0;
	}
}

static bool
writes(enum sql_id id)
{
	return id == SQL_CUSTOMER_CREATE || id == SQL_CUSTOMER_CREATE_MANY || id == SQL_CUSTOMER_UPDATE
	    || id == SQL_API_KEY_CREATE || id == SQL_API_KEY_REVOKE || id == SQL_IDEMPOTENCY_PUT;
}

static enum db_status
run_step(struct tx *tx, size_t i)
{
	static const enum db_status failures[] = { DB_UNIQUE, DB_UNIQUE, DB_LOCKED, DB_TIMEOUT, DB_GONE, DB_FAILED };
	static const char *const    constraints[] = { "idempotency_key_pkey", "customer_external_id", "api_key_pkey", "" };
	struct tx_step *step = &tx->step[i];
	unsigned        b;

	check_step(step);
	check_tenant(tx, i);
	if (writes(step->id))
		fake.seen.writes++;
	if (step->id == SQL_IDEMPOTENCY_PUT)
		fake.hash = parameter(&step->bind, 2);
	b = next();
	if (b > 0x7F) {
		const char *constraint = constraints[b / 8 % COUNTOF(constraints)];

		tx->failed = i;
		/* Creates have ON CONFLICT DO NOTHING for it. */
		if (strcmp(constraint, "customer_external_id") == 0 && step->id != SQL_CUSTOMER_UPDATE)
			constraint = "";
		snprintf(tx->constraint, sizeof(tx->constraint), "%s", constraint);
		snprintf(tx->log, sizeof(tx->log), "made up");
		return failures[b % 8 % COUNTOF(failures)];
	}
	step->result = ARENA_NEW(fake.arena, struct pg_result, 1);
	*step->result = (struct pg_result) { step->id, rows_of(step), &step->bind };
	return DB_OK;
}

/* ---- the interface of db/ */

struct db *
db_new(const struct conf *conf UNUSED, enum db_role role UNUSED)
{
	return must_alloc(sizeof(struct db));
}

void
db_free(struct db *db)
{
	free(db);
}

struct db *
db_share(struct db *of UNUSED, struct arena *a)
{
	return ARENA_NEW(a, struct db, 1);
}

void
db_tenant(struct db *db UNUSED, uint64_t tag UNUSED)
{
}

void
db_slow(struct db *db UNUSED)
{
}

enum db_condition
db_check(struct db *db UNUSED, struct arena *a UNUSED, char *why UNUSED, size_t size UNUSED)
{
	return DB_CONDITION_FIT;
}

bool
db_is_connected(const struct db *db UNUSED)
{
	return true;
}

enum db_condition
db_trouble(const struct db *db UNUSED)
{
	return DB_CONDITION_FIT;
}

bool
db_room(struct db *db UNUSED, struct arena *a UNUSED, struct db_room *out UNUSED)
{
	return false;
}

void
db_watch(struct db *db UNUSED, const struct peer *peer UNUSED)
{
}

struct db_meter
db_meter_take(struct db *db)
{
	struct db_meter taken = db->meter;

	db->meter = (struct db_meter) { 0 };
	return taken;
}

void
tx_init(struct tx *tx, struct db *db, struct arena *a)
{
	*tx = (struct tx) { .db = db, .arena = a };
}

struct bind *
tx_step(struct tx *tx, enum sql_id id)
{
	struct tx_step *step;

	CHECK(tx->steps < TX_STEPS_MAX);
	step = &tx->step[tx->steps++];
	*step = (struct tx_step) { .id = id };
	bind_init(&step->bind, tx->arena, sql_catalogue[id].nparams);
	return &step->bind;
}

/* Runs the steps from one on. If one of them fails, the outcome of the transaction is made up too. */
static enum db_status
run_steps(struct tx *tx, size_t from)
{
	enum db_status status = DB_OK;

	for (size_t i = from; i < tx->steps && status == DB_OK; i++)
		status = run_step(tx, i);
	if (status != DB_OK) {
		tx->outcome = tx->reads || !(next() & 1) ? TX_UNDONE : TX_UNKNOWN;
		tx->last_undone = tx->outcome == TX_UNDONE || next() & 1;
	}
	return status;
}

enum db_status
tx_run(struct tx *tx)
{
	size_t         first = tx->steps;
	enum db_status status;

	CHECK(tx->steps > 0 && ++fake.seen.runs < 64); /* the caller gives up some time */
	tx->db->meter.trips++;
	tx->log[0] = tx->constraint[0] = '\0';
	tx->failed = TX_STEPS_MAX;
	for (size_t i = 0; i < TX_STEPS_MAX; i++)
		tx->step[i].result = NULL;
	status = run_steps(tx, 0);
	if (status == DB_OK && tx->then && !tx->then(tx, tx->with)) {
		tx->outcome = TX_UNDONE;
		return DB_OK;
	}
	if (status == DB_OK)
		status = run_steps(tx, first);
	if (status == DB_OK)
		tx->outcome = TX_DONE;
	return status;
}

bool
tx_failed_at(const struct tx *tx, enum sql_mark mark)
{
	return tx->failed < tx->steps && sql_catalogue[tx->step[tx->failed].id].marks & mark;
}

bool
tx_answered(const struct tx *tx, size_t step)
{
	return step < tx->steps && tx->step[step].result;
}

size_t
tx_rows(const struct tx *tx, size_t step)
{
	CHECK(step < tx->steps && tx->step[step].result);
	return tx->step[step].result->rows;
}

size_t
tx_affected(const struct tx *tx, size_t step)
{
	/* The answer that was sent along is kept when all went as expected. */
	return tx->step[step].id != SQL_IDEMPOTENCY_PUT || !(next() & 1);
}

struct row
tx_row(const struct tx *tx, size_t step, size_t n)
{
	CHECK(n < tx_rows(tx, step));
	return (struct row) { tx->step[step].result, (int)n, NULL };
}

/* ---- cells */

static struct str
choose(const struct str *texts, size_t count)
{
	return texts[next() % count];
}

static struct str
any_text(void)
{
	static const struct str texts[] = { STR("a"), STR(""), STR("\"\\/"), STR("\x01\x1F\x7F\b\t\n"), STR("\xF0\x9F\x98\x80 \xC3\xA9"),
		STR("\xE2\x80\xA8\xE2\x80\xAE\xEF\xBB\xBF"), STR("null"), STR("cus_0000000000000000000001"),
		STR("e\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81"), STR("</script>"), STR("%s%n%99999d") };

	return choose(texts, COUNTOF(texts));
}

static struct str
any_json(void)
{
	static const struct str texts[] = { STR("{}"), STR("{\"a\":1}"), STR(" {\"a\" : [1e400, -0.0, \"\\ud83d\\ude00\"]\n}"),
		STR("{\"\":{\"\":{\"\":{\"\":{\"\":{\"\":{}}}}}}}"), STR("{\"a\":123456789012345678901234567890}") };

	return choose(texts, COUNTOF(texts));
}

static struct str
customer_text(const struct row *r, int column)
{
	bool given = column == COL_CUSTOMER_EMAIL || column == COL_CUSTOMER_TIMEZONE
	    || column == COL_CUSTOMER_METADATA; /* NOT NULL in sql/migrate */

	/* Rows of a create are those that were in its way. */
	if (column == COL_CUSTOMER_SETTLE_ASKED && r->result->id == SQL_CUSTOMER_SETTLE)
		return fake.externals[r->n];
	if (!given && next() & 1)
		return STR_NONE;
	return column == COL_CUSTOMER_ADDRESS || column == COL_CUSTOMER_METADATA ? any_json()
	    : column == COL_CUSTOMER_TIMEZONE ? STR("UTC") : any_text();
}

static struct str
key_text(int column)
{
	static const struct str pins[] = { STR_NONE, STR("2026-05-01"), STR("2026-06-07"), STR("2026-07-31"), STR("legacy"), STR("1999-01-01") };
	static const struct str rates[] = { STR_NONE, STR_NONE, STR_NONE, STR("off"), STR("1/h"), STR("999999/s burst 999999") };
	struct str              rate;

	if (column == COL_KEY_FIND_API_VERSION)
		return choose(pins, COUNTOF(pins));
	if (column == COL_KEY_FIND_PERMISSIONS)
		return fake.permissions;
	if (column == COL_KEY_FIND_ALLOWED_ADDRESSES)
		return fake.addresses;
	CHECK(column == COL_KEY_FIND_RATE_LIMIT);
	rate = choose(rates, COUNTOF(rates));
	fake.seen.rated |= rate.ptr != NULL;
	return rate;
}

/* Of a record; it is of this request when the script says so. */
static struct str
record_text(int column)
{
	static const struct str hashes[] = { STR("another request's 32 bytes, yes."), STR("too short") };
	static const struct str versions[] = { STR("2026-07-31"), STR("legacy"), STR("no such version") };
	static const struct str asked[] = { STR_NONE, STR("2026-07-31"), STR("") };
	static const struct str headers[] = { STR(""), STR("Clientele-Result: created\n"), STR("no colon"), STR("A: b\nC: d\n") };
	static const struct str answers[] = { STR("{\"stored\":true}"), STR("null"), STR(REFUSAL) };

	switch (column) {
	case COL_IDEMPOTENCY_LOOK_REQUEST_HASH:
		return fake.hash.ptr && !(next() & 1) ? fake.hash : choose(hashes, COUNTOF(hashes));
	case COL_IDEMPOTENCY_LOOK_VERSION:
		return choose(versions, COUNTOF(versions));
	case COL_IDEMPOTENCY_LOOK_ASKED:
		return choose(asked, COUNTOF(asked));
	case COL_IDEMPOTENCY_LOOK_HEADERS:
		return choose(headers, COUNTOF(headers));
	default:
		CHECK(column == COL_IDEMPOTENCY_LOOK_ANSWER);
		fake.answer = choose(answers, COUNTOF(answers));
		return fake.answer;
	}
}

struct str
row_text(const struct row *r, int column)
{
	switch ((int)r->result->id) {
	case SQL_KEY_FIND:
		return key_text(column);
	case SQL_IDEMPOTENCY_LOOK:
		return record_text(column);
	case SQL_API_KEY_LIST:
		CHECK(column == COL_API_KEY_NAME || column == COL_API_KEY_PREFIX || column == COL_API_KEY_PERMISSIONS
		    || column == COL_API_KEY_ALLOWED_ADDRESSES);
		return column >= COL_API_KEY_PERMISSIONS ? any_json() : any_text();
	default:
		if (column >= COL_CUSTOMER__COUNT)
			return STR_NONE; /* no subscription */
		CHECK(column > COL_CUSTOMER_ID && column < COL_CUSTOMER_IS_ACTIVE);
		return customer_text(r, column);
	}
}

struct id
row_id(const struct row *r, int column)
{
	struct id id = environment;

	if (r->result->id == SQL_KEY_FIND && column == COL_KEY_FIND_ENVIRONMENT)
		return id;
	for (size_t i = 0; i < 2; i++)
		id.b[i * 9] = (unsigned char)next();
	return id;
}

int64_t
row_i64(const struct row *r, int column UNUSED)
{
	if (r->result->id != SQL_IDEMPOTENCY_LOOK)
		return next();
	/* It is read after the answer, which is the whole body. */
	return str_is(fake.answer, REFUSAL) ? 409 : 200 + (next() & 1);
}

bool
row_bool(const struct row *r, int column)
{
	if (r->result->id == SQL_IDEMPOTENCY_LOOK && column == COL_IDEMPOTENCY_LOOK_FOUND)
		return fake.replay;
	/* Made, unless the script says that something was in the way. */
	if ((r->result->id == SQL_CUSTOMER_CREATE && column == COL_CUSTOMER_CREATE_MADE)
	    || (r->result->id == SQL_API_KEY_CREATE && column == COL_API_KEY_CREATE_MADE))
		return !fake.made_none;
	return next() & 1;
}

int64_t
row_time(const struct row *r UNUSED, int column UNUSED)
{
	return (int64_t)next() << 33; /* up to the year 2039 */
}

bool
row_is_null(const struct row *r, int column)
{
	bool get = r->result->id == SQL_CUSTOMER_GET || r->result->id == SQL_CUSTOMER_GET_EXTERNAL;

	/* Nobody was merged. */
	return (get && column == COL_CUSTOMER_GET_MERGED_INTO) || (next() & 1);
}

size_t
row_ids(const struct row *r, int column UNUSED, struct arena *a, const struct id **out)
{
	size_t     count = fake.ids_count;
	struct id *ids = ARENA_NEW(a, struct id, IDS_MAX);

	*out = NULL;
	if (r->result->id == SQL_CUSTOMER_CREATE_MANY && fake.made_none)
		count = 0;
	if (count == 0)
		return 0;
	memcpy(ids, fake.ids, count * sizeof(*ids));
	*out = ids;
	return count;
}
