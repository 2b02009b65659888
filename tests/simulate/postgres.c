/* A simulated PostgreSQL, and libpq in front of it. */
#include "database.h"
#include "base/clock.h"
#include "base/hash.h"
#include "db/lanes.h"
#include "db/sqlcat.h"
#include "world.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	CUSTOMERS_MAX = 2048,
	RECORDS_MAX = 1024,
	LOCKS_MAX = 512,
	BACKENDS_MAX = 4096,
	CELLS_MAX = 20,
	IDLE_IN_TRANSACTION_US = 5 * SECOND,
	DEADLOCK_US = 1 * SECOND,
	MANY_MAX = 100,
};

/* ---- results */

struct cell {
	char *at; /* NULL: null */
	int   len;
};

struct pg_result {
	ExecStatusType status;
	int            rows, columns;
	struct cell   *cells;
	char           sqlstate[6], constraint[64], tag[16];
	const char    *function; /* of a notice */
};

static PGresult *
result_new(ExecStatusType status)
{
	PGresult *r = calloc(1, sizeof(*r));

	r->status = status;
	account[ACCOUNT_RESULT]++;
	return r;
}

void
PQclear(PGresult *r)
{
	if (!r)
		return;
	for (int i = 0; i < r->rows * r->columns; i++)
		free(r->cells[i].at);
	free(r->cells);
	free(r);
	account[ACCOUNT_RESULT]--;
}

static PGresult *
result_error(const char *sqlstate, const char *constraint)
{
	PGresult *r = result_new(PGRES_FATAL_ERROR);

	snprintf(r->sqlstate, sizeof(r->sqlstate), "%s", sqlstate);
	snprintf(r->constraint, sizeof(r->constraint), "%s", constraint);
	return r;
}

static void
add_row(PGresult *r, int columns, const struct cell *cells)
{
	r->columns = columns;
	r->cells = realloc(r->cells, (size_t)((r->rows + 1) * columns) * sizeof(*cells));
	for (int i = 0; i < columns; i++) {
		struct cell *to = &r->cells[r->rows * columns + i];

		*to = cells[i];
		if (!cells[i].at)
			continue;
		to->at = malloc((size_t)cells[i].len + 1);
		memcpy(to->at, cells[i].at, (size_t)cells[i].len);
		to->at[to->len] = '\0';
	}
	r->rows++;
}

ExecStatusType PQresultStatus(const PGresult *r) { return r ? r->status : PGRES_FATAL_ERROR; }
int PQntuples(const PGresult *r) { return r->rows; }
int PQnfields(const PGresult *r) { return r->columns; }
int PQgetlength(const PGresult *r, int row, int column) { return r->cells[row * r->columns + column].len; }
int PQgetisnull(const PGresult *r, int row, int column) { return r->cells[row * r->columns + column].at == NULL; }
char *PQfname(const PGresult *r UNUSED, int column UNUSED) { static char name[] = "column"; return name; }
char *PQcmdTuples(PGresult *r) { return r->tag; }

char *
PQgetvalue(const PGresult *r, int row, int column)
{
	static char empty[] = "";
	char       *at = r->cells[row * r->columns + column].at;

	return at ? at : empty;
}

char *
PQresultErrorField(const PGresult *r, int field)
{
	if (field == PG_DIAG_SQLSTATE)
		return r->sqlstate[0] ? (char *)(uintptr_t)r->sqlstate : NULL;
	if (field == PG_DIAG_CONSTRAINT_NAME)
		return r->constraint[0] ? (char *)(uintptr_t)r->constraint : NULL;
	if (field == PG_DIAG_SOURCE_FUNCTION)
		return (char *)(uintptr_t)r->function;
	return NULL;
}

/* ---- cells */

static struct cell
cell_bytes(const void *bytes, size_t len)
{
	return (struct cell) { (char *)(uintptr_t)bytes, (int)len };
}

static struct cell
cell_text(const char *text)
{
	return text ? cell_bytes(text, strlen(text)) : (struct cell) { NULL, 0 };
}

static struct cell
cell_id(const struct id *id)
{
	return cell_bytes(id->b, ID_BYTES);
}

static struct cell
cell_bool(bool is)
{
	return cell_bytes(is ? "\1" : "\0", 1);
}

static struct cell
cell_i64(char room[8], int64_t n)
{
	bind_put_i64(room, n);
	return cell_bytes(room, 8);
}

/* ---- what is stored */

struct backend;

struct fields {
	struct id id;
	char      external_id[DATABASE_TEXT], email[DATABASE_TEXT], name[DATABASE_TEXT];
	bool      has_external_id, active;
	char     *metadata;
	int64_t   created_ms, updated_ms, revision;
};

static struct customer_row {
	int             tenant;
	bool            committed;
	int64_t         committed_us;
	struct backend *owner; /* whose transaction has changed or made it, until that ends */
	struct fields   now, next;
} customers[CUSTOMERS_MAX];
static size_t customers_count;

static struct record_row {
	int             tenant;
	bool            committed;
	struct backend *owner;
	char            key[DATABASE_TEXT];
	struct cell     cell[9]; /* hash, maker, version, asked, status, headers, answer, sealed */
} records[RECORDS_MAX];
static size_t records_count;

static struct {
	int64_t         number;
	struct backend *owner;
} locks[LOCKS_MAX];
static size_t locks_count;

static int64_t key_used_us[TENANTS];

struct tenant_of_world tenants[TENANTS];
struct database_counts database_counts;

/* ---- connections and backends */

enum kind { MSG_PREPARE, MSG_EXECUTE, MSG_SYNC, MSG_FLUSH };

struct msg {
	struct msg *next;
	enum kind   kind;
	enum sql_id id;
	uint64_t    serial;   /* of its transaction on this connection */
	int         n;
	struct cell value[SQL_PARAMETERS_MAX];
};

struct item {
	struct item *next;
	PGresult    *result; /* NULL: the NULL behind one, if 'ends' is not set */
	bool         ends;   /* the connection does */
	bool         notice; /* no answer: for the receiver of notices, if there is a result */
	int64_t      at_us;
};

enum state { IDLE, RUNNING, WAITING, DEAD };

struct backend {
	PGconn        *conn; /* NULL: its client has gone */
	enum state     state;
	int64_t        number; /* of what it does; older events mean nothing */
	struct msg    *first, **end;
	struct item   *unsent, **unsent_end;
	struct backend *waits_for;
	int64_t        last_us; /* the last item arrives then */
	bool           prepared[SQL__COUNT];
	bool           client_gone;
	bool           deaf;    /* nothing that is sent to it arrives any more */
	bool           awaits_standby; /* its commit does */
	/* of the transaction */
	bool           begun, failed, wrote, entered, replay, expected;
	int            tenant; /* that was entered */
	int64_t        made;
	int64_t        lock_us;
	uint64_t       serial;
	unsigned       members;
	bool           group;
	/* of members of a bundle; so many were created by the statement that goes on */
	bool           found_of[LANE_GROUP_MAX], expected_of[LANE_GROUP_MAX];
	size_t         created;
	char           group_ids[32][DATABASE_TEXT];
	unsigned       group_ids_count;
	unsigned       executed; /* in this transaction */
};

struct pg_conn {
	int             fd;
	ConnStatusType  status;
	struct backend *backend;
	struct msg     *out, **out_end; /* not yet sent */
	struct item    *wire, **wire_end, *ready, **ready_end;
	uint64_t        serial;         /* of the transaction that is being sent */
	uint64_t        last_serial;    /* of the last statement that was sent */
	uint64_t        synced;         /* transactions whose Sync was read */
	int64_t         outstanding;    /* items that are still to come */
	bool            mute;           /* nothing arrives any more */
	bool            told;           /* that it is lost */
	bool            pipeline;
	bool            in_thread;
	unsigned        congested;      /* so many flushes send only a part */
	/* Since it was last idle: what shares it. */
	unsigned        together;
	bool            slow, writes, waits;
	bool            has_searched, has_read; /* ever */
	char            error[128];
	PQnoticeReceiver hears;
	void            *hearer;
};

static struct backend *backends[BACKENDS_MAX];
static size_t          backends_count;

