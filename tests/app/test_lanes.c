/*
 * Many requests at once on the connections of a worker (db/lanes): what leaves together, whose each answer is, and what
 * becomes of the others when one of them fails, is late, or has nobody who waits for it. Requests are the real ones, on
 * fibers; the loop is the test's.
 */
#include "app_test.h"
#include "base/fiber.h"
#include "base/hash.h"
#include "db/lanes.h"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { JOBS_MAX = 40, PATIENCE_MS = 20000, SENT_MAX = 100, KIND = 3, KEYS_MS = 60000 };

/* ---- the loop ---- */

/* A request. */
static struct job {
	struct arena    arena;
	struct request  req;
	struct response res;
	struct facts    facts;
	struct db      *db;
	struct fiber   *fiber;
	unsigned        order; /* in which they were done, from 1 on */
} job[JOBS_MAX];

static size_t jobs;
static unsigned done;

static struct {
	unsigned members;
	bool     group;
} sent[SENT_MAX];
static size_t   sends;
static unsigned parted;

static struct app   *app;
static struct lanes *lanes;
static int           poller;
static PGconn       *superuser;
static PGconn       *synced; /* on which a Sync was sent last */

int __real_PQpipelineSync(PGconn *conn);
int __wrap_PQpipelineSync(PGconn *conn);

int
__wrap_PQpipelineSync(PGconn *conn)
{
	synced = conn;
	return __real_PQpipelineSync(conn);
}

static void
note_change(void *with UNUSED)
{
}

static bool
no_room(void *with UNUSED)
{
	return false;
}

static bool is_full;

static bool
may_grow(void *with UNUSED)
{
	return !is_full;
}

static void
note_sent(void *with UNUSED, unsigned members, bool group)
{
	assert_true(sends < SENT_MAX);
	sent[sends].members = members;
	sent[sends++].group = group;
}

static void
note_parted(void *with UNUSED, unsigned members)
{
	parted += members;
}

static const struct lanes_hooks hooks = { note_change, no_room, may_grow, note_sent, note_parted, NULL };

/* As a worker's turn is. */
static void
turn(void)
{
	struct poller_event events[POLLER_EVENTS_MAX];
	int64_t             now = clock_mono_ms(), wait_ms = lanes_tick(lanes, now) - now;
	size_t              n;

	lanes_flush(lanes);
	n = poller_wait(poller, events, wait_ms < 0 ? 0 : wait_ms < 10 ? wait_ms : 10);
	for (size_t i = 0; i < n; i++)
		lanes_event(lanes, events[i].source, events[i].is);
	lanes_flush(lanes);
}

#define UNTIL(condition)                                                                     \
	for (int64_t end_ms = clock_mono_ms() + PATIENCE_MS; !(condition); turn())           \
		if (clock_mono_ms() > end_ms)                                                \
	fail_msg("%s", #condition)

static void
work(void *with)
{
	struct job *j = with;

	app_handle(app, j->db, &j->req, &j->res, &j->facts);
	j->order = ++done;
}

/* Begins a request: it runs until it waits for the database. */
static struct job *
start(const struct sent *s)
{
	struct job *j = &job[jobs++];
	struct {
		enum header header;
		const char *value;
	} headers[] = { { HEADER_API_KEY, test_key[s->who] }, { HEADER_IDEMPOTENCY_KEY, s->idem },
		{ HEADER_VERSION, s->version } };

	assert_true(jobs <= JOBS_MAX);
	arena_init(&j->arena);
	response_init(&j->res);
	j->req = (struct request) { .arena = &j->arena, .method = method_find(str_of(s->method)), .uri = str_of(s->uri),
		.body = s->body ? str_of(s->body) : STR("") };
	for (size_t i = 0; i < COUNTOF(headers); i++) {
		j->req.header[headers[i].header] = str_of(headers[i].value);
		j->req.header_count[headers[i].header] = headers[i].value != NULL;
	}
	j->order = 0;
	j->db = db_share(app_db(app), &j->arena);
	j->fiber = fiber_new(work, j);
	fiber_resume(j->fiber);
	return j;
}

/* Versions that search. */
#define SEARCHING "2026-05-25"
#define SEARCH    "/api/v1/customers?search=nobody", .version = SEARCHING

#define START(...) start(&(struct sent) { __VA_ARGS__ })

static void
forget_sent(void)
{
	sends = parted = 0;
}

static void
execute(const char *sql)
{
	PGresult *res = PQexec(superuser, sql);

	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(superuser));
	PQclear(res);
}

static int64_t
count(const char *sql)
{
	PGresult *res = PQexec(superuser, sql);
	int64_t   n;

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(superuser));
	n = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
	PQclear(res);
	return n;
}