static struct {
	unsigned intensity;
	int64_t  until_us;
	int64_t  refuses_until_us; /* starting, or without room */
	bool     no_room, unreachable;
	int64_t  slow_until_us;
	int64_t  lock_us, statement_us;
	bool     apart;
} db;

static bool
faulty(void)
{
	return db.intensity && world.now_us < db.until_us;
}

/* Once in a while, the more often the more is wrong with it. */
static bool
fault(unsigned in_ten_thousand)
{
	bool it = faulty() && chance(10000) < in_ten_thousand * (uint64_t)db.intensity;

	database_counts.faults += it;
	return it;
}

static int64_t
latency(void)
{
	int64_t us = between(20, 120);

	if (world.now_us < db.slow_until_us)
		us += between(0, 400 * MS);
	return us;
}

/* ---- to the client */

static void
wake(PGconn *c)
{
	uint64_t one = 1;

	(void)!write(c->fd, &one, sizeof(one));
}

static PGconn *conns[BACKENDS_MAX]; /* by the number of their backend; NULL: finished */

static void
arrive(void *with, int64_t n)
{
	(void)with;
	if (conns[n] && !conns[n]->mute)
		wake(conns[n]);
}

static int64_t
number_of(const struct backend *b)
{
	for (size_t i = 0; i < backends_count; i++)
		if (backends[i] == b)
			return (int64_t)i;
	abort();
}

static void
free_item(struct item *i)
{
	PQclear(i->result);
	free(i);
}

static void
send_items(struct backend *b)
{
	struct item *next;
	int64_t      at = time_us() + latency();

	for (struct item *i = b->unsent; i; i = next) {
		next = i->next;
		i->next = NULL;
		i->at_us = at > b->last_us ? at : b->last_us;
		b->last_us = i->at_us;
		if (!b->conn) {
			free_item(i);
			continue;
		}
		*b->conn->wire_end = i;
		b->conn->wire_end = &i->next;
		if (!next && !b->conn->in_thread)
			later(i->at_us - time_us(), arrive, NULL, number_of(b));
	}
	b->unsent = NULL;
	b->unsent_end = &b->unsent;
}

static struct item *
put(struct backend *b, PGresult *result)
{
	struct item *i = calloc(1, sizeof(*i));

	i->result = result;
	*b->unsent_end = i;
	b->unsent_end = &i->next;
	return i;
}

static void
answer(struct backend *b, PGresult *result)
{
	put(b, result);
	put(b, NULL);
}

/* ---- the end of a transaction */

static void step(void *with, int64_t number);
static void retry(void *with, int64_t number);

static void
wake_waiters(const struct backend *b)
{
	for (size_t i = 0; i < backends_count; i++)
		if (backends[i]->state == WAITING && backends[i]->waits_for == b)
			later(between(5, 80), retry, backends[i], backends[i]->number);
}

static void
end_transaction(struct backend *b, bool commits)
{
	if (b->begun)
		*(commits ? &database_counts.commits : &database_counts.rollbacks) += 1;
	if (b->wrote)
		note("db %lld: %s", (long long)number_of(b), commits ? "commit" : "rollback");
	for (size_t i = 0; i < customers_count; i++) {
		struct customer_row *c = &customers[i];

		if (c->owner != b)
			continue;
		c->owner = NULL;
		if (!commits)
			continue;
		if (!c->committed)
			c->committed_us = world.now_us;
		c->committed = true;
		c->now = c->next;
	}
	for (size_t i = 0; i < records_count; i++)
		if (records[i].owner == b) {
			records[i].owner = NULL;
			records[i].committed = commits;
		}
	for (size_t i = 0; i < locks_count;)
		if (locks[i].owner == b)
			locks[i] = locks[--locks_count];
		else
			i++;
	if (b->group)
		database_counts.groups++;
	b->begun = b->failed = b->wrote = b->entered = b->replay = b->group = false;
	b->expected = true;
	b->lock_us = db.lock_us;
	b->members = b->executed = b->group_ids_count = 0;
	b->created = 0;
	wake_waiters(b);
}

static void
die(struct backend *b, const char *last_words)
{
	if (b->state == DEAD)
		return;
	note("db %lld: ends%s%s", (long long)number_of(b), last_words ? " with " : "",
	    last_words ? last_words : "");
	b->number++;
	b->state = DEAD;
	end_transaction(b, false);
	if (last_words && b->conn && b->conn->outstanding)
		answer(b, result_error(last_words, ""));
	else if (last_words)
		put(b, NULL)->notice = true;
	put(b, NULL)->ends = true;
	send_items(b);
	while (b->first) {
		struct msg *m = b->first;

		b->first = m->next;
		for (int i = 0; i < m->n; i++)
			free(m->value[i].at);
		free(m);
	}
}

/* ---- statements */

enum how { DONE, BLOCKED, FAILED };

struct run {
	struct backend *b;
	struct msg     *m;
	PGresult       *result;
	const char     *sqlstate, *constraint;
	struct backend *blocker;
};

static struct str
text_of(const struct msg *m, int n)
{
	return (struct str) { m->value[n].at, m->value[n].at ? (size_t)m->value[n].len : 0 };
}

static int64_t
big_of(const char *p, int bytes)
{
	uint64_t n = 0;

	for (int i = 0; i < bytes; i++)
		n = n << 8 | (unsigned char)p[i];
	return (int64_t)n;
}

static int64_t
number_at(const struct msg *m, int n)
{
	return big_of(m->value[n].at, 8);
}

static void
put_text(char out[DATABASE_TEXT], struct str s)
{
	promise(s.len < DATABASE_TEXT, "a text of %zu bytes", s.len);
	if (s.len)
		memcpy(out, s.ptr, s.len);
	out[s.len] = '\0';
}

static int
tenant_of(const struct msg *m)
{
	for (int i = 0; i < TENANTS; i++)
		if (m->value[0].len == ID_BYTES && memcmp(m->value[0].at, tenants[i].environment.b, ID_BYTES) == 0)
			return i;
	promise(false, "%s names an environment that is none", sql_catalogue[m->id].name);
	return -1;
}

static enum how
lock_number(struct run *r, int64_t number)
{
	for (size_t i = 0; i < locks_count; i++)
		if (locks[i].number == number) {
			if (locks[i].owner == r->b)
				return DONE;
			r->blocker = locks[i].owner;
			return BLOCKED;
		}
	promise(locks_count < LOCKS_MAX, "too many locks");
	locks[locks_count].number = number;
	locks[locks_count++].owner = r->b;
	return DONE;
}

/* What this backend sees of a row; NULL: nothing. */
static const struct fields *
seen(const struct backend *b, const struct customer_row *c)
{
	if (c->owner == b)
		return &c->next;
	return c->committed ? &c->now : NULL;
}

static struct customer_row *
find_id(const struct backend *b, int tenant, const char id[ID_BYTES])
{
	for (size_t i = 0; id && i < customers_count; i++) {
		const struct fields *f = seen(b, &customers[i]);

		if (f && customers[i].tenant == tenant && memcmp(f->id.b, id, ID_BYTES) == 0)
			return &customers[i];
	}
	return NULL;
}

static struct customer_row *
find_external(const struct backend *b, int tenant, struct str external)
{
	for (size_t i = 0; external.ptr && i < customers_count; i++) {
		const struct fields *f = seen(b, &customers[i]);

		if (f && customers[i].tenant == tenant && f->has_external_id && str_is(external, f->external_id))
			return &customers[i];
	}
	return NULL;
}

/* The transaction that is about to have this external id, or to give it up. */
static struct backend *
who_takes(const struct backend *b, int tenant, struct str external)
{
	for (size_t i = 0; external.ptr && i < customers_count; i++) {
		const struct customer_row *c = &customers[i];

		if (c->owner && c->owner != b && c->tenant == tenant
		    && ((c->next.has_external_id && str_is(external, c->next.external_id))
		        || (c->committed && c->now.has_external_id && str_is(external, c->now.external_id))))
			return c->owner;
	}
	return NULL;
}