static const char *
fill(const char *format, const char *text)
{
	struct buf  b;
	const char *filled;

	buf_init(&b, 8192);
	for (; *format; format++)
		buf_str(&b, *format == '$' ? str_of(text) : (struct str) { format, 1 });
	filled = arena_str(&test_kept, buf_view(&b)).ptr;
	buf_fini(&b);
	return filled;
}

/* Statements that wait for a lock on customers, or for one of a key. */
static int64_t
blocked(void)
{
	return count("SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
	    " WHERE NOT granted AND datname = current_database()");
}

static void
lock_customers(void)
{
	execute("BEGIN; LOCK TABLE customer IN ACCESS EXCLUSIVE MODE");
}

/* Ends all connections of the lanes. */
static void
cut_all(void)
{
	count("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = 'clientele'"
	    " AND datname = current_database()");
}

static bool
is_done(size_t n)
{
	return n < jobs && fiber_has_ended(job[n].fiber);
}

static bool
all_done(void)
{
	for (size_t i = 0; i < jobs; i++)
		if (!is_done(i))
			return false;
	return true;
}

static bool
contains(const struct job *j, const char *text)
{
	return memmem(j->res.body.ptr, j->res.body.len, text, strlen(text)) != NULL;
}

static void
check_status(const struct job *j, int status)
{
	if (!fiber_has_ended(j->fiber) || j->res.status != status)
		fail_msg("request %zu: %d and not %d: %.*s", (size_t)(j - job), fiber_has_ended(j->fiber) ? j->res.status : 0, status,
		    STR_ARGS(buf_view(&j->res.body)));
}

/* Ends the requests, which must all be done. */
static void
clear(void)
{
	assert_true(all_done());
	for (size_t i = 0; i < jobs; i++) {
		fiber_free(job[i].fiber);
		response_fini(&job[i].res);
		arena_fini(&job[i].arena);
	}
	jobs = 0;
	done = 0;
	forget_sent();
}

#define CREATE "{\"email\":\"a@b.co\",\"id\":\"$\"}"

/* A customer of that external id. */
static const char *
customer(enum tenant_name who)
{
	const char *id = fresh("ext");

	START(who, "POST", "/api/v1/customers", fill(CREATE, id));
	UNTIL(all_done());
	check_status(&job[jobs - 1], 201);
	clear();
	return id;
}

static const char *
uri_of(const char *id)
{
	return fill("/api/v1/customers/$", id);
}

/* Every lane has its connection, and the keys are known. */
static void
warm(void)
{
	START(ACME_LIVE, "GET", "/api/v1/customers?limit=1");
	START(OTHER_LIVE, "GET", "/api/v1/customers?limit=1");
	UNTIL(all_done());
	clear();
	lock_customers();
	for (int i = 0; i < 4; i++) { /* a class without a connection takes others' first */
		START(ACME_LIVE, "GET", "/api/v1/customers?limit=1");
		START(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}");
		START(ACME_LIVE, "GET", SEARCH);
		turn();
	}
	UNTIL(lanes_connected(lanes) == LANES);
	execute("ROLLBACK");
	UNTIL(all_done());
	clear();
}

static int
set_up(void **state UNUSED)
{
	test_conf.request_timeout_ms = 8000;
	warm();
	return 0;
}

/* ---- batches of reads ---- */

static void
reads_of_a_turn_leave_together_and_each_gets_its_own(void **state UNUSED)
{
	const char *id[20], *other = customer(OTHER_LIVE);

	for (size_t i = 0; i < COUNTOF(id); i++)
		id[i] = customer(i % 3 ? ACME_LIVE : OTHER_LIVE);
	for (size_t i = 0; i < COUNTOF(id); i++)
		START(i % 3 ? ACME_LIVE : OTHER_LIVE, "GET", uri_of(id[i]));
	START(ACME_LIVE, "GET", uri_of(other)); /* is another tenant's, */
	START(OTHER_LIVE, "GET", uri_of(id[1])); /* and so is this */
	UNTIL(all_done());
	assert_int_equal(sends, 1);
	assert_int_equal(sent[0].members, COUNTOF(id) + 2);
	for (size_t i = 0; i < COUNTOF(id); i++) {
		check_status(&job[i], 200);
		assert_true(contains(&job[i], id[i]));
		assert_int_equal(job[i].facts.db_trips, 1);
	}
	check_status(&job[COUNTOF(id)], 404);
	check_status(&job[COUNTOF(id) + 1], 404);
	clear();
}

/* What comes while a lane is at work waits, and leaves together too. */
static void
what_comes_meanwhile_is_the_next_batch(void **state UNUSED)
{
	const char *id = customer(ACME_LIVE);

	lock_customers();
	START(ACME_LIVE, "GET", uri_of(id));
	UNTIL(blocked() == 1);
	for (int i = 0; i < 5; i++) {
		START(ACME_LIVE, "GET", uri_of(id));
		turn();
	}
	assert_int_equal(lanes_waiting(lanes), 5);
	execute("ROLLBACK");
	UNTIL(all_done());
	assert_int_equal(sends, 2);
	assert_int_equal(sent[1].members, 5);
	for (size_t i = 0; i < jobs; i++)
		check_status(&job[i], 200);
	clear();
}