static void
add_customer(PGresult *r, const struct fields *f, struct cell last)
{
	char        created[8], updated[8], revision[8];
	struct cell cells[] = {
		cell_id(&f->id), cell_text(f->has_external_id ? f->external_id : NULL),
		cell_text(f->email), cell_text(f->name[0] ? f->name : NULL), { NULL, 0 }, { NULL, 0 },
		cell_text("UTC"), cell_text(f->metadata ? f->metadata : "{}"), cell_bool(f->active),
		cell_i64(created, (f->created_ms - POSTGRES_EPOCH_MS) * 1000),
		cell_i64(updated, (f->updated_ms - POSTGRES_EPOCH_MS) * 1000), { NULL, 0 },
		cell_i64(revision, f->revision),
		last, { NULL, 0 },
	};

	add_row(r, COUNTOF(cells), cells);
}

static struct customer_row *
insert(struct backend *b, int tenant)
{
	struct customer_row *c = &customers[customers_count++];

	promise(customers_count < CUSTOMERS_MAX, "too many customers");
	*c = (struct customer_row) { .tenant = tenant, .owner = b };
	b->wrote = true;
	return c;
}

/* A row from $3 to $12 of customer_create. */
static void
fill(struct fields *f, const struct cell v[10], int64_t ms)
{
	memcpy(f->id.b, v[0].at, ID_BYTES);
	f->has_external_id = v[1].at != NULL;
	put_text(f->external_id, (struct str) { v[1].at, (size_t)v[1].len });
	put_text(f->email, (struct str) { v[2].at, (size_t)v[2].len });
	put_text(f->name, (struct str) { v[3].at, (size_t)v[3].len });
	f->metadata = strndup(v[8].at, (size_t)v[8].len);
	f->active = v[9].at[0];
	f->created_ms = f->updated_ms = ms;
	f->revision = 1;
}

/* As ON CONFLICT DO NOTHING does. */
static enum how
create_one(struct run *r, int tenant, const struct cell v[10], int64_t ms, bool *made)
{
	struct str external = { v[1].at, v[1].at ? (size_t)v[1].len : 0 };

	*made = false;
	if (r->b->replay)
		return DONE;
	r->blocker = who_takes(r->b, tenant, external);
	if (r->blocker)
		return BLOCKED;
	if (find_external(r->b, tenant, external))
		return DONE;
	fill(&insert(r->b, tenant)->next, v, ms);
	*made = true;
	return DONE;
}

static enum how
run_create(struct run *r)
{
	int64_t     ms = number_at(r->m, 1) / 1000 + POSTGRES_EPOCH_MS;
	bool        made;
	struct cell row[1];

	if (r->b->group && r->m->value[3].at) {
		struct str external = text_of(r->m, 3);

		for (unsigned i = 0; i < r->b->group_ids_count; i++)
			promise(!str_is(external, r->b->group_ids[i]), "a group has two of one external id");
		promise(r->b->group_ids_count < 32, "a group is too large");
	}
	if (create_one(r, tenant_of(r->m), r->m->value + 2, ms, &made) == BLOCKED)
		return BLOCKED;
	if (r->b->group && r->m->value[3].at)
		put_text(r->b->group_ids[r->b->group_ids_count++], text_of(r->m, 3));
	r->b->expected = made;
	row[0] = cell_bool(made);
	add_row(r->result, 1, row);
	return DONE;
}

/* The cells of an array. */
static size_t
split(const struct cell *array, struct cell out[MANY_MAX])
{
	size_t      count = array->len >= 20 ? (size_t)big_of(array->at + 12, 4) : 0;
	const char *at = array->at + 20;

	promise(count <= MANY_MAX, "an array of %zu", count);
	for (size_t i = 0; i < count; i++) {
		int32_t len = (int32_t)big_of(at, 4);

		out[i] = len == -1 ? (struct cell) { NULL, 0 } : cell_bytes(at + 4, (size_t)len);
		at += 4 + (len == -1 ? 0 : len);
	}
	return count;
}

static enum how
run_create_many(struct run *r)
{
	static struct cell column[10][MANY_MAX];
	int64_t     ms = number_at(r->m, 1) / 1000 + POSTGRES_EPOCH_MS;
	int         tenant = tenant_of(r->m), order[MANY_MAX];
	size_t      count = 0;
	char        ids[20 + MANY_MAX * 20] = { 0, 0, 0, 1 };
	size_t      made_count = 0;
	struct cell row[2] = { { NULL, 0 }, { NULL, 0 } };

	for (int k = 0; k < 10; k++)
		count = split(&r->m->value[2 + k], column[k]);
	for (size_t i = 0; i < count; i++)
		order[i] = (int)i;
	for (size_t i = 1; i < count; i++) /* ORDER BY external_id COLLATE "C" */
		for (size_t k = i; k; k--) {
			struct cell *a = &column[1][order[k - 1]], *c = &column[1][order[k]];
			int          t = order[k];
			size_t       least = (size_t)(a->len < c->len ? a->len : c->len);
			int          d = !a->at ? (c->at ? 1 : 0) : !c->at ? -1 : memcmp(a->at, c->at, least);

			if (d < 0 || (d == 0 && a->len <= c->len))
				break;
			order[k] = order[k - 1];
			order[k - 1] = t;
		}
	for (size_t i = 0; i < count; i++) {
		struct cell v[10];
		bool        made;

		for (int k = 0; k < 10; k++)
			v[k] = column[k][order[i]];
		/* One that waited goes on where it was: its own rows are there already. */
		if (find_id(r->b, tenant, v[0].at))
			made = true;
		else if (create_one(r, tenant, v, ms, &made) == BLOCKED)
			return BLOCKED;
		if (!made)
			continue;
		memcpy(ids + 20 + made_count * 20, "\0\0\0\20", 4);
		memcpy(ids + 20 + made_count * 20 + 4, v[0].at, ID_BYTES);
		made_count++;
	}
	ids[15] = (char)made_count;
	ids[19] = 1;
	r->b->made = (int64_t)made_count;
	if (made_count)
		row[0] = cell_bytes(ids, 20 + made_count * 20);
	add_row(r->result, 2, row);
	return DONE;
}

static enum how
run_settle(struct run *r)
{
	static struct cell externals[MANY_MAX], ids[MANY_MAX];
	size_t count = split(&r->m->value[2], externals), n = split(&r->m->value[3], ids);
	int    tenant = tenant_of(r->m);

	if (r->b->replay || r->b->made >= number_at(r->m, 1))
		return DONE;
	for (size_t i = 0; i < count; i++) {
		struct str           e = { externals[i].at, externals[i].at ? (size_t)externals[i].len : 0 };
		struct customer_row *c = find_external(r->b, tenant, e);
		bool                 meant = false;

		for (size_t k = 0; c && k < n; k++)
			meant |= memcmp(seen(r->b, c)->id.b, ids[k].at, ID_BYTES) == 0;
		if (c && (!meant || r->b->made == 0))
			add_customer(r->result, seen(r->b, c), externals[i]);
	}
	return DONE;
}

static enum how
run_update(struct run *r)
{
	int                  tenant = tenant_of(r->m);
	struct customer_row *c = find_id(r->b, tenant, r->m->value[1].at);
	const bool           met = true;
	int64_t              given;
	struct fields       *f;

	if (!c)
		c = find_external(r->b, tenant, text_of(r->m, 2));
	if (!c || r->b->replay)
		return DONE;
	if (r->m->id == SQL_CUSTOMER_FIND) {
		add_customer(r->result, seen(r->b, c), (struct cell) { NULL, 0 });
		return DONE;
	}
	if (c->owner && c->owner != r->b) {
		r->blocker = c->owner;
		return BLOCKED;
	}
	given = number_at(r->m, 3);
	if (given & 1 && r->m->value[4].at) {
		r->blocker = who_takes(r->b, tenant, text_of(r->m, 4));
		if (r->blocker)
			return BLOCKED;
		if (find_external(r->b, tenant, text_of(r->m, 4)) && find_external(r->b, tenant, text_of(r->m, 4)) != c) {
			r->sqlstate = "23505";
			r->constraint = "customer_external_id";
			return FAILED;
		}
	}
	if (c->owner != r->b)
		c->next = c->now;
	c->owner = r->b;
	f = &c->next;
	r->b->wrote = true;
	if (given & 1) {
		f->has_external_id = r->m->value[4].at != NULL;
		put_text(f->external_id, text_of(r->m, 4));
	}
	if (given & 2)
		put_text(f->email, text_of(r->m, 5));
	if (given & 4)
		put_text(f->name, text_of(r->m, 6));
	f->updated_ms = number_at(r->m, 12) / 1000 + POSTGRES_EPOCH_MS;
	f->revision++;
	add_customer(r->result, f, cell_bool(met));
	return DONE;
}