static void
one_that_fails_does_not_touch_the_others(void **state UNUSED)
{
	const char *id = customer(ACME_LIVE);

	for (int i = 0; i < 3; i++)
		START(ACME_LIVE, "GET", uri_of(id));
	START(ACME_LIVE, "GET", "/api/v1/customers/ext?externalId=a"); /* whatever it is, it is its own */
	START(ACME_LIVE, "GET", "/api/v1/api-keys");
	execute("REVOKE SELECT ON api_key FROM clientele_serve");
	UNTIL(all_done());
	execute("GRANT SELECT ON api_key TO clientele_serve");
	assert_int_equal(sends, 1);
	for (size_t i = 0; i < 3; i++)
		check_status(&job[i], 200);
	assert_true(job[4].res.status >= 500);
	clear();
}

static void
slow_ones_are_never_among_the_quick_ones(void **state UNUSED)
{
	const char *id = customer(ACME_LIVE);

	for (int i = 0; i < 6; i++)
		START(ACME_LIVE, "GET", i % 3 == 1 ? "/api/v1/customers?search=nobody" : uri_of(id), .version = SEARCHING);
	UNTIL(all_done());
	assert_int_equal(sends, 3);
	for (size_t i = 0; i < sends; i++)
		assert_true(sent[i].members == (i == 0 ? 4 : 1));
	for (size_t i = 0; i < jobs; i++)
		check_status(&job[i], 200);
	clear();
}

static void
tenants_take_turns_with_slow_ones(void **state UNUSED)
{
	for (int i = 0; i < 4; i++)
		START(ACME_LIVE, "GET", SEARCH);
	START(OTHER_LIVE, "GET", SEARCH);
	UNTIL(all_done());
	assert_true(job[4].order <= 2);
	for (size_t i = 0; i < jobs; i++)
		check_status(&job[i], 200);
	clear();
}

/* ---- groups of writes ---- */

enum { GROUP = 8 };

static const char *id_of[GROUP], *key_of[GROUP];

/* Creates with keys, of both tenants in turn. */
static void
start_group(void)
{
	for (size_t i = 0; i < GROUP; i++) {
		id_of[i] = fresh("ext");
		key_of[i] = fresh("key");
		START(i % 2 ? OTHER_LIVE : ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, id_of[i]), .idem = key_of[i]);
	}
}

/* The customers of the i-th, or events of these, in its own environment. */
static int64_t
count_of(size_t i, const char *rows)
{
	char uuid[ID_UUID_BYTES + 1] = "";

	id_uuid(&test_environment[i % 2 ? OTHER_LIVE : ACME_LIVE], uuid);
	return count(arena_fmt(&test_kept, "SELECT count(*) FROM %s WHERE c.external_id = '%s' AND c.environment_id = '%s'", rows,
	    id_of[i], uuid).ptr);
}

/* Each is there once, in its own environment and with its event, and its key gives the same answer again. */
static void
check_group(void)
{
	struct str first[GROUP];

	for (size_t i = 0; i < GROUP; i++) {
		assert_true(is_done(i));
		assert_true(contains(&job[i], id_of[i]));
		assert_int_equal(count_of(i, "customer c"), 1);
		assert_int_equal(count_of(i, "event e JOIN customer c ON c.id = e.customer_id AND c.environment_id = e.environment_id"), 1);
		first[i] = kept(buf_view(&job[i].res.body));
	}
	clear();
	for (size_t i = 0; i < GROUP; i++)
		START(i % 2 ? OTHER_LIVE : ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, id_of[i]), .idem = key_of[i]);
	UNTIL(all_done());
	for (size_t i = 0; i < GROUP; i++) {
		assert_true(job[i].facts.replayed && str_eq(buf_view(&job[i].res.body), first[i]));
		assert_int_equal(count_of(i, "customer c"), 1);
	}
	clear();
}

static int64_t
transactions(void)
{
	struct buf sql;
	int64_t    n;

	buf_init(&sql, 4096);
	buf_fmt(&sql, "SELECT count(DISTINCT xmin::text) FROM customer WHERE external_id IN (''");
	for (size_t i = 0; i < GROUP; i++)
		buf_fmt(&sql, ", '%s'", id_of[i]);
	buf_add(&sql, ")", 2);
	n = count(sql.ptr);
	buf_fini(&sql);
	return n;
}