static int
newest_first(const void *a, const void *b)
{
	return memcmp((*(const struct fields *const *)b)->id.b, (*(const struct fields *const *)a)->id.b, ID_BYTES);
}

static enum how
run_list(struct run *r)
{
	static const struct fields *rows[CUSTOMERS_MAX];
	size_t  n = 0, most = (size_t)number_at(r->m, 2);
	int     tenant = tenant_of(r->m);
	bool    filtered = r->m->id == SQL_CUSTOMER_LIST_FILTERED;
	struct str search = filtered ? text_of(r->m, 4) : STR_NONE;

	for (size_t i = 0; i < customers_count; i++) {
		const struct fields *f = seen(r->b, &customers[i]);

		if (!f || customers[i].tenant != tenant || memcmp(f->id.b, r->m->value[1].at, ID_BYTES) >= 0)
			continue;
		if (search.ptr && !memmem(f->email, strlen(f->email), search.ptr, search.len))
			continue;
		rows[n++] = f;
	}
	qsort(rows, n, sizeof(rows[0]), newest_first);
	for (size_t i = 0; i < n && i < most; i++)
		add_customer(r->result, rows[i], (struct cell) { NULL, 0 });
	return DONE;
}

static enum how
run_look(struct run *r)
{
	int         tenant = tenant_of(r->m);
	struct str  key = text_of(r->m, 1);
	struct cell row[9] = { cell_bool(false) };

	r->b->replay = false;
	for (size_t i = 0; i < records_count; i++) {
		const struct record_row *k = &records[i];

		if (k->tenant != tenant || !str_is(key, k->key) || !(k->committed || k->owner == r->b))
			continue;
		r->b->replay = true;
		memcpy(row + 1, k->cell, 8 * sizeof(row[0]));
	}
	row[0] = cell_bool(r->b->replay);
	add_row(r->result, 9, row);
	return DONE;
}

static enum how
run_put(struct run *r)
{
	struct record_row *k;

	if (r->b->replay || (r->m->value[10].at[0] && !r->b->expected)) {
		snprintf(r->result->tag, sizeof(r->result->tag), "0");
		return DONE;
	}
	for (size_t i = 0; i < records_count; i++)
		if (records[i].tenant == tenant_of(r->m) && str_is(text_of(r->m, 1), records[i].key)
		    && (records[i].committed || records[i].owner)) {
			r->sqlstate = "23505";
			r->constraint = "idempotency_key_pkey";
			return FAILED;
		}
	promise(records_count < RECORDS_MAX, "too many records");
	k = &records[records_count++];
	*k = (struct record_row) { .tenant = tenant_of(r->m), .owner = r->b };
	put_text(k->key, text_of(r->m, 1));
	for (int i = 0; i < 8; i++) {
		struct cell *from = &r->m->value[2 + i];

		k->cell[i] = *from;
		if (from->at) {
			k->cell[i].at = malloc((size_t)from->len + 1);
			memcpy(k->cell[i].at, from->at, (size_t)from->len);
		}
	}
	r->b->wrote = true;
	snprintf(r->result->tag, sizeof(r->result->tag), "1");
	return DONE;
}

static enum how
run_key_find(struct run *r)
{
	for (int i = 0; i < TENANTS; i++) {
		unsigned char hash[SHA256_BYTES];
		struct cell   row[11];

		hash_sha256(str_of(tenants[i].api_key), hash);
		if (r->m->value[0].len != SHA256_BYTES || memcmp(hash, r->m->value[0].at, SHA256_BYTES) != 0)
			continue;
		row[0] = cell_id(&tenants[i].environment);
		row[1] = cell_id(&tenants[i].organization);
		row[2] = cell_id(&tenants[i].key);
		row[3] = cell_bool(true);
		row[4] = (struct cell) { NULL, 0 };
		row[5] = cell_bool(key_used_us[i] == 0 || world.now_us - key_used_us[i] > 60 * SECOND);
		row[6] = (struct cell) { NULL, 0 };
		row[7] = cell_id(&tenants[i].key);
		row[8] = row[9] = row[10] = (struct cell) { NULL, 0 };
		add_row(r->result, 11, row);
	}
	return DONE;
}

static enum how
run_role_check(struct run *r)
{
	struct cell row[18];
	char        pid[8];

	for (size_t i = 0; i < COUNTOF(row); i++)
		row[i] = cell_bool(false);
	row[COL_ROLE_CHECK_PID] = cell_i64(pid, number_of(r->b) + 1);
	add_row(r->result, COUNTOF(row), row);
	return DONE;
}

static enum how
run_schema(struct run *r)
{
	char        version[8];
	struct cell row[1] = { cell_i64(version, (int64_t)sql_migrations_count) };

	add_row(r->result, 1, row);
	return DONE;
}

static enum how
run_enter(struct run *r)
{
	r->b->tenant = tenant_of(r->m);
	r->b->entered = true;
	if (r->m->id == SQL_GROUP_ENTER)
		r->b->replay = false;
	return r->m->id == SQL_ENVIRONMENT_ENTER_ALONE ? lock_number(r, number_at(r->m, 1)) : DONE;
}

static enum how
run_group_lock(struct run *r)
{
	static struct cell numbers[MANY_MAX];
	size_t  n = split(&r->m->value[0], numbers);

	promise(n >= 2 && !r->b->begun, "the locks of a group come late");
	r->b->group = true;
	r->b->lock_us = 50 * MS;
	for (size_t i = 0; i < n; i++) {
		promise(!i || big_of(numbers[i - 1].at, 8) < big_of(numbers[i].at, 8),
		    "the locks of a group are out of order, or one is there twice");
		if (lock_number(r, big_of(numbers[i].at, 8)) == BLOCKED)
			return BLOCKED;
	}
	return DONE;
}

/* ---- bundles: one statement that does it for several ---- */

static size_t
bundled(const struct msg *m)
{
	const enum bind_type *arrays = sql_catalogue[m->id].arrays;
	static struct cell    cells[MANY_MAX];
	int                   n = 0;

	while (!arrays[n])
		n++;
	return split(&m->value[n], cells);
}

/* What the i-th would have sent by itself. */
static struct run
alone(const struct run *all, size_t i, struct msg *m)
{
	const enum bind_type *arrays = sql_catalogue[all->m->id].arrays;
	static struct cell    cells[MANY_MAX];
	struct run            r = *all;

	*m = *all->m;
	for (int n = 0; n < m->n; n++)
		if (arrays[n]) {
			split(&all->m->value[n], cells);
			m->value[n] = cells[i];
		}
	r.m = m;
	return r;
}

static enum how
run_enter_all(struct run *r)
{
	struct msg m;

	for (size_t i = 0; i < bundled(r->m); i++) {
		struct run one = alone(r, i, &m);
		bool       has = false;

		for (size_t k = 0; k < locks_count; k++)
			has |= locks[k].number == number_at(&m, 1) && locks[k].owner == r->b;
		promise(has, "a bundle has not the lock of a member");
		(void)run_enter(&one);
	}
	return DONE;
}

static enum how
run_look_all(struct run *r)
{
	bool       replay = r->b->replay;
	struct msg m;

	for (size_t i = 0; i < bundled(r->m); i++) {
		struct run one = alone(r, i, &m);

		(void)run_look(&one);
		r->b->found_of[i] = r->b->replay;
	}
	r->b->replay = replay;
	return DONE;
}