static void
writes_of_a_turn_have_one_commit(void **state UNUSED)
{
	start_group();
	UNTIL(all_done());
	assert_int_equal(sends, 1);
	assert_true(sent[0].group && sent[0].members == GROUP);
	assert_int_equal(parted, 0);
	assert_int_equal(transactions(), 1);
	for (size_t i = 0; i < GROUP; i++)
		check_status(&job[i], 201);
	check_group();
}

/* The same key of one tenant, or the same external id, whose ever: not in one group. */
static void
twins_are_never_in_one_group(void **state UNUSED)
{
	const char *id = fresh("ext"), *key = fresh("key"), *body = fill(CREATE, id);

	START(ACME_LIVE, "POST", "/api/v1/customers", body, .idem = key);
	START(ACME_LIVE, "POST", "/api/v1/customers", body, .idem = key);
	UNTIL(all_done());
	for (size_t i = 0; i < sends; i++)
		assert_false(sent[i].group);
	check_status(&job[0], 201);
	check_status(&job[1], 201);
	assert_true(str_eq(buf_view(&job[0].res.body), buf_view(&job[1].res.body)));
	assert_int_equal(job[0].facts.replayed + job[1].facts.replayed, 1);
	clear();

	key = fresh("key"); /* for two requests: the second one is refused */
	START(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", .idem = key);
	START(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"c@b.co\"}", .idem = key);
	UNTIL(all_done());
	for (size_t i = 0; i < sends; i++)
		assert_false(sent[i].group);
	assert_int_equal(job[0].res.status + job[1].res.status, 201 + 409);
	clear();

	id = fresh("ext");
	body = fill(CREATE, id);
	START(ACME_LIVE, "POST", "/api/v1/customers", body, .idem = fresh("key"));
	START(ACME_LIVE, "POST", "/api/v1/customers", body, .idem = fresh("key"));
	START(OTHER_LIVE, "POST", "/api/v1/customers", body, .idem = fresh("key"));
	UNTIL(all_done());
	assert_int_equal(job[0].res.status + job[1].res.status, 401); /* one of them found the other's */
	check_status(&job[2], 201);
	assert_int_equal(count(fill("SELECT count(*) FROM customer WHERE external_id = '$'", id)), 2);
	for (size_t i = 0; i < sends; i++)
		assert_false(sent[i].group && sent[i].members > 2);
	clear();
}

/* Some are in the way of what others make, so their answers need what was read. */
static void
members_see_only_their_own_environment(void **state UNUSED)
{
	const char *mine = customer(ACME_LIVE), *theirs = customer(OTHER_LIVE), *key = fresh("key");

	for (int n = 0; n < 2; n++) {
		START(ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, theirs), .idem = key); /* is another's: made */
		START(OTHER_LIVE, "POST", "/api/v1/customers", fill(CREATE, mine), .idem = key);
		START(ACME_LIVE, "PATCH", uri_of(mine), "{\"fullName\":\"mine\"}", .idem = fresh("key"));
		START(OTHER_LIVE, "PATCH", uri_of(theirs), "{\"fullName\":\"theirs\"}", .idem = fresh("key"));
		UNTIL(all_done());
		check_status(&job[0], 201);
		check_status(&job[1], 201);
		check_status(&job[2], 200);
		check_status(&job[3], 200);
		assert_true(contains(&job[2], "\"mine\"") && contains(&job[3], "\"theirs\""));
		assert_int_equal(job[0].facts.replayed, n); /* two tenants with one key */
		assert_int_equal(job[1].facts.replayed, n);
		clear();
	}
	START(ACME_LIVE, "PATCH", uri_of(customer(OTHER_LIVE)), "{\"fullName\":\"x\"}", .idem = fresh("key"));
	START(OTHER_LIVE, "POST", "/api/v1/customers", fill(CREATE, fresh("ext")), .idem = fresh("key"));
	UNTIL(all_done());
	check_status(&job[0], 404);
	check_status(&job[1], 201);
	clear();
}

/* What one has found about its own record is not taken for another's: the last to look has one, the first has none. */
static void
a_repeated_member_does_not_keep_others_from_writing(void **state UNUSED)
{
	const char *a = customer(ACME_LIVE), *b = customer(ACME_LIVE), *key = fresh("key"), *old = fresh("key");
	const char *first = uri_of(strcmp(a, b) < 0 ? a : b), *second = uri_of(strcmp(a, b) < 0 ? b : a);

	/* Of another process, so that nothing here remembers it. */
	assert_int_equal(SEND(ACME_LIVE, "PATCH", second, "{\"fullName\":\"old\"}", .idem = old), 200);
	START(ACME_LIVE, "PATCH", first, "{\"fullName\":\"new\"}", .idem = key);
	START(ACME_LIVE, "PATCH", second, "{\"fullName\":\"old\"}", .idem = old);
	UNTIL(all_done());
	assert_true(sent[0].group && sent[0].members == 2);
	check_status(&job[0], 200);
	check_status(&job[1], 200);
	assert_true(!job[0].facts.replayed && job[1].facts.replayed);
	clear();
	assert_int_equal(SEND(ACME_LIVE, "PATCH", first, "{\"fullName\":\"new\"}", .idem = key), 200);
	assert_true(test_facts.replayed);
}

static int64_t
statements_that_made(const char *condition)
{
	return count(arena_fmt(&test_kept, "SELECT count(DISTINCT (xmin::text, cmin::text)) FROM customer WHERE %s", condition).ptr);
}

/* The same statements in one environment are sent once; what one finds there is not taken for another's. */
static void
members_of_a_bundle_have_their_own_outcomes(void **state UNUSED)
{
	const char *taken = customer(ACME_LIVE), *old = fresh("key"), *made[3] = { fresh("ext"), fresh("ext"), fresh("ext") };
	const char *mail = fresh("mail"), *keys[4] = { fresh("key"), fresh("key"), fresh("key"), fresh("key") };
	const char *nameless = fill("{\"email\":\"$@b.co\"}", mail);

	/* Of another process, so that nothing here remembers it. */
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, made[0]), .idem = old), 201);
	for (int n = 0; n < 2; n++) {
		START(ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, made[1]), .idem = keys[0]);
		START(ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, taken), .idem = keys[1]);
		START(ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, made[0]), .idem = old);
		START(ACME_LIVE, "POST", "/api/v1/customers", nameless, .idem = keys[2]);
		START(ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, made[2]), .idem = keys[3]);
		UNTIL(all_done());
		if (n == 0)
			assert_true(sent[0].group && sent[0].members == 5);
		assert_int_equal(parted, 0);
		for (size_t i = 0; i < 5; i++) {
			check_status(&job[i], i == 1 ? 200 : 201);
			assert_int_equal(job[i].facts.replayed, n || i == 2);
		}
		assert_true(contains(&job[0], made[1]) && contains(&job[1], taken) && contains(&job[2], made[0]));
		assert_true(contains(&job[3], mail) && contains(&job[4], made[2]));
		clear();
	}
	assert_int_equal(statements_that_made(arena_fmt(&test_kept, "external_id IN ('%s', '%s') OR email = '%s@b.co'", made[1], made[2], mail).ptr), 1);
	/* Each event says whose it was. */
	assert_int_equal(count(arena_fmt(&test_kept, "SELECT count(DISTINCT e.source) FROM event e JOIN customer c ON c.id = e.customer_id"
	    " AND c.environment_id = e.environment_id WHERE c.external_id IN ('%s', '%s') OR c.email = '%s@b.co'", made[1], made[2], mail).ptr), 3);
}

/* It is in the way of the new one, so the bundle fails; alone, it is removed first. */
static void
an_expired_record_is_replaced_though_it_was_met_in_a_bundle(void **state UNUSED)
{
	const char *old = fresh("key");

	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, fresh("ext")), .idem = old), 201);
	execute(arena_fmt(&test_kept, "UPDATE idempotency_key SET created_at = created_at - interval '2 days' WHERE key = '%s'", old).ptr);
	for (size_t i = 0; i < 5; i++)
		START(ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, fresh("ext")), .idem = i == 2 ? old : fresh("key"));
	UNTIL(all_done());
	assert_true(sent[0].group && sent[0].members == 5);
	assert_int_equal(parted, 5);
	for (size_t i = 0; i < 5; i++) {
		check_status(&job[i], 201);
		assert_false(job[i].facts.replayed);
	}
	assert_int_equal(count(fill("SELECT count(*) FROM idempotency_key WHERE key = '$' AND created_at > now() - interval '1 hour'", old)), 1);
	clear();
}

/* Not what would be something else for each, or what is in another environment. */
static void
only_the_same_is_sent_once(void **state UNUSED)
{
	const char *made[8]; /* behind 'own' in the order of a group */
	const char *own = customer(ACME_LIVE);

	for (size_t i = 0; i < COUNTOF(made); i++)
		made[i] = fresh("same");
	for (size_t i = 0; i < COUNTOF(made); i++)
		START(i % 2 ? OTHER_LIVE : ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, made[i]), .idem = fresh("key"));
	START(ACME_LIVE, "PATCH", uri_of(own), "{\"fullName\":\"x\"}", .idem = fresh("key"));
	START(ACME_LIVE, "POST", "/api/v1/customers/batch", "{\"customers\":[{\"email\":\"a@b.co\"}]}", .idem = fresh("key"));
	UNTIL(all_done());
	assert_true(sent[0].group && sent[0].members == 9);
	assert_int_equal(parted, 0);
	for (size_t i = 0; i < jobs; i++)
		check_status(&job[i], i < COUNTOF(made) ? 201 : 200);
	assert_int_equal(statements_that_made("external_id LIKE 'same%'"), 2);
	assert_int_equal(count(arena_fmt(&test_kept, "SELECT count(DISTINCT xmin::text) FROM customer WHERE external_id LIKE 'same%%' OR external_id = '%s'",
	    own).ptr), 1);
	clear();
}