static enum how
run_create_all(struct run *r)
{
	bool       replay = r->b->replay, expected = r->b->expected;
	struct msg m;

	for (size_t i = 0; i < bundled(r->m); i++) {
		struct run one = alone(r, i, &m);
		enum how   how;

		/* One that waited goes on where it was. */
		if (i < r->b->created || r->b->found_of[i]) {
			struct cell row = cell_bool(i < r->b->created && r->b->expected_of[i]);

			add_row(r->result, 1, &row);
			r->b->expected_of[i] = row.at[0];
			continue;
		}
		r->b->replay = false;
		how = run_create(&one);
		r->blocker = one.blocker;
		r->b->expected_of[i] = r->b->expected;
		r->b->replay = replay;
		r->b->expected = expected;
		if (how != DONE)
			return how;
		r->b->created = i + 1;
	}
	r->b->created = 0;
	return DONE;
}

static enum how
run_put_all(struct run *r)
{
	bool       replay = r->b->replay, expected = r->b->expected;
	struct msg m;

	for (size_t i = 0; i < bundled(r->m); i++) {
		struct run  one = alone(r, i, &m);
		struct cell row = cell_bool(r->b->expected_of[i]);
		enum how    how;

		r->b->replay = r->b->found_of[i];
		r->b->expected = r->b->expected_of[i];
		how = run_put(&one);
		r->sqlstate = one.sqlstate;
		r->constraint = one.constraint;
		r->b->replay = replay;
		r->b->expected = expected;
		if (how != DONE)
			return how;
		add_row(r->result, 1, &row);
	}
	return DONE;
}

static enum how
run_get(struct run *r)
{
	int                  tenant = tenant_of(r->m);
	struct customer_row *c = r->m->id == SQL_CUSTOMER_GET ? find_id(r->b, tenant, r->m->value[1].at)
	                                                      : find_external(r->b, tenant, text_of(r->m, 1));

	if (r->m->id == SQL_CUSTOMER_TAKEN && (r->b->replay || r->b->expected))
		return DONE;
	if (c)
		add_customer(r->result, seen(r->b, c), (struct cell) { NULL, 0 });
	return DONE;
}

static enum how
run_key_used(struct run *r)
{
	key_used_us[tenant_of(r->m)] = world.now_us;
	r->b->wrote = true;
	return DONE;
}

static enum how
run_nothing(struct run *r UNUSED)
{
	return DONE;
}

/* A new statement of sql/query that a simulated request runs is a row. */
enum { ROWS = 1, WRITES = 2, WAITS = 4, SLOW = 8, OF_TENANT = 16, ENTERS = 32 };
static const struct statement {
	enum how (*run)(struct run *r);
	unsigned   is;
	int64_t    least_us, most_us;
} statements[SQL__COUNT] = {
	[SQL_SESSION_BEGIN] = { run_nothing, ROWS, 20, 80 },
	[SQL_ROLE_CHECK] = { run_role_check, ROWS, 100, 2000 },
	[SQL_SCHEMA_VERSION] = { run_schema, ROWS, 30, 100 },
	[SQL_ENVIRONMENT_ENTER] = { run_enter, ROWS | ENTERS, 5, 20 },
	[SQL_ENVIRONMENT_ENTER_AS] = { run_enter, ROWS | ENTERS, 5, 20 },
	[SQL_ENVIRONMENT_ENTER_ALONE] = { run_enter, ROWS | WAITS | ENTERS, 5, 20 },
	[SQL_ENVIRONMENT_ENTER_ALL] = { run_enter_all, ROWS | ENTERS, 5, 30 },
	[SQL_GROUP_ENTER] = { run_enter, ROWS | ENTERS, 5, 20 },
	[SQL_GROUP_LOCK] = { run_group_lock, ROWS | WAITS, 5, 20 },
	[SQL_IDEMPOTENCY_LOOK] = { run_look, ROWS | OF_TENANT | WRITES, 10, 60 },
	[SQL_IDEMPOTENCY_LOOK_ALL] = { run_look_all, ROWS | OF_TENANT | WRITES, 20, 200 },
	[SQL_IDEMPOTENCY_PUT] = { run_put, OF_TENANT | WRITES, 20, 60 },
	[SQL_IDEMPOTENCY_PUT_ALL] = { run_put_all, ROWS | OF_TENANT | WRITES, 40, 400 },
	[SQL_KEY_HOLDER] = { run_nothing, ROWS, 5, 20 },
	[SQL_KEY_FIND] = { run_key_find, ROWS, 10, 60 },
	[SQL_KEY_USED] = { run_key_used, OF_TENANT | WRITES, 20, 80 },
	[SQL_CUSTOMER_GET] = { run_get, ROWS | OF_TENANT, 10, 60 },
	[SQL_CUSTOMER_GET_EXTERNAL] = { run_get, ROWS | OF_TENANT, 10, 60 },
	[SQL_CUSTOMER_TAKEN] = { run_get, ROWS | OF_TENANT, 10, 60 },
	[SQL_CUSTOMER_LIST] = { run_list, ROWS | OF_TENANT, 50, 400 },
	[SQL_CUSTOMER_LIST_FILTERED] = { run_list, ROWS | OF_TENANT | SLOW, 200, 300 * MS },
	[SQL_CUSTOMER_CREATE] = { run_create, ROWS | OF_TENANT | WRITES, 40, 150 },
	[SQL_CUSTOMER_CREATE_ALL] = { run_create_all, ROWS | OF_TENANT | WRITES, 80, 1000 },
	[SQL_CUSTOMER_CREATE_MANY] = { run_create_many, ROWS | OF_TENANT | WRITES, 100, 3 * MS },
	[SQL_CUSTOMER_SETTLE] = { run_settle, ROWS | OF_TENANT, 20, 200 },
	[SQL_CUSTOMER_UPDATE] = { run_update, ROWS | OF_TENANT | WRITES, 40, 150 },
	[SQL_CUSTOMER_FIND] = { run_update, ROWS | OF_TENANT, 10, 60 },
};

/* ---- a backend at work */

static void
pop(struct backend *b)
{
	struct msg *m = b->first;

	b->first = m->next;
	if (!b->first)
		b->end = &b->first;
	for (int i = 0; i < m->n; i++)
		free(m->value[i].at);
	free(m);
}

static void
fail_statement(struct backend *b, const char *sqlstate, const char *constraint)
{
	note("db %lld: %s fails with %s", (long long)number_of(b), sql_catalogue[b->first->id].name, sqlstate);
	answer(b, result_error(sqlstate, constraint));
	b->failed = true;
	b->state = IDLE;
	b->number++;
	pop(b);
	/* It is undone at once; its locks go. */
	{
		unsigned members = b->members;

		end_transaction(b, false);
		b->failed = true;
		b->members = members;
	}
	step(b, b->number);
}

static void
check_statement(struct backend *b, const struct msg *m)
{
	const struct statement *s = &statements[m->id];
	const char             *name = sql_catalogue[m->id].name;

	promise(s->run, "%s is no statement that the simulation knows", name);
	promise(m->n == sql_catalogue[m->id].nparams, "%s has %d parameters", name, m->n);
	if (m->id == SQL_GROUP_ENTER)
		promise(b->group, "a transaction that is no group goes on as one");
	else if (s->is & ENTERS) {
		unsigned members = m->id == SQL_ENVIRONMENT_ENTER_ALL ? (unsigned)bundled(m) : 1;

		b->members += members;
		promise(b->members == 1 || b->group, "two transactions share one commit, and are no group");
		database_counts.grouped += b->group ? members : 0;
		database_counts.bundled += members > 1 ? members : 0;
	}
	if (s->is & OF_TENANT)
		promise(b->entered && b->tenant == tenant_of(m), "%s runs in an environment that was not entered for it", name);
	if (m->id == SQL_CUSTOMER_CREATE_MANY)
		promise(!b->group, "%s is in a group", name);
}

static void
lock_is_late(void *with, int64_t number)
{
	struct backend *b = with;

	if (b->state != WAITING || b->number != number)
		return;
	database_counts.locks_timed_out++;
	fail_statement(b, "55P03", "");
}

static void
deadlock_is_seen(void *with, int64_t number)
{
	struct backend *b = with;

	if (b->state == WAITING && b->number == number)
		fail_statement(b, "40P01", "");
}

static void
execute(struct backend *b, bool first)
{
	struct run r = { .b = b, .m = b->first, .constraint = "" };

	r.result = result_new(statements[r.m->id].is & ROWS ? PGRES_TUPLES_OK : PGRES_COMMAND_OK);
	switch (statements[r.m->id].run(&r)) {
	case DONE:
		database_counts.statements++;
		b->begun = true;
		b->executed++;
		answer(b, r.result);
		b->state = IDLE;
		b->number++;
		pop(b);
		step(b, b->number);
		return;
	case FAILED:
		PQclear(r.result);
		fail_statement(b, r.sqlstate, r.constraint);
		return;
	case BLOCKED:
		PQclear(r.result);
		break;
	}
	b->state = WAITING;
	b->waits_for = r.blocker;
	if (!first)
		return;
	note("db %lld: %s waits for db %lld", (long long)number_of(b), sql_catalogue[b->first->id].name,
	    (long long)number_of(r.blocker));
	later(b->lock_us, lock_is_late, b, b->number);
	for (const struct backend *w = r.blocker; w && w->state == WAITING; w = w->waits_for)
		if (w->waits_for == b) {
			database_counts.deadlocks++;
			note("db %lld: a deadlock", (long long)number_of(b));
			later(DEADLOCK_US, deadlock_is_seen, b, b->number);
			break;
		}
}

static void
retry(void *with, int64_t number)
{
	struct backend *b = with;

	if (b->state == WAITING && b->number == number)
		execute(b, false);
}

static void
runs_out(void *with, int64_t number)
{
	struct backend *b = with;

	if (b->state == RUNNING && b->number == number)
		fail_statement(b, "57014", "");
}

static void
ran(void *with, int64_t number)
{
	static const char *const errors[] = { "40001", "53200", "XX000", "57014", "25006", "0A000", "08006" };
	struct backend          *b = with;

	if (b->state != RUNNING || b->number != number)
		return;
	if (fault(3))
		fail_statement(b, errors[chance(COUNTOF(errors))], "");
	else
		execute(b, true);
}

static void
synced(void *with, int64_t number)
{
	struct backend *b = with;
	bool            lost;

	if (b->state != RUNNING || b->number != number)
		return;
	lost = b->wrote && fault(40);
	if (lost && happens(500)) {
		die(b, happens(500) ? "57P01" : NULL); /* just before the commit */
		return;
	}
	end_transaction(b, !b->failed);
	b->state = IDLE;
	b->number++;
	pop(b);
	if (lost) {
		die(b, NULL); /* just behind it */
		return;
	}
	put(b, result_new(PGRES_PIPELINE_SYNC));
	send_items(b);
	step(b, b->number);
}

static void
idles_in_transaction(void *with, int64_t number)
{
	struct backend *b = with;

	if (b->state == IDLE && b->number == number && (b->begun || b->failed))
		die(b, "25P03");
}

static void
start(struct backend *b)
{
	const struct msg       *m = b->first;
	const struct statement *s = &statements[m->id];
	int64_t                 us;

	check_statement(b, m);
	b->serial = m->serial;
	if (!b->prepared[m->id]) {
		fail_statement(b, "26000", "");
		return;
	}
	us = between(s->least_us, s->most_us);
	if (fault(5))
		us += between(10 * MS, 12 * SECOND);
	if (fault(4)) {
		die(b, happens(600) ? "57P01" : NULL);
		return;
	}
	b->state = RUNNING;
	b->number++;
	later(us, ran, b, b->number);
	if (us > db.statement_us)
		later(db.statement_us, runs_out, b, b->number);
}

static void
step(void *with, int64_t number)
{
	struct backend *b = with;
	struct msg     *m;

	if (b->state != IDLE || b->number != number)
		return;
	while (b->state == IDLE && (m = b->first)) {
		switch (m->kind) {
		case MSG_FLUSH:
			send_items(b);
			pop(b);
			break;
		case MSG_PREPARE:
			b->prepared[m->id] |= !b->failed;
			answer(b, result_new(b->failed ? PGRES_PIPELINE_ABORTED : PGRES_COMMAND_OK));
			pop(b);
			break;
		case MSG_SYNC:
			b->state = RUNNING;
			b->number++;
			b->awaits_standby = b->wrote && fault(20);
			if (b->awaits_standby)
				later(between(100 * MS, 12 * SECOND), synced, b, b->number);
			else
				later(b->wrote ? between(200, 6 * MS) : between(2, 10), synced, b, b->number);
			return;
		case MSG_EXECUTE:
			if (!b->failed) {
				start(b);
				return;
			}
			answer(b, result_new(PGRES_PIPELINE_ABORTED));
			pop(b);
			break;
		}
	}
	if (b->state == IDLE && b->client_gone) {
		die(b, NULL);
	} else if (b->state == IDLE && (b->begun || b->failed)) {
		b->number++;
		later(IDLE_IN_TRANSACTION_US, idles_in_transaction, b, b->number);
	}
}

/* ---- from the client */

struct parcel {
	struct backend *to;
	struct msg     *first;
	bool            farewell;
};

static void
deliver(void *with, int64_t n UNUSED)
{
	struct parcel  *p = with;
	struct backend *b = p->to;

	for (struct msg *m = p->first, *next; m; m = next) {
		next = m->next;
		m->next = NULL;
		if (b->state == DEAD || b->deaf) {
			for (int i = 0; i < m->n; i++)
				free(m->value[i].at);
			free(m);
			continue;
		}
		*b->end = m;
		b->end = &m->next;
	}
	if (p->farewell && !b->deaf)
		b->client_gone = true;
	free(p);
	step(b, b->number);
}

static void
send_out(PGconn *c, size_t most, bool farewell)
{
	struct parcel *p = calloc(1, sizeof(*p));
	struct msg   **at = &c->out;
	static int64_t last_us[BACKENDS_MAX]; /* one does not overtake another */
	int64_t        n = number_of(c->backend), arrives;

	while (*at && most--)
		at = &(*at)->next;
	*p = (struct parcel) { c->backend, c->out == *at ? NULL : c->out, farewell };
	if (p->first) {
		struct msg *rest = *at;

		*at = NULL;
		c->out = rest;
		if (!rest)
			c->out_end = &c->out;
	}
	arrives = time_us() + latency();
	if (arrives < last_us[n])
		arrives = last_us[n];
	last_us[n] = arrives;
	later(arrives - time_us(), deliver, p, 0);
}

static void
send_msg(PGconn *c, enum kind kind, enum sql_id id, int n, const char *const *values, const int *lengths)
{
	struct msg *m = calloc(1, sizeof(*m));

	*m = (struct msg) { .kind = kind, .id = id, .serial = c->serial, .n = n };
	for (int i = 0; i < n; i++)
		if (values[i]) {
			m->value[i].at = malloc((size_t)lengths[i] + 1);
			memcpy(m->value[i].at, values[i], (size_t)lengths[i]);
			m->value[i].len = lengths[i];
		}
	*c->out_end = m;
	c->out_end = &m->next;
}

/* What is on the way together must be harmless to each other. */
static void
check_company(PGconn *c, enum sql_id id)
{
	const struct statement *s = &statements[id];

	if (c->outstanding == 0) {
		c->together = 0;
		c->slow = c->writes = c->waits = false;
	}
	if (c->last_serial != c->serial || c->together == 0) {
		c->last_serial = c->serial;
		if (++c->together == 2)
			database_counts.batches++;
		database_counts.batched += c->together > 1;
	}
	c->has_searched |= (s->is & SLOW) != 0;
	c->has_read |= id == SQL_KEY_FIND || id == SQL_CUSTOMER_GET || id == SQL_CUSTOMER_GET_EXTERNAL || id == SQL_CUSTOMER_LIST;
	promise(!db.apart || !c->has_searched || !c->has_read, "gets and searches use one connection");
	c->slow |= (s->is & SLOW) != 0;
	c->writes |= (s->is & WRITES) != 0;
	c->waits |= (s->is & WAITS) != 0;
	if (c->together > 1)
		promise(!c->slow && !c->writes && !c->waits, "%s shares a connection with others: %s", sql_catalogue[id].name,
		    c->slow ? "it is slow" : c->writes ? "it writes" : "it waits for locks");
}