/* The constraint fails the group; then each has its own answer. */
static void
one_that_cannot_be_done_fails_alone(void **state UNUSED)
{
	const char *taken = customer(ACME_LIVE), *own = customer(ACME_LIVE);

	start_group();
	START(ACME_LIVE, "PATCH", uri_of(own), fill("{\"externalId\":\"$\"}", taken), .idem = fresh("key"));
	UNTIL(all_done());
	assert_true(sent[0].group && sent[0].members == GROUP + 1);
	assert_int_equal(parted, GROUP + 1);
	for (size_t i = 0; i < GROUP; i++)
		check_status(&job[i], 201);
	check_status(&job[GROUP], 409);
	assert_true(transactions() > 1);
	check_group();
}

/* The number of the lock of a key, as call/idem makes it. */
static int64_t
lock_of(enum tenant_name who, const char *key)
{
	const struct str parts[] = { { (const char *)test_environment[who].b, ID_BYTES }, str_of(key) };
	unsigned char    hash[HASH_BYTES];
	int64_t          number;

	hash_parts(parts, COUNTOF(parts), hash);
	memcpy(&number, hash, sizeof(number));
	return number;
}

static void
nobody_waits_for_the_twin_of_another(void **state UNUSED)
{
	start_group();
	execute(arena_fmt(&test_kept, "BEGIN; SELECT pg_advisory_xact_lock(%lld)", (long long)lock_of(ACME_LIVE, key_of[4])).ptr);
	UNTIL(done == GROUP - 1);
	assert_false(is_done(4));
	assert_true(sent[0].group && sent[0].members == GROUP);
	assert_int_equal(parted, GROUP);
	execute("ROLLBACK");
	UNTIL(all_done());
	for (size_t i = 0; i < GROUP; i++)
		check_status(&job[i], 201);
	check_group();
}

/* ---- deadlines ---- */

static void
one_that_is_late_does_not_end_the_others(void **state UNUSED)
{
	const char *id = customer(ACME_LIVE);

	lock_customers();
	START(ACME_LIVE, "GET", uri_of(id));
	test_conf.request_timeout_ms = 300;
	START(ACME_LIVE, "GET", uri_of(id));
	test_conf.request_timeout_ms = 8000;
	START(ACME_LIVE, "GET", uri_of(id));
	UNTIL(is_done(1));
	assert_int_equal(sent[0].members, 3);
	check_status(&job[1], 503);
	assert_false(is_done(0) || is_done(2));
	execute("ROLLBACK");
	UNTIL(all_done());
	check_status(&job[0], 200);
	check_status(&job[2], 200);
	clear();
}

/* In a queue nothing was done. */
static void
one_that_finds_no_lane_in_time_is_told_that_nothing_was_done(void **state UNUSED)
{
	const char *id = fresh("ext");
	int64_t     begun_ms;

	lock_customers();
	for (int i = 0; i < 2; i++)
		START(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}");
	UNTIL(blocked() == 2);
	test_conf.request_timeout_ms = 300;
	begun_ms = clock_mono_ms();
	START(ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, id));
	test_conf.request_timeout_ms = 8000;
	UNTIL(is_done(2));
	assert_true(clock_mono_ms() - begun_ms >= 300);
	check_status(&job[2], 503);
	assert_true(contains(&job[2], "Nothing was done"));
	execute("ROLLBACK");
	UNTIL(all_done());
	check_status(&job[0], 201);
	check_status(&job[1], 201);
	assert_int_equal(count(fill("SELECT count(*) FROM customer WHERE external_id = '$'", id)), 0);
	clear();
}

/* ---- clients that leave ---- */

static void
what_a_client_has_left_is_dropped_or_cancelled(void **state UNUSED)
{
	const char *id[3] = { fresh("ext"), fresh("ext"), fresh("ext") };

	lock_customers();
	for (int i = 0; i < 2; i++)
		START(ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, id[i]));
	UNTIL(blocked() == 2);
	START(ACME_LIVE, "POST", "/api/v1/customers", fill(CREATE, id[2]));
	turn();
	assert_int_equal(lanes_waiting(lanes), 1);
	lanes_left(job[2].db); /* in the queue: at once */
	assert_true(is_done(2) && job[2].facts.left);
	assert_int_equal(lanes_waiting(lanes), 0);
	assert_int_equal(sends, 2);
	lanes_left(job[0].db); /* alone on its lane: cancelled, although the lock is still held */
	UNTIL(is_done(0));
	assert_true(job[0].facts.left);
	assert_int_equal(blocked(), 1);
	execute("ROLLBACK");
	UNTIL(all_done());
	check_status(&job[1], 201);
	assert_false(job[1].facts.left);
	for (int i = 0; i < 3; i++)
		assert_int_equal(count(fill("SELECT count(*) FROM customer WHERE external_id = '$'", id[i])), i == 1);
	assert_int_equal(lanes_connected(lanes), LANES); /* and the lane goes on */
	clear();
}