/* ---- libpq */

static enum sql_id
by_name(const char *name)
{
	for (size_t i = 0; i < SQL__COUNT; i++)
		if (strcmp(sql_catalogue[i].name, name) == 0)
			return (enum sql_id)i;
	promise(false, "no statement %s", name);
	return SQL__COUNT;
}

static PGconn *
refused(PGconn *c, const char *why)
{
	snprintf(c->error, sizeof(c->error), "%s\n", why);
	c->status = CONNECTION_BAD;
	return c;
}

/* Tries to connect; the connection is BAD when it fails. */
static PGconn *
try_connect(PGconn *c)
{
	struct backend *b;

	promise(in_thread() || !world.loops, "the loop waits while libpq connects");
	if (in_thread())
		thread_waits(between(200, 5 * MS));
	c->error[0] = '\0';
	if (world.now_us < db.refuses_until_us) {
		if (db.unreachable) {
			if (in_thread())
				thread_waits(happens(500) ? 3 * (int64_t)SECOND : 100);
			return refused(c, "connection to server failed: timeout expired");
		}
		return refused(c, db.no_room ? "FATAL:  53300" : "FATAL:  57P03");
	}
	promise(backends_count < BACKENDS_MAX, "too many connections");
	b = calloc(1, sizeof(*b));
	b->end = &b->first;
	b->unsent_end = &b->unsent;
	b->expected = true;
	b->lock_us = db.lock_us;
	b->conn = c;
	conns[backends_count] = c;
	backends[backends_count++] = b;
	database_counts.connections++;
	c->backend = b;
	c->status = CONNECTION_OK;
	note("db %lld: connected", (long long)number_of(b));
	return c;
}

PGconn *
PQconnectdbParams(const char *const *keywords UNUSED, const char *const *values UNUSED, int expand UNUSED)
{
	PGconn *c = calloc(1, sizeof(*c));

	account[ACCOUNT_DATABASE]++;
	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->out_end = &c->out;
	c->wire_end = &c->wire;
	c->ready_end = &c->ready;
	c->serial = 1;
	return try_connect(c);
}

void
PQreset(PGconn *c)
{
	try_connect(c);
}

void
PQfinish(PGconn *c)
{
	struct item *i;

	if (c->backend) {
		conns[number_of(c->backend)] = NULL;
		c->backend->conn = NULL;
		/* What libpq has not sent is lost, then the other side reads the end. */
		send_out(c, 0, true);
	}
	while (c->out) {
		struct msg *m = c->out;

		c->out = m->next;
		for (int k = 0; k < m->n; k++)
			free(m->value[k].at);
		free(m);
	}
	while ((i = c->wire) || (i = c->ready)) {
		if (i == c->wire)
			c->wire = i->next;
		else
			c->ready = i->next;
		free_item(i);
	}
	close(c->fd);
	free(c);
	account[ACCOUNT_DATABASE]--;
}

ConnStatusType PQstatus(const PGconn *c) { return c ? c->status : CONNECTION_BAD; }
int PQsocket(const PGconn *c) { return c->fd; }
char *PQerrorMessage(const PGconn *c) { return (char *)(uintptr_t)c->error; }
int PQsetnonblocking(PGconn *c UNUSED, int is UNUSED) { return 0; }
int PQenterPipelineMode(PGconn *c) { c->pipeline = true; c->in_thread = false; return 1; }
int PQbackendPID(const PGconn *c) { return (int)number_of(c->backend) + 1; }
int PQserverVersion(const PGconn *c UNUSED) { return 150018; }
const char *PQparameterStatus(const PGconn *c UNUSED, const char *name UNUSED) { return "UTF8"; }
char *PQuser(const PGconn *c UNUSED) { static char name[] = "clientele_serve"; return name; }
char *PQdb(const PGconn *c UNUSED) { static char name[] = "clientele"; return name; }
int PQconnectionNeedsPassword(const PGconn *c UNUSED) { return 0; }
PGVerbosity PQsetErrorVerbosity(PGconn *c UNUSED, PGVerbosity v UNUSED) { return PQERRORS_DEFAULT; }

PQnoticeProcessor
PQsetNoticeProcessor(PGconn *c UNUSED, PQnoticeProcessor processor UNUSED, void *with UNUSED)
{
	return NULL;
}

PQnoticeReceiver
PQsetNoticeReceiver(PGconn *c, PQnoticeReceiver receiver, void *with)
{
	c->hears = receiver;
	c->hearer = with;
	return NULL;
}

PGTransactionStatusType
PQtransactionStatus(const PGconn *c)
{
	if (!c || c->status != CONNECTION_OK)
		return PQTRANS_UNKNOWN;
	return c->outstanding || c->serial - 1 != c->synced ? PQTRANS_ACTIVE : PQTRANS_IDLE;
}

/* The session settings: without a pipeline, in a thread. */
int
PQsendQueryParams(PGconn *c, const char *text UNUSED, int n UNUSED, const Oid *types UNUSED,
    const char *const *values, const int *lengths UNUSED, const int *formats UNUSED, int binary UNUSED)
{
	struct backend *b = c->backend;

	promise(!c->pipeline, "session settings in a pipeline");
	db.statement_us = atoll(values[0]) * MS;
	db.lock_us = b->lock_us = atoll(values[1]) * MS;
	c->outstanding += 2;
	c->in_thread = true;
	if (fault(100)) {
		if (happens(300))
			c->mute = true;
		else
			die(b, happens(500) ? "57P01" : NULL);
	} else {
		PGresult *r = result_new(fault(20) ? PGRES_FATAL_ERROR : PGRES_TUPLES_OK);
		char      pid[16];

		/* The process that answers comes last. */
		snprintf(pid, sizeof(pid), "%d", PQbackendPID(c));
		if (r->status == PGRES_TUPLES_OK)
			add_row(r, 1, &(struct cell) { pid, (int)strlen(pid) });
		answer(b, r);
		send_items(b);
	}
	if (!c->mute)
		wake(c);
	return 1;
}

static bool
cannot_send(const PGconn *c)
{
	return c->status != CONNECTION_OK || fault(20);
}

int
PQsendPrepare(PGconn *c, const char *name, const char *text UNUSED, int n UNUSED, const Oid *types UNUSED)
{
	if (cannot_send(c))
		return 0;
	check_company(c, by_name(name));
	send_msg(c, MSG_PREPARE, by_name(name), 0, NULL, NULL);
	c->outstanding += 2;
	return 1;
}

int
PQsendQueryPrepared(PGconn *c, const char *name, int n, const char *const *values, const int *lengths,
    const int *formats UNUSED, int binary)
{
	if (cannot_send(c))
		return 0;
	promise(binary == 1, "results are asked for as text");
	check_company(c, by_name(name));
	send_msg(c, MSG_EXECUTE, by_name(name), n, values, lengths);
	c->outstanding += 2;
	return 1;
}

int
PQflush(PGconn *c)
{
	if (c->status != CONNECTION_OK)
		return -1;
	if (!c->out)
		return 0;
	if (!c->congested && fault(20))
		c->congested = (unsigned)between(1, 6);
	if (c->congested && --c->congested) {
		send_out(c, 1, false);
		return c->out != NULL;
	}
	send_out(c, SIZE_MAX, false);
	return 0;
}

int
PQpipelineSync(PGconn *c)
{
	if (cannot_send(c))
		return 0;
	send_msg(c, MSG_SYNC, 0, 0, NULL, NULL);
	c->serial++;
	c->outstanding++;
	return PQflush(c) >= 0;
}

int
PQsendFlushRequest(PGconn *c)
{
	if (cannot_send(c))
		return 0;
	send_msg(c, MSG_FLUSH, 0, 0, NULL, NULL);
	return 1;
}

/* Those that nothing unread is before. */
static void
tell_notices(PGconn *c)
{
	struct item *i;

	while ((i = c->ready) && i->notice) {
		c->ready = i->next;
		if (!c->ready)
			c->ready_end = &c->ready;
		if (i->result && c->hears)
			c->hears(c->hearer, i->result);
		free_item(i);
	}
}

int
PQconsumeInput(PGconn *c)
{
	uint64_t     count;
	struct item *i;
	bool         moved = false;

	if (c->status != CONNECTION_OK)
		return 0;
	(void)!read(c->fd, &count, sizeof(count));
	while ((i = c->wire) && (i->at_us <= time_us() || c->in_thread) && !c->mute) {
		if (i->ends && moved) {
			wake(c);
			break;
		}
		c->wire = i->next;
		if (!c->wire)
			c->wire_end = &c->wire;
		if (i->ends) {
			free_item(i);
			c->status = CONNECTION_BAD;
			return 0;
		}
		moved = true;
		i->next = NULL;
		*c->ready_end = i;
		c->ready_end = &i->next;
	}
	tell_notices(c);
	return 1;
}

int
PQisBusy(PGconn *c)
{
	return c->status == CONNECTION_OK && !c->ready && c->outstanding > 0;
}

PGresult *
PQgetResult(PGconn *c)
{
	struct item *i = c->ready;
	PGresult    *r;

	if (!i && c->status != CONNECTION_OK) {
		if (c->told || !c->outstanding)
			return NULL;
		c->told = true;
		return result_new(PGRES_FATAL_ERROR);
	}
	if (!i) {
		promise(c->outstanding == 0, "the loop waits in PQgetResult()");
		return NULL;
	}
	c->ready = i->next;
	if (!c->ready)
		c->ready_end = &c->ready;
	r = i->result;
	free(i);
	c->outstanding--;
	c->synced += r && r->status == PGRES_PIPELINE_SYNC;
	tell_notices(c);
	return r;
}

/* ---- cancelling */

/*
 * A commit gives up its wait for the standby and succeeds with a warning. The server is lost before
 * the standby has it, so that it was never done.
 */
static void
commit_alone(struct backend *b)
{
	PGresult *warning = result_new(PGRES_NONFATAL_ERROR);

	note("db %lld: commits without its standby, which follows it now", (long long)number_of(b));
	warning->function = "SyncRepWaitForLSN";
	end_transaction(b, false);
	b->state = IDLE;
	b->number++;
	pop(b);
	put(b, warning)->notice = true;
	put(b, result_new(PGRES_PIPELINE_SYNC));
	send_items(b);
	database_counts.alone++;
	step(b, b->number);
}

struct pg_cancel {
	struct backend *backend;
	uint64_t        serial; /* nothing behind this transaction is meant */
};

PGcancel *
PQgetCancel(PGconn *c)
{
	PGcancel *how;

	if (!c || fault(50))
		return NULL;
	how = calloc(1, sizeof(*how));
	*how = (struct pg_cancel) { c->backend, c->last_serial };
	account[ACCOUNT_RESULT]++;
	return how;
}

void
PQfreeCancel(PGcancel *how)
{
	if (!how)
		return;
	account[ACCOUNT_RESULT]--;
	free(how);
}

int
PQcancel(PGcancel *how, char *text UNUSED, int size UNUSED)
{
	struct backend *b = how->backend;

	database_counts.cancels++;
	promise(in_thread() || !world.loops, "the loop waits while libpq cancels");
	note("db %lld: is cancelled", (long long)number_of(b));
	thread_waits(fault(200) ? between(0, 4 * SECOND) : between(100, 3 * MS));
	if (world.now_us < db.refuses_until_us)
		return 0;
	if (b->state == RUNNING || b->state == WAITING) {
		promise(b->first->serial <= how->serial, "a cancellation hits another transaction than the one that it was meant for");
		if (b->first->kind == MSG_EXECUTE)
			fail_statement(b, "57014", "");
		else if (b->awaits_standby)
			commit_alone(b);
	}
	return 1;
}

/* ---- faults that come by themselves */

static void
end_all(const char *last_words)
{
	for (size_t i = 0; i < backends_count; i++)
		die(backends[i], last_words);
}

static struct backend *
any_alive(void)
{
	size_t from = chance(backends_count);

	for (size_t i = 0; i < backends_count; i++) {
		struct backend *b = backends[(from + i) % backends_count];

		if (b->state != DEAD && b->conn && !b->conn->in_thread)
			return b;
	}
	return NULL;
}

/* The network between the two is gone: each reads the end some time, or never. */
static void
cut(struct backend *b)
{
	note("db %lld: its network is cut", (long long)number_of(b));
	b->client_gone = true;
	put(b, NULL)->ends = true;
	send_items(b);
	b->conn = NULL; /* what it answers goes nowhere */
	step(b, b->number);
}

static void
silence(struct backend *b)
{
	note("db %lld: falls silent", (long long)number_of(b));
	b->conn->mute = true;
	b->deaf = happens(500);
}

static void
strike(void *with UNUSED, int64_t n UNUSED)
{
	struct backend *b;
	int64_t         lasts = between(50 * MS, 6 * SECOND);

	if (!faulty())
		return;
	database_counts.faults++;
	b = any_alive();
	switch (chance(9)) {
	case 0:
	case 1:
		if (b)
			die(b, happens(500) ? "57P01" : NULL);
		break;
	case 2:
		end_all("57P01");
		db.refuses_until_us = world.now_us + lasts;
		db.no_room = db.unreachable = false;
		note("db: restarts for %lld ms", (long long)lasts / MS);
		break;
	case 3:
		end_all(NULL);
		db.refuses_until_us = world.now_us + lasts;
		db.no_room = false;
		db.unreachable = true;
		note("db: cannot be reached for %lld ms", (long long)lasts / MS);
		break;
	case 4:
		db.refuses_until_us = world.now_us + lasts;
		db.no_room = true;
		db.unreachable = false;
		if (b)
			die(b, "57P01");
		note("db: has no room for %lld ms", (long long)lasts / MS);
		break;
	case 5:
		if (b)
			cut(b);
		break;
	case 6:
		if (b)
			silence(b);
		break;
	case 7:
		db.slow_until_us = world.now_us + lasts;
		note("db: is slow for %lld ms", (long long)lasts / MS);
		break;
	case 8:
		if (b) {
			put(b, NULL)->notice = true;
			send_items(b);
		}
		break;
	}
	later(between(1, 20 * (int64_t)SECOND / db.intensity), strike, NULL, 0);
}

void
database_begin(unsigned intensity, int64_t lasts_us, bool apart)
{
	db.apart = apart;
	db.intensity = intensity;
	db.until_us = lasts_us;
	db.lock_us = db.statement_us = SECOND;
	for (int i = 0; i < TENANTS; i++) {
		struct tenant_of_world *t = &tenants[i];

		memset(t->environment.b, 0x10 + i, ID_BYTES);
		memset(t->organization.b, 0x20 + i, ID_BYTES);
		memset(t->key.b, 0x30 + i, ID_BYTES);
		snprintf(t->api_key, sizeof(t->api_key), "ck_live_%040d", i);
	}
	if (intensity)
		later(between(1, SECOND), strike, NULL, 0);
}

void
database_heals(void)
{
	db.intensity = 0;
	db.refuses_until_us = db.slow_until_us = 0;
}

void
database_ends(void)
{
	end_all(NULL);
}

/* ---- what is there */

size_t
database_customers(void)
{
	return customers_count;
}

bool
database_customer(size_t n, struct customer_seen *out)
{
	const struct customer_row *c = &customers[n];

	*out = (struct customer_seen) { c->now.id, c->tenant, c->now.external_id, c->now.email, c->now.name, c->committed_us };
	return c->committed;
}

void
database_plant(int tenant, const char *external_id, const char *email)
{
	struct customer_row *c = &customers[customers_count++];

	*c = (struct customer_row) { .tenant = tenant, .committed = true };
	c->now.id = id_new();
	c->now.has_external_id = external_id != NULL;
	snprintf(c->now.external_id, DATABASE_TEXT, "%s", external_id ? external_id : "");
	snprintf(c->now.email, DATABASE_TEXT, "%s", email);
	c->now.active = true;
	c->now.created_ms = c->now.updated_ms = clock_wall_ms();
	c->next = c->now;
}