static void
in_a_batch_nobody_is_cancelled_for_one_who_left(void **state UNUSED)
{
	const char *id = customer(ACME_LIVE);

	lock_customers();
	for (int i = 0; i < 3; i++)
		START(ACME_LIVE, "GET", uri_of(id));
	UNTIL(blocked() == 1);
	lanes_left(job[1].db);
	for (int i = 0; i < 5; i++)
		turn();
	assert_int_equal(done, 0);
	execute("ROLLBACK");
	UNTIL(all_done());
	check_status(&job[0], 200);
	assert_true(job[1].facts.left);
	check_status(&job[2], 200);
	assert_int_equal(sends, 1);
	clear();
}

/* ---- lost connections ---- */

static void
reads_of_a_lost_batch_run_again(void **state UNUSED)
{
	const char *id[5];

	for (size_t i = 0; i < COUNTOF(id); i++)
		id[i] = customer(ACME_LIVE);
	lock_customers();
	for (size_t i = 0; i < COUNTOF(id); i++)
		START(ACME_LIVE, "GET", uri_of(id[i]));
	UNTIL(blocked() == 1);
	cut_all();
	execute("ROLLBACK");
	UNTIL(all_done());
	for (size_t i = 0; i < COUNTOF(id); i++) {
		check_status(&job[i], 200);
		assert_true(contains(&job[i], id[i]));
	}
	clear();
}

/* A group that waits for a lock is cut off; each member has a key, so each is done once. */
static void
writes_of_a_lost_group_are_done_once(void **state UNUSED)
{
	lock_customers();
	start_group();
	UNTIL(blocked() >= 1);
	cut_all();
	execute("ROLLBACK");
	UNTIL(all_done());
	for (size_t i = 0; i < GROUP; i++)
		check_status(&job[i], 201);
	check_group();
}

/* The commit is done and nobody hears of it. */
static void
cut_behind_the_commit(void)
{
	char          junk[65536];
	struct pollfd wait = { .events = POLLIN };

	synced = NULL;
	lanes_flush(lanes);
	assert_non_null(synced);
	wait.fd = PQsocket(synced);
	assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	while (recv(wait.fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		continue;
	shutdown(wait.fd, SHUT_RDWR);
}

static void
writes_of_a_group_whose_answers_are_lost_are_done_once(void **state UNUSED)
{
	start_group();
	cut_behind_the_commit();
	assert_int_equal(transactions(), 1);
	UNTIL(all_done());
	assert_true(sent[0].group && sent[0].members == GROUP);
	assert_int_equal(transactions(), 1);
	for (size_t i = 0; i < GROUP; i++)
		check_status(&job[i], 201);
	check_group();
}

/* Without a key nobody can know. */
static void
the_outcome_of_a_lost_write_is_told_as_it_is(void **state UNUSED)
{
	const char *name = fresh("name");

	START(ACME_LIVE, "POST", "/api/v1/customers", fill("{\"email\":\"a@b.co\",\"fullName\":\"$\"}", name));
	cut_behind_the_commit();
	UNTIL(all_done());
	check_status(&job[0], 503);
	assert_true(contains(&job[0], "outcome is unknown"));
	assert_int_equal(count(fill("SELECT count(*) FROM customer WHERE full_name = '$'", name)), 1);
	clear();
}

/* ---- shares ---- */

static void
a_tenant_gets_no_more_than_its_share_of_the_lanes_for_writes(void **state UNUSED)
{
	const char *id = customer(ACME_LIVE);
	size_t      gone;

	START(OTHER_LIVE, "GET", "/api/v1/customers?limit=1"); /* another tenant is known */
	UNTIL(all_done());
	clear();
	execute(fill("BEGIN; SELECT FROM customer WHERE external_id = '$' FOR UPDATE", id));
	for (int i = 0; i < 2; i++)
		START(ACME_LIVE, "PATCH", uri_of(id), "{\"fullName\":\"x\"}");
	UNTIL(blocked() == 2);
	/* Another tenant wants a lane: one of the two, which came at once, has to go. */
	START(OTHER_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}");
	UNTIL(is_done(2));
	check_status(&job[2], 201);
	UNTIL(is_done(0) || is_done(1));
	gone = is_done(1);
	check_status(&job[gone], 429);
	assert_false(is_done(!gone));
	/* It gets no further one, but others do. */
	START(ACME_LIVE, "PATCH", uri_of(id), "{\"fullName\":\"y\"}");
	for (int i = 0; i < 3; i++) {
		START(OTHER_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}");
		UNTIL(is_done(jobs - 1));
		check_status(&job[jobs - 1], 201);
	}
	assert_false(is_done(3));
	assert_int_equal(blocked(), 1);
	execute("ROLLBACK");
	UNTIL(all_done());
	check_status(&job[!gone], 200);
	check_status(&job[3], 200);
	clear();
}

/* ---- too few connections ---- */

static void
who_has_waited_longest_gets_the_only_connection(void **state UNUSED)
{
	const char *id = customer(ACME_LIVE);

	is_full = true;
	while (lanes_give_way(lanes, false))
		;
	assert_int_equal(lanes_connected(lanes), 1);
	lock_customers();
	START(ACME_LIVE, "GET", uri_of(id));
	UNTIL(blocked() == 1);
	START(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}");
	turn();
	START(ACME_LIVE, "GET", SEARCH);
	turn();
	START(ACME_LIVE, "GET", uri_of(id));
	turn();
	execute("ROLLBACK");
	UNTIL(all_done());
	is_full = false;
	for (size_t i = 0; i < jobs; i++)
		assert_int_equal(job[i].order, i + 1);
	clear();
}

/* Keys that a worker remembers side by side: a look-up would be a batch of its own. */
static void
choose_keys(void)
{
	unsigned char first[SHA256_BYTES], other[SHA256_BYTES];

	hash_sha256(str_of(test_key[ACME_LIVE]), first);
	for (hash_sha256(str_of(test_key[OTHER_LIVE]), other); first[0] == other[0]; hash_sha256(str_of(test_key[OTHER_LIVE]), other)) {
		struct str text;

		if (SEND(OTHER_LIVE, "POST", "/api/v1/api-keys", "{\"name\":\"another\"}") != 201)
			exit(99);
		text = at("apiKey");
		test_key[OTHER_LIVE] = kept((struct str) { text.ptr + 1, text.len - 2 }).ptr;
	}
}

static void
begin_all(void)
{
	static struct stats_slot stats;

	app_test_begin();
	log_init("test", LOG_LEVEL_ERROR);
	test_conf.auth_cache_ttl_ms = KEYS_MS;
	test_conf.lock_timeout_ms = 6000;
	test_conf.statement_timeout_ms = 7000;
	choose_keys();
	superuser = PQconnectdb("");
	poller = poller_new();
	app = app_new(&test_conf, &stats, test_buckets);
	lanes = lanes_new(&test_conf, poller, KIND, LANES, &hooks);
	if (poller == -1 || !lanes || app_check(app) != DB_CONDITION_FIT)
		exit(99);
	lanes_adopt(lanes, app_db(app));
}

static void
end_all(void)
{
	app_free(app);
	lanes_free(lanes);
	fiber_forget_spare();
	close(poller);
	PQfinish(superuser);
	app_test_end();
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		TEST(reads_of_a_turn_leave_together_and_each_gets_its_own),
		TEST(what_comes_meanwhile_is_the_next_batch),
		TEST(one_that_fails_does_not_touch_the_others),
		TEST(slow_ones_are_never_among_the_quick_ones),
		TEST(tenants_take_turns_with_slow_ones),
		TEST(writes_of_a_turn_have_one_commit),
		TEST(twins_are_never_in_one_group),
		TEST(members_of_a_bundle_have_their_own_outcomes),
		TEST(an_expired_record_is_replaced_though_it_was_met_in_a_bundle),
		TEST(only_the_same_is_sent_once),
		TEST(members_see_only_their_own_environment),
		TEST(a_repeated_member_does_not_keep_others_from_writing),
		TEST(one_that_cannot_be_done_fails_alone),
		TEST(nobody_waits_for_the_twin_of_another),
		TEST(one_that_is_late_does_not_end_the_others),
		TEST(one_that_finds_no_lane_in_time_is_told_that_nothing_was_done),
		TEST(what_a_client_has_left_is_dropped_or_cancelled),
		TEST(in_a_batch_nobody_is_cancelled_for_one_who_left),
		TEST(reads_of_a_lost_batch_run_again),
		TEST(writes_of_a_lost_group_are_done_once),
		TEST(writes_of_a_group_whose_answers_are_lost_are_done_once),
		TEST(the_outcome_of_a_lost_write_is_told_as_it_is),
		TEST(a_tenant_gets_no_more_than_its_share_of_the_lanes_for_writes),
		TEST(who_has_waited_longest_gets_the_only_connection),
	};
	int failed;

	begin_all();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	end_all();
	return failed;
}
