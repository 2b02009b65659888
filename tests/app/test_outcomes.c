/*
 * What is told of a transaction whose connection is lost: at each of its ends, once or again and again. The cut is made
 * between libpq and its socket, so the database goes on as it would.
 */
#include "app_test.h"
#include "call/call.h"
#include "db/verdict.h"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the cut ---- */

enum cut {
	NO_CUT,
	BEFORE_FLUSH, /* the statements do not arrive */
	BEFORE_SYNC,  /* they do, and are not committed */
	AFTER_SYNC,   /* they are, and nobody learns it */
	NO_STATEMENT, /* libpq sends it not, and the connection stays */
	NO_FLUSH,
	NO_SYNC,
	/* Another answer in the place of a customer's row; what behind it comes is read, or not any more. */
	NO_ANSWER,    /* libpq had no memory for it */
	DOUBT,        /* an error about a connection, but this one goes on */
	POOLER,       /* the same, and no more */
	ENDED,        /* PostgreSQL ends the connection */
	NO_MEMORY,    /* likewise, for another reason */
	ONE_MORE,     /* the row, and an answer that nobody asked for */
	ODD,          /* an answer of a kind that no statement has */
};

static enum cut cut;
static unsigned cuts; /* still to be made */

static const char *const sqlstates[] = { [NO_ANSWER] = NULL, [DOUBT] = "08006", [POOLER] = "08P01", [ENDED] = "57P01", [NO_MEMORY] = "53200", [ODD] = NULL };
static unsigned silent; /* answers that do not come any more */
static bool     one_more;

/* A superuser's connection, and what it does once, right after the cut or before the Sync of that number. */
static PGconn     *superuser;
static const char *meanwhile;
static void      (*instead)(void);
static const char *at_flush, *at_sync; /* each time, for so many Syncs */
static unsigned    interferences;
static unsigned    syncs_before;
/* Once for each of that many, before a statement of that name is sent, and when all before it has been answered. */
static const char *at_put, *at_create, *at_taken;
static unsigned    put_left, create_left, taken_left;

int __real_PQpipelineSync(PGconn *conn);
int __wrap_PQpipelineSync(PGconn *conn);
int __real_PQsendQueryPrepared(PGconn *conn, const char *name, int n, const char *const *values, const int *lengths,
    const int *formats, int format);
int __wrap_PQsendQueryPrepared(PGconn *conn, const char *name, int n, const char *const *values, const int *lengths,
    const int *formats, int format);
PGresult *__real_PQgetResult(PGconn *conn);
PGresult *__wrap_PQgetResult(PGconn *conn);
int __real_PQsendFlushRequest(PGconn *conn);
int __wrap_PQsendFlushRequest(PGconn *conn);

static void
execute(const char *sql)
{
	PGresult *res = PQexec(superuser, sql);

	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(superuser));
	PQclear(res);
}

static void
lose(PGconn *conn)
{
	char          junk[65536];
	struct pollfd wait = { .fd = PQsocket(conn), .events = POLLIN };

	cuts--;
	if (cut == AFTER_SYNC) {
		while (PQflush(conn) == 1)
			continue;
		assert_int_equal(poll(&wait, 1, 10000), 1); /* it answers when it has committed */
		while (recv(wait.fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
			continue;
	}
	shutdown(wait.fd, SHUT_RDWR);
	if (meanwhile)
		execute(meanwhile);
	meanwhile = NULL;
}

/* The statement that was sent last. What is asked for an API key, now and then, is not what is cut. */
static const char *last;

static void
interfere(PGconn *conn, const char *sql, unsigned *left)
{
	struct pollfd wait = { .fd = PQsocket(conn), .events = POLLIN };

	if (*left == 0)
		return;
	--*left;
	assert_int_equal(__real_PQsendFlushRequest(conn), 1);
	while (PQflush(conn) == 1)
		continue;
	assert_int_equal(poll(&wait, 1, 10000), 1);
	assert_int_equal(PQconsumeInput(conn), 1); /* so that the next wait is for other answers */
	execute(sql);
}

int
__wrap_PQsendQueryPrepared(PGconn *conn, const char *name, int n, const char *const *values, const int *lengths,
    const int *formats, int format)
{
	last = name;
	if (cut == NO_STATEMENT && cuts && strncmp(name, "customer_", 9) == 0) {
		cuts--;
		return 0;
	}
	if (strcmp(name, "idempotency_put") == 0)
		interfere(conn, at_put, &put_left);
	if (strcmp(name, "customer_create") == 0 || strcmp(name, "customer_create_many") == 0)
		interfere(conn, at_create, &create_left);
	if (strcmp(name, "customer_taken") == 0 || strcmp(name, "customer_settle") == 0)
		interfere(conn, at_taken, &taken_left);
	return __real_PQsendQueryPrepared(conn, name, n, values, lengths, formats, format);
}

/* What PostgreSQL says with that SQLSTATE; NULL: what libpq says by itself. */
static PGresult *
error_with(const char *sqlstate)
{
	PGconn   *conn;
	PGresult *res;

	if (!sqlstate)
		return PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
	conn = PQconnectdb("");
	res = PQexec(conn, arena_fmt(&test_kept, "DO $$ BEGIN RAISE EXCEPTION 'no word of it' USING ERRCODE = '%s'; END $$", sqlstate).ptr);
	PQfinish(conn);
	return res;
}

PGresult *
__wrap_PQgetResult(PGconn *conn)
{
	PGresult *res;

	if (silent) {
		silent--;
		return NULL;
	}
	if (one_more) {
		one_more = false;
		return PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK);
	}
	res = __real_PQgetResult(conn);
	if (cut < NO_ANSWER || !cuts || PQresultStatus(res) != PGRES_TUPLES_OK || PQnfields(res) < 9
	    || strcmp(PQfname(res, 1), "external_id") != 0)
		return res;
	cuts--;
	one_more = cut == ONE_MORE;
	if (one_more)
		return res;
	PQclear(res);
	silent = cut >= POOLER && cut != ODD ? 2 : 0;
	return cut == ODD ? PQmakeEmptyPGresult(NULL, PGRES_COPY_OUT) : error_with(sqlstates[cut]);
}

int
__wrap_PQpipelineSync(PGconn *conn)
{
	void (*act)(void) = instead;
	int sent;

	if (strcmp(last, "key_find") == 0 || strcmp(last, "key_used") == 0 || strcmp(last, "api_key_find") == 0)
		return __real_PQpipelineSync(conn);
	if (at_sync && interferences) {
		interferences--;
		execute(at_sync);
	}
	if (act && syncs_before-- == 0) {
		instead = NULL; /* it may send a request of its own */
		act();
	}
	if (cut == NO_SYNC && cuts) {
		cuts--;
		return 0;
	}
	if (cut == BEFORE_SYNC && cuts)
		lose(conn);
	sent = __real_PQpipelineSync(conn);
	if (cut == AFTER_SYNC && cuts)
		lose(conn);
	return sent;
}

int
__wrap_PQsendFlushRequest(PGconn *conn)
{
	if (at_flush)
		execute(at_flush);
	if (cut == NO_FLUSH && cuts) {
		cuts--;
		return 0;
	}
	if (cut == BEFORE_FLUSH && cuts)
		lose(conn);
	return __real_PQsendFlushRequest(conn);
}

/* ---- what is told, and what was done ---- */

#define NOTHING "Nothing was done; try again."
#define LOOK    "Its outcome is unknown; look before you repeat it."
#define KEYED   "With an Idempotency-Key it could be repeated safely."
#define LOST    "The connection to the database was lost while the request ran. "
#define REPEAT  "Its outcome is unknown; try again with the same Idempotency-Key."

static const char *
sentence(void)
{
	return arena_str(&test_kept, at("message")).ptr;
}

static const char *
text_of(const char *format, const char *a)
{
	size_t head = strcspn(format, "$");

	return format[head] ? arena_fmt(&test_kept, "%.*s%s%s", (int)head, format, a, format + head + 1).ptr : format;
}

static void
what_was_lost_is_told_as_it_is(void **state UNUSED)
{
	static const struct {
		const char *method, *uri, *body;
		bool        key;
		enum cut    cut;
		unsigned    cuts;
		int         status;
		const char *told, *not_told; /* in the message */
		int         made;
	} cases[] = {
		/* Done once for its own id, or for its key, whatever is lost. */
		{ "POST", "", "{\"email\":\"a@b.co\",\"id\":\"$\"}", false, AFTER_SYNC, 1, 201, NULL, NULL, 1 },
		{ "POST", "", "{\"email\":\"a@b.co\",\"id\":\"$\"}", false, AFTER_SYNC, 2, 201, NULL, NULL, 1 },
		{ "POST", "", "{\"email\":\"a@b.co\",\"id\":\"$\"}", false, BEFORE_SYNC, 1, 201, NULL, NULL, 1 },
		{ "POST", "", "{\"email\":\"a@b.co\",\"id\":\"$\"}", true, AFTER_SYNC, 1, 201, NULL, NULL, 1 },
		{ "POST", "", "{\"email\":\"a@b.co\"}", true, AFTER_SYNC, 1, 201, NULL, NULL, 1 },
		{ "POST", "", "{\"email\":\"a@b.co\"}", true, AFTER_SYNC, 2, 201, NULL, NULL, 1 },
		{ "POST", "", "{\"email\":\"a@b.co\"}", true, BEFORE_SYNC, 2, 201, NULL, NULL, 1 },
		{ "POST", "/batch", "{\"customers\":[{\"email\":\"a@b.co\"},{\"email\":\"a@b.co\",\"id\":\"$\"}]}", true, AFTER_SYNC, 1, 200, NULL, NULL, 2 },
		{ "POST", "/batch", "{\"customers\":[{\"email\":\"a@b.co\",\"id\":\"$\"}]}", false, AFTER_SYNC, 1, 200, NULL, NULL, 1 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", true, AFTER_SYNC, 1, 200, NULL, NULL, 0 },
		{ "GET", "/outcome", NULL, false, AFTER_SYNC, 2, 200, NULL, NULL, 0 },
		/* Before the Sync nothing can be done: another run, key or not. */
		{ "POST", "/batch", "{\"customers\":[{\"email\":\"a@b.co\"}]}", false, BEFORE_FLUSH, 2, 200, NULL, NULL, 1 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", true, BEFORE_FLUSH, 2, 200, NULL, NULL, 0 },
		{ "POST", "/batch", "{\"customers\":[{\"email\":\"a@b.co\"}]}", false, BEFORE_FLUSH, 3, 503, NOTHING, "unknown", 0 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", true, BEFORE_FLUSH, 3, 503, NOTHING, "unknown", 0 },
		{ "POST", "", "{\"email\":\"a@b.co\"}", false, NO_STATEMENT, 2, 201, NULL, NULL, 1 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", false, NO_STATEMENT, 3, 503, NOTHING, "unknown", 0 },
		{ "GET", "/outcome", NULL, false, NO_STATEMENT, 2, 200, NULL, NULL, 0 },
		{ "POST", "/batch", "{\"customers\":[{\"email\":\"a@b.co\"}]}", false, NO_FLUSH, 2, 200, NULL, NULL, 1 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", true, NO_FLUSH, 1, 200, NULL, NULL, 0 },
		{ "POST", "", "{\"email\":\"a@b.co\"}", true, NO_SYNC, 1, 201, NULL, NULL, 1 },
		{ "POST", "", "{\"email\":\"a@b.co\"}", false, NO_SYNC, 1, 503, LOOK " " KEYED, NOTHING, 0 },
		/* An error that is told. */
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", false, NO_ANSWER, 1, 503, LOST LOOK " " KEYED, NOTHING, 0 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", true, NO_ANSWER, 1, 200, NULL, NULL, 0 },
		{ "GET", "/outcome", NULL, false, NO_ANSWER, 1, 200, NULL, NULL, 0 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", false, DOUBT, 1, 500, "Something went wrong on our side. Nothing was done.", "unknown", 0 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", false, POOLER, 1, 503, LOST LOOK " " KEYED, NOTHING, 0 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", true, POOLER, 1, 200, NULL, NULL, 0 },
		{ "GET", "/outcome", NULL, false, POOLER, 2, 200, NULL, NULL, 0 },
		{ "GET", "/outcome", NULL, false, ONE_MORE, 2, 200, NULL, NULL, 0 },
		{ "POST", "/batch", "{\"customers\":[{\"email\":\"a@b.co\"}]}", false, ONE_MORE, 1, 200, NULL, NULL, 1 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", false, ONE_MORE, 1, 503, LOST LOOK " " KEYED, NOTHING, 0 },
		{ "GET", "/outcome", NULL, false, ODD, 2, 200, NULL, NULL, 0 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", false, ODD, 1, 503, LOST LOOK " " KEYED, NOTHING, 0 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", true, ODD, 1, 200, NULL, NULL, 0 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", false, ENDED, 2, 200, NULL, NULL, 0 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", false, ENDED, 3, 503, NOTHING, "unknown", 0 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", false, NO_MEMORY, 1, 503, NOTHING, "unknown", 0 },
		/* Nobody knows, and a second run could do it twice. */
		{ "POST", "", "{\"email\":\"a@b.co\"}", false, AFTER_SYNC, 1, 503, LOOK " " KEYED, NOTHING, 1 },
		{ "POST", "", "{\"email\":\"a@b.co\"}", false, BEFORE_SYNC, 1, 503, LOOK " " KEYED, NOTHING, 0 },
		{ "POST", "/batch", "{\"customers\":[{\"email\":\"a@b.co\"}]}", false, AFTER_SYNC, 1, 503, LOOK " " KEYED, NOTHING, 1 },
		{ "PATCH", "/outcome", "{\"fullName\":\"$\"}", false, AFTER_SYNC, 1, 503, LOOK " " KEYED, NOTHING, 0 },
		/* Lost in each run. */
		{ "POST", "", "{\"email\":\"a@b.co\"}", true, AFTER_SYNC, 3, 503, REPEAT, NOTHING, 1 },
		{ "POST", "", "{\"email\":\"a@b.co\"}", true, BEFORE_SYNC, 3, 503, REPEAT, NOTHING, 0 },
		{ "POST", "", "{\"email\":\"a@b.co\",\"id\":\"$\"}", false, AFTER_SYNC, 3, 503, LOOK " " KEYED, NOTHING, 1 },
		{ "GET", "/outcome", NULL, false, AFTER_SYNC, 3, 503, NOTHING, "unknown", 0 },
		{ "GET", "?limit=1", NULL, false, BEFORE_SYNC, 3, 503, NOTHING, "unknown", 0 },
	};

	SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\",\"id\":\"outcome\"}");
	for (size_t i = 0; i < COUNTOF(cases); i++) {
		const char *key = cases[i].key ? fresh("key") : NULL;
		struct sent sent = { ACME_LIVE, cases[i].method, arena_fmt(&test_kept, "/api/v1/customers%s", cases[i].uri).ptr,
			cases[i].body ? text_of(cases[i].body, fresh("x")) : NULL, .idem = key };
		int64_t     before = count_customers(ACME_LIVE);
		struct str  first;
		int         status;

		cut = cases[i].cut;
		cuts = cases[i].cuts;
		status = send_request(&sent);
		cut = NO_CUT;
		if (status != cases[i].status || cuts)
			fail_msg("case %zu: %u cuts are left, %.*s", i, cuts, STR_ARGS(body()));
		first = kept(body());
		if (cases[i].told && (!strstr(sentence(), cases[i].told) || strstr(sentence(), cases[i].not_told)))
			fail_msg("case %zu: %s", i, sentence());
		if (status == 503)
			assert_int_equal(strstr(sentence(), KEYED) != NULL, strstr(cases[i].told, KEYED) != NULL);
		assert_false(test_facts.replayed);
		silent = 0;
		if (status == 500)
			continue;
		if (cases[i].method[0] == 'P' && cases[i].body && !cases[i].uri[0] && status == 201)
			assert_true(str_is(response_find_header(&test_response, "Clientele-Result"), "created"));
		assert_int_equal(count_customers(ACME_LIVE), before + cases[i].made);
		/* What was left of it is in nobody's way. */
		sent.method = "GET";
		sent.uri = "/api/v1/customers/outcome";
		sent.idem = NULL;
		assert_int_equal(send_request(&sent), 200);
		if (!key)
			continue;
		sent.method = cases[i].method;
		sent.uri = arena_fmt(&test_kept, "/api/v1/customers%s", cases[i].uri).ptr;
		sent.idem = key;
		/* What was stored for the key is told when it is asked again; what was not is done now. */
		assert_true(send_request(&sent) < 300);
		assert_int_equal(test_facts.replayed, status != 503 || cases[i].made);
		if (status < 300)
			assert_true(str_eq(first, body()));
		assert_int_equal(count_customers(ACME_LIVE), before + (cases[i].made ? cases[i].made : cases[i].method[1] == 'O'));
	}
}

/* A route that takes no Idempotency-Key does not advise one. */
static void
what_takes_no_key_is_not_told_of_one(void **state UNUSED)
{
	struct str id;

	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/api-keys", "{\"name\":\"lost\"}"), 201);
	id = kept(at("id"));
	cut = AFTER_SYNC;
	cuts = 1;
	assert_int_equal(SEND(ACME_LIVE, "DELETE", arena_fmt(&test_kept, "/api/v1/api-keys/%.*s", (int)id.len - 2, id.ptr + 1).ptr), 503);
	cut = NO_CUT;
	assert_non_null(strstr(sentence(), LOOK));
	assert_null(strstr(sentence(), "Idempotency-Key"));
	assert_non_null(response_find_header(&test_response, "Retry-After").ptr);
	assert_int_equal(SEND(ACME_LIVE, "DELETE", arena_fmt(&test_kept, "/api/v1/api-keys/%.*s", (int)id.len - 2, id.ptr + 1).ptr), 404);
}

/* A key's answer is encrypted with it, and is opened again after a loss. */
static void
a_secret_is_shown_once_and_again_for_the_same_request(void **state UNUSED)
{
	const char *key = fresh("key");
	struct str  first;

	for (unsigned n = 0; n < 2; n++) {
		cut = AFTER_SYNC;
		cuts = n;
		assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/api-keys", "{\"name\":\"sealed\"}", .idem = key), 201);
		cut = NO_CUT;
		assert_int_equal(cuts, 0);
		assert_int_equal(test_facts.replayed, 0);
		first = kept(body());
		assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/api-keys", "{\"name\":\"sealed\"}", .idem = key), 201);
		assert_true(test_facts.replayed && str_eq(first, body()));
		assert_true(str_is(response_find_header(&test_response, "Idempotent-Replayed"), "true"));
		key = fresh("key");
	}
}

static int
number_of(const char *sql)
{
	PGresult *res = PQexec(superuser, sql);
	int       n = atoi(PQgetvalue(res, 0, 0));

	PQclear(res);
	return n;
}

/* Wherever it is cut, there are two keys, of which one has its end, or one that has none. */
static void
a_rotation_is_done_whole_or_not_at_all(void **state UNUSED)
{
	static const enum cut places[] = { BEFORE_SYNC, AFTER_SYNC, NO_SYNC, BEFORE_FLUSH, NO_FLUSH };

	for (size_t i = 0; i < COUNTOF(places); i++)
		for (int keyed = i > 2; keyed < 2; keyed++) { /* only for a key it stops before the commit */
			const char *name = fresh("rotated"), *key = keyed ? fresh("key") : NULL, *uri;
			struct str  id;
			int         status, made, ended;

			assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/api-keys", arena_fmt(&test_kept, "{\"name\":\"%s\"}", name).ptr), 201);
			id = kept(at("id"));
			uri = arena_fmt(&test_kept, "/api/v1/api-keys/%.*s/rotate", (int)id.len - 2, id.ptr + 1).ptr;
			cut = places[i];
			cuts = 1;
			status = SEND(ACME_LIVE, "POST", uri, NULL, .idem = key);
			cut = NO_CUT;
			assert_int_equal(cuts, 0);
			made = number_of(arena_fmt(&test_kept, "SELECT count(*) FROM api_key WHERE name = '%s'", name).ptr) - 1;
			ended = number_of(arena_fmt(&test_kept, "SELECT count(*) FROM api_key WHERE name = '%s' AND successor IS NOT NULL"
			    " AND expires_at < now() + interval '25 h'", name).ptr);
			if (made != ended || made > 1 || (status == 201 && made != 1) || (status != 201 && status != 503))
				fail_msg("cut %d, key %d: %d, %d made, %d ended", (int)places[i], keyed, status, made, ended);
			if (!keyed)
				continue;
			assert_int_equal(SEND(ACME_LIVE, "POST", uri, NULL, .idem = key), 201);
			assert_int_equal(number_of(arena_fmt(&test_kept, "SELECT count(*) FROM api_key WHERE name = '%s'", name).ptr), 2);
		}
}

/*
 * After a run whose outcome is unknown another one fails for certain. If it saw that there is no record of the key, the
 * first one was not done either; and if it did not get that far, or there is one, nobody knows.
 */
static void
a_later_run_proves_only_what_it_saw(void **state UNUSED)
{
	static const char lock[] = "BEGIN; LOCK TABLE customer IN ACCESS EXCLUSIVE MODE";
	static const char revoke[] = "REVOKE SELECT ON idempotency_key FROM clientele_serve";
	static const struct {
		bool        key;
		enum cut    cut;
		const char *meanwhile, *told;
		int         made;
	} cases[] = {
		{ true, BEFORE_SYNC, lock, "Another request holds what this one needs. " NOTHING, 0 },
		{ true, AFTER_SYNC, lock, "Another request holds what this one needs. " REPEAT, 1 },
		{ false, AFTER_SYNC, lock, "Another request holds what this one needs. " LOOK " " KEYED, 1 },
		{ false, BEFORE_SYNC, lock, "Another request holds what this one needs. " LOOK " " KEYED, 0 },
		{ true, AFTER_SYNC, revoke, "Something went wrong on our side. " REPEAT, 1 },
		{ true, BEFORE_SYNC, revoke, "Something went wrong on our side. " REPEAT, 0 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		int64_t before = count_customers(ACME_LIVE);
		int     status;

		cut = cases[i].cut;
		cuts = 1;
		meanwhile = cases[i].meanwhile;
		status = SEND(ACME_LIVE, "POST", "/api/v1/customers", text_of("{\"email\":\"a@b.co\",\"id\":\"$\"}", fresh("x")),
		    .idem = cases[i].key ? fresh("key") : NULL);
		cut = NO_CUT;
		execute(cases[i].meanwhile == lock ? "ROLLBACK" : "GRANT SELECT ON idempotency_key TO clientele_serve");
		if (status != 503 || !at_is("message", arena_fmt(&test_kept, "\"%s\"", cases[i].told).ptr))
			fail_msg("case %zu: %d %s", i, status, sentence());
		assert_int_equal(count_customers(ACME_LIVE), before + cases[i].made);
	}
}

/* The database works on; what was asked of it is cancelled. */
static void
a_request_ends_with_its_time(void **state UNUSED)
{
	const int64_t timeout_ms = test_conf.request_timeout_ms, before = count_customers(ACME_LIVE);

	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/customers?limit=1"), 200);
	test_conf.request_timeout_ms = 300;
	execute("BEGIN; LOCK TABLE customer IN ACCESS EXCLUSIVE MODE");
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/customers?limit=1"), 503);
	assert_true(at_is("message", "\"The request took too long. " NOTHING "\""));
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}"), 503);
	assert_true(at_is("message", "\"The request took too long. " LOOK " " KEYED "\""));
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", .idem = fresh("key")), 503);
	assert_true(at_is("message", "\"The request took too long. " REPEAT "\""));
	execute("ROLLBACK");
	test_conf.request_timeout_ms = timeout_ms;
	assert_int_equal(count_customers(ACME_LIVE), before);
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/customers?limit=1"), 200);
}

/* A twin of the request, in another worker. */
static struct sent twin;
static int         twin_status;
static unsigned    twin_trips;

static void
send_twin(void)
{
	struct response mine = test_response;
	struct facts    facts = test_facts;
	struct arena    arena = test_arena;
	struct app     *app = test_app;
	static struct stats_slot stats;

	response_init(&test_response);
	arena_init(&test_arena);
	test_app = app_new(&test_conf, &stats, test_buckets);
	twin_status = send_request(&twin);
	twin_trips = test_facts.db_trips;
	app_free(test_app);
	arena_fini(&test_arena);
	response_fini(&test_response);
	test_app = app;
	test_arena = arena;
	test_facts = facts;
	test_response = mine;
}

static void
lose_next_before(void)
{
	cut = BEFORE_SYNC;
	cuts = 1;
}

static void
lose_next_after(void)
{
	cut = AFTER_SYNC;
	cuts = 1;
}

/* An answer that was made beforehand is not given, and not kept, when it was wrong. */
static void
what_was_there_is_not_told_as_made(void **state UNUSED)
{
	const char *body_text = text_of("{\"email\":\"a@b.co\",\"id\":\"$\"}", fresh("x")), *key = fresh("key");
	struct str  first;
	int64_t     before;
	unsigned    trips = 0;

	/* One that was right costs one round trip, unless the API key was asked for, too. */
	for (int n = 0; n < 20 && trips != 1; n++) {
		assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", .idem = fresh("key")), 201);
		trips = test_facts.db_trips;
	}
	assert_int_equal(trips, 1);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", body_text), 201);
	first = kept(body());
	before = count_customers(ACME_LIVE);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", body_text, .idem = key), 200);
		assert_true(str_eq(first, body()));
		assert_true(str_is(response_find_header(&test_response, "Clientele-Result"), "existing"));
		assert_int_equal(test_facts.replayed, n);
	}
	/* A look for the record changes nothing, so it runs again when it is lost. */
	cut = AFTER_SYNC;
	cuts = 2;
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", body_text, .idem = key), 200);
	cut = NO_CUT;
	assert_true(cuts == 0 && test_facts.replayed && str_eq(first, body()));
	assert_int_equal(count_customers(ACME_LIVE), before);
}

/* Another program writes the record of the key between the look for it and the commit. */
static void
a_record_that_comes_meanwhile_is_found(void **state UNUSED)
{
	struct sent sent = { ACME_LIVE, "PATCH", "/api/v1/customers/outcome", "{\"fullName\":\"Met\"}", .idem = fresh("key") };
	const char *other = sent.idem;
	struct str  first;
	int64_t     before;
	unsigned    logged;

	assert_int_equal(send_request(&sent), 200);
	/* Once; or it comes and goes, so often that one run is left, or none. */
	for (unsigned n = 0; n < 4; n++) {
		sent.idem = fresh("key");
		at_sync = arena_fmt(&test_kept, "INSERT INTO idempotency_key SELECT environment_id, '%s', request_hash, maker, version, asked,"
		    " status, headers, answer, sealed, created_at FROM idempotency_key WHERE key = '%s'", sent.idem, other).ptr;
		at_flush = n ? arena_fmt(&test_kept, "DELETE FROM idempotency_key WHERE key = '%s'", sent.idem).ptr : NULL;
		interferences = n ? n : 1;
		log_keep();
		send_request(&sent);
		logged = log_count(": 503 service_unavailable: Another request changed the same data");
		assert_int_equal(test_response.status, n < 3 ? 200 : 503);
		assert_int_equal(interferences, 0);
		assert_int_equal(test_facts.replayed, n == 0);
		if (n == 3)
			assert_int_equal(logged, 1);
		if (n == 3)
			assert_true(at_is("message", "\"Another request changed the same data at the same moment. " NOTHING "\"")
			    && at_is("error.code", "\"service_unavailable\"") && !at("id").ptr);
	}
	at_flush = NULL;
	at_sync = NULL;

	/* The same while the record of an answer that was made beforehand is on its way. */
	sent = (struct sent) { ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"met@b.co\"}", .idem = fresh("key") };
	other = sent.idem;
	assert_int_equal(send_request(&sent), 201);
	first = kept(body());
	before = count_customers(ACME_LIVE);
	sent.idem = fresh("key");
	at_put = arena_fmt(&test_kept, "INSERT INTO idempotency_key SELECT environment_id, '%s', request_hash, maker, version, asked,"
	    " status, headers, answer, sealed, created_at FROM idempotency_key WHERE key = '%s'", sent.idem, other).ptr;
	put_left = 1;
	assert_int_equal(send_request(&sent), 201);
	assert_int_equal(put_left, 0);
	assert_true(test_facts.replayed && str_eq(first, body()));
	assert_int_equal(count_customers(ACME_LIVE), before);
}

/* The process that serves the newest connection. */
static int
newest_connection(void)
{
	return number_of("SELECT pid FROM pg_stat_activity WHERE usename = 'clientele_serve'"
	    " AND datname = current_database() ORDER BY backend_start DESC LIMIT 1");
}

/* A repetition after idempotency_ttl is another request; it makes room for its own record, and for no other. */
static void
a_record_ends_with_its_time(void **state UNUSED)
{
	const char *keys[] = { fresh("key"), fresh("key") };
	int64_t     before = count_customers(ACME_LIVE);

	for (int n = 0; n < 2; n++)
		assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", .idem = keys[n]), 201);
	execute(arena_fmt(&test_kept, "UPDATE idempotency_key SET created_at = now() - interval '%jd ms' + interval '1 minute'"
	    " WHERE key IN ('%s', '%s')", (intmax_t)test_conf.idempotency_ttl_ms, keys[0], keys[1]).ptr);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", .idem = keys[0]), 201);
	assert_true(test_facts.replayed);
	execute(arena_fmt(&test_kept, "UPDATE idempotency_key SET created_at = now() - interval '%jd ms' - interval '1 minute'"
	    " WHERE key IN ('%s', '%s')", (intmax_t)test_conf.idempotency_ttl_ms, keys[0], keys[1]).ptr);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", .idem = keys[0]), 201);
		assert_int_equal(test_facts.replayed, n);
	}
	assert_int_equal(count_customers(ACME_LIVE), before + 3);
	assert_int_equal(number_of(arena_fmt(&test_kept, "SELECT count(*) FROM idempotency_key WHERE key = '%s'", keys[1]).ptr), 1);
}

/* What it read may be from a commit that has not reached a standby: it is answered when its own commit has. */
static void
a_repeated_write_commits_what_it_has_read(void **state UNUSED)
{
	struct sent      sent = { ACME_LIVE, "PATCH", "/api/v1/customers/outcome", "{\"fullName\":\"Again\"}", .idem = fresh("key") };
	struct app      *first = test_app;
	struct stats_slot stats = { 0 };
	int              connection;

	assert_int_equal(send_request(&sent), 200);
	test_app = app_new(&test_conf, &stats, test_buckets);
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/customers/outcome"), 200);
	connection = newest_connection();
	assert_int_equal(send_request(&sent), 200);
	assert_true(test_facts.replayed);
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/customers/outcome"), 200);
	assert_int_equal(newest_connection(), connection); /* none was closed to undo it */
	app_free(test_app);
	test_app = first;
}

/* The customer that has the external id is there when the create looks, and gone when it is to be shown. */
static void
what_was_in_the_way_and_is_gone_is_made(void **state UNUSED)
{
	static const char *const bodies[] = {
		"{\"email\":\"new@b.co\",\"id\":\"$\"}", "{\"customers\":[{\"email\":\"first@b.co\"},{\"email\":\"new@b.co\",\"id\":\"$\"}]}",
	};
	char environment[ID_UUID_BYTES + 1] = "";

	id_uuid(&test_environment[ACME_LIVE], environment);
	for (unsigned batch = 0; batch < 2; batch++)
		for (unsigned key = 0; key < 2; key++)
			for (unsigned runs = 1; runs < 4; runs++) {
				const char *id = fresh("x"), *uri = batch ? "/api/v1/customers/batch" : "/api/v1/customers";
				int64_t     before = count_customers(ACME_LIVE);
				/* The first run with a key, of a create alone, has no look at what is there. */
				const unsigned more = key && !batch;

				at_create = arena_fmt(&test_kept, "INSERT INTO customer (environment_id, id, external_id, email, timezone,"
				    " metadata, is_active, created_at, updated_at) VALUES ('%s', gen_random_uuid(), '%s', 'old@b.co', 'UTC',"
				    " '{}', true, now(), now()) ON CONFLICT DO NOTHING", environment, id).ptr;
				at_taken = arena_fmt(&test_kept, "DELETE FROM customer WHERE external_id = '%s'", id).ptr;
				create_left = runs + more;
				taken_left = runs;
				SEND(ACME_LIVE, "POST", uri, text_of(bodies[batch], id), .idem = key ? fresh("key") : NULL);
				assert_int_equal(create_left + taken_left, 0);
				if (test_response.status != (runs == 3 ? 503 : batch ? 200 : 201))
					fail_msg("batch %u, key %u, runs %u: %.*s", batch, key, runs, STR_ARGS(body()));
				if (runs == 3)
					assert_true(at_is("message", "\"Another request changed the same data at the same moment. " NOTHING "\""));
				else
					assert_true(at_is(batch ? "successful.1.status" : "email", batch ? "\"created\"" : "\"new@b.co\""));
				assert_int_equal(count_customers(ACME_LIVE), before + (runs == 3 ? 0 : 1 + batch));
			}
}

/* One that comes while the first one still runs waits for its lock, once, and is asked to come again. */
static void
a_twin_does_not_wait_twice(void **state UNUSED)
{
	twin = (struct sent) { ACME_LIVE, "PATCH", "/api/v1/customers/outcome", "{\"fullName\":\"Twin\"}", .idem = fresh("key") };
	syncs_before = 0;
	instead = send_twin;
	assert_int_equal(send_request(&twin), 200);
	instead = NULL;
	assert_int_equal(twin_status, 409);
	assert_int_equal(twin_trips, 3); /* to connect, for its key, and for the lock */
	assert_int_equal(send_request(&twin), 200);
	assert_true(test_facts.replayed);
}

/* A refusal is kept for the key, and the twin's may have come first. */
static void
a_refusal_is_the_one_that_was_kept_first(void **state UNUSED)
{
	const char *taken = fresh("x"), *id = fresh("x");

	SEND(ACME_LIVE, "POST", "/api/v1/customers", text_of("{\"email\":\"a@b.co\",\"id\":\"$\"}", taken));
	SEND(ACME_LIVE, "POST", "/api/v1/customers", text_of("{\"email\":\"a@b.co\",\"id\":\"$\"}", id));
	for (unsigned syncs = 1; syncs < 3; syncs++) {
		twin = (struct sent) { ACME_LIVE, "PATCH", text_of("/api/v1/customers/$", id), text_of("{\"externalId\":\"$\"}", taken), .idem = fresh("key") };
		syncs_before = syncs;
		instead = send_twin;
		assert_int_equal(send_request(&twin), 409);
		assert_true(at_is("error.code", "\"duplicate\""));
		assert_int_equal(test_facts.replayed, syncs == 1);
		instead = NULL;
		if (syncs == 1)
			assert_int_equal(twin_status, 409);
		assert_int_equal(send_request(&twin), 409);
		assert_true(at_is("error.code", "\"duplicate\"") && test_facts.replayed);
		assert_string_equal(err_info(test_facts.error)->code, "duplicate"); /* for the log */
	}
	/* It is stored even when that is lost the first time. */
	for (unsigned n = 0; n < 2; n++) {
		twin.idem = fresh("key");
		syncs_before = 1;
		instead = n ? lose_next_after : lose_next_before;
		assert_int_equal(send_request(&twin), 409);
		cut = NO_CUT;
		assert_int_equal(cuts, 0);
		assert_int_equal(test_facts.replayed, 0);
		assert_int_equal(send_request(&twin), 409);
		assert_int_equal(test_facts.replayed, 1);
	}
	/* Where it cannot be stored, because another program has just taken the key, it is the answer all the same. */
	SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", .idem = id);
	twin.idem = fresh("key");
	at_put = arena_fmt(&test_kept, "INSERT INTO idempotency_key SELECT environment_id, '%s', request_hash, maker, version, asked,"
	    " status, headers, answer, sealed, created_at FROM idempotency_key WHERE key = '%s'", twin.idem, id).ptr;
	put_left = 1;
	log_keep();
	send_request(&twin);
	assert_int_equal(log_count("the refusal was not recorded: "), 1);
	assert_int_equal(put_left, 0);
	assert_int_equal(test_response.status, 409);
	assert_true(at_is("error.code", "\"duplicate\"") && at_is("error.param", "\"externalId\"") && !test_facts.replayed);
	assert_int_equal(send_request(&twin), 409);
	assert_true(at_is("error.code", "\"idempotency_key_mismatch\""));
	/* Even when the answer that says so is lost. */
	twin.idem = fresh("key");
	cut = AFTER_SYNC;
	cuts = 1;
	assert_int_equal(send_request(&twin), 409);
	cut = NO_CUT;
	assert_int_equal(cuts, 0);
	assert_true(at_is("error.code", "\"duplicate\""));
}

/* ---- the sentences ---- */

static void
a_failure_is_told_by_outcome_and_reason(void **state UNUSED)
{
	static const struct route plain = { METHOD_DELETE, "x", 0, V_FIRST, NULL }, writes = { METHOD_POST, "x", ROUTE_WRITES, V_FIRST, NULL };
	static const struct {
		enum db_status  status;
		enum tx_outcome outcome;
		enum sql_id     failed; /* SQL__COUNT: none */
		bool            key, writes;
		enum err        code;
		const char     *message;
		bool            cut;
	} failures[] = {
		{ DB_LOCKED, TX_UNDONE, SQL__COUNT, false, true, ERR_UNAVAILABLE, "Another request holds what this one needs. " NOTHING },
		{ DB_TIMEOUT, TX_UNDONE, SQL__COUNT, false, true, ERR_UNAVAILABLE, "The request took too long. " NOTHING },
		{ DB_TIMEOUT, TX_UNKNOWN, SQL__COUNT, false, false, ERR_UNAVAILABLE, "The request took too long. " LOOK },
		{ DB_TIMEOUT, TX_UNKNOWN, SQL__COUNT, false, true, ERR_UNAVAILABLE, "The request took too long. " LOOK " " KEYED },
		{ DB_TIMEOUT, TX_UNKNOWN, SQL__COUNT, true, true, ERR_UNAVAILABLE, "The request took too long. " REPEAT },
		{ DB_GONE, TX_UNDONE, SQL__COUNT, true, true, ERR_UNAVAILABLE, "The service is temporarily unavailable. " NOTHING },
		{ DB_GONE, TX_UNKNOWN, SQL__COUNT, true, true, ERR_UNAVAILABLE, "The connection to the database was lost while the request ran. " REPEAT },
		{ DB_FAILED, TX_UNDONE, SQL__COUNT, true, true, ERR_INTERNAL, "Something went wrong on our side. Nothing was done." },
		{ DB_FAILED, TX_UNKNOWN, SQL__COUNT, true, true, ERR_UNAVAILABLE, "Something went wrong on our side. " REPEAT },
		{ DB_UNIQUE, TX_UNDONE, SQL__COUNT, false, true, ERR_INTERNAL, "Something went wrong on our side. Nothing was done." },
		{ DB_LOCKED, TX_UNDONE, SQL_ENVIRONMENT_ENTER_ALONE, true, true, ERR_IDEM_IN_PROGRESS, "A request with this idempotency key is still running." },
		{ DB_TIMEOUT, TX_UNDONE, SQL_ENVIRONMENT_ENTER_ALONE, true, true, ERR_IDEM_IN_PROGRESS, "A request with this idempotency key is still running." },
		{ DB_LOCKED, TX_UNKNOWN, SQL_ENVIRONMENT_ENTER_ALONE, true, true, ERR_UNAVAILABLE, "Another request holds what this one needs. " REPEAT },
		{ DB_FAILED, TX_UNDONE, SQL_ENVIRONMENT_ENTER_ALONE, true, true, ERR_INTERNAL, "Something went wrong on our side. Nothing was done." },
		{ DB_FAILED, TX_UNDONE, SQL_IDEMPOTENCY_LOOK, true, true, ERR_IDEM_UNAVAILABLE, "The idempotency record cannot be read or written. " NOTHING },
		{ DB_FAILED, TX_UNDONE, SQL_IDEMPOTENCY_PUT, true, true, ERR_IDEM_UNAVAILABLE, "The idempotency record cannot be read or written. " NOTHING },
		{ DB_LOCKED, TX_UNDONE, SQL_CUSTOMER_UPDATE, true, true, ERR_UNAVAILABLE, "Another request holds what this one needs. " NOTHING },
		/* Cut short because its tenant has too much of the workers. */
		{ DB_TIMEOUT, TX_UNDONE, SQL__COUNT, true, true, ERR_RATE_LIMITED,
		    "This environment has as many requests in hand as it may have while others wait. " NOTHING, true },
		{ DB_TIMEOUT, TX_UNKNOWN, SQL__COUNT, true, true, ERR_UNAVAILABLE, "The request took too long. " REPEAT, true },
		{ DB_GONE, TX_UNDONE, SQL__COUNT, true, true, ERR_UNAVAILABLE, "The service is temporarily unavailable. " NOTHING, true },
	};

	for (size_t i = 0; i < COUNTOF(failures); i++) {
		struct facts facts = { .over_share = false };
		struct call  c = { .arena = &test_kept, .route = failures[i].writes ? &writes : &plain, .facts = &facts,
			.idem.key = failures[i].key ? STR("k") : STR_NONE };
		struct tx   tx;
		enum err    e;

		tx_init(&tx, test_serve, &test_kept);
		tx.outcome = failures[i].outcome;
		tx.cut = failures[i].cut;
		if (failures[i].failed != SQL__COUNT) {
			tx_step(&tx, failures[i].failed);
			tx.failed = 0;
		}
		snprintf(tx.log, sizeof(tx.log), "why");
		e = call_db_failed(&c, &tx, failures[i].status);
		if (e != failures[i].code || c.problem.code != e || strcmp(c.problem.message, failures[i].message) != 0)
			fail_msg("failure %zu: %s", i, c.problem.message);
		assert_string_equal(c.problem.log, failures[i].outcome == TX_UNKNOWN ? "why; outcome unknown" : "why");
		assert_int_equal(facts.over_share, e == ERR_RATE_LIMITED);
		/* Any of 1 to 3, by chance. */
		for (int n = 0; e == ERR_RATE_LIMITED && n < 1000; n++) {
			assert_int_equal(call_db_failed(&c, &tx, failures[i].status), e);
			assert_in_range(c.problem.retry_after_s, 1, 3);
		}
		if (e == ERR_RATE_LIMITED)
			assert_string_equal(c.problem.log, "why");
		else
			assert_int_equal(c.problem.retry_after_s, err_info(e)->status == 503);
		if (e == ERR_IDEM_IN_PROGRESS || e == ERR_IDEM_UNAVAILABLE)
			assert_string_equal(c.problem.param, "Idempotency-Key");
		else
			assert_null(c.problem.param);
	}
}

/* What PostgreSQL says is judged by its SQLSTATE, or by the class that it begins with. */
static void
an_error_of_the_database_has_a_meaning(void **state UNUSED)
{
	static const struct {
		const char    *sqlstate;
		struct verdict verdict;
	} errors[] = {
		{ "23505", { .status = DB_UNIQUE } },
		{ "23503", { .status = DB_FAILED } },
		{ "55P03", { .status = DB_LOCKED } },
		{ "55000", { .status = DB_FAILED } },
		{ "57014", { .status = DB_TIMEOUT } },
		{ "40001", { .status = DB_TIMEOUT, .retry = true } },
		{ "40P01", { .status = DB_TIMEOUT, .retry = true } },
		{ "40002", { .status = DB_FAILED } },
		{ "0A000", { .status = DB_FAILED, .retry = true, .close = true } },
		{ "26000", { .status = DB_GONE, .retry = true, .close = true } },
		{ "42P05", { .status = DB_GONE, .retry = true, .close = true } },
		{ "42P01", { .status = DB_FAILED } },
		{ "08P01", { .status = DB_GONE, .close = true, .doubt = true } },
		{ "08006", { .status = DB_GONE, .close = true, .doubt = true } },
		{ "25006", { .status = DB_GONE, .retry = true, .close = true } },
		{ "57P01", { .status = DB_GONE, .retry = true, .close = true } },
		{ "57P03", { .status = DB_GONE, .retry = true, .close = true } },
		{ "53300", { .status = DB_GONE, .close = true } },
		{ "53100", { .status = DB_GONE } },
		{ "53200", { .status = DB_GONE } },
		{ "XX000", { .status = DB_FAILED } },
	};
	PGconn *conn = PQconnectdb(getenv("CLIENTELE_TEST_OWNER_URL"));

	for (size_t i = 0; i < COUNTOF(errors); i++) {
		const char    *sql = arena_fmt(&test_kept, "DO $$ BEGIN RAISE EXCEPTION 'no word of it' USING ERRCODE = '%s',"
		       " CONSTRAINT = 'taken'; END $$", errors[i].sqlstate).ptr;
		PGresult      *res = PQexec(conn, sql);
		struct tx      tx;
		struct verdict got;

		tx_init(&tx, test_serve, &test_kept);
		tx_step(&tx, SQL_CUSTOMER_GET);
		tx_step(&tx, SQL_CUSTOMER_UPDATE);
		got = verdict_of(&tx, 1, res);
		PQclear(res);
		if (got.status != errors[i].verdict.status || got.retry != errors[i].verdict.retry || got.close != errors[i].verdict.close
		    || got.doubt != errors[i].verdict.doubt || got.unseen)
			fail_msg("%s", errors[i].sqlstate);
		assert_int_equal(tx.failed, 1);
		assert_string_equal(tx.constraint, "taken");
		assert_string_equal(tx.sqlstate, errors[i].sqlstate);
		if (got.doubt)
			assert_string_equal(tx.log, arena_fmt(&test_kept,
			    "connection lost with SQLSTATE %s (no word of it), first statement customer_get", errors[i].sqlstate).ptr);
		else
			assert_string_equal(tx.log, arena_fmt(&test_kept,
			    "statement customer_update failed with SQLSTATE %s on taken", errors[i].sqlstate).ptr);
	}
	PQfinish(conn);
}

/* One that libpq made itself has no SQLSTATE. */
static void
an_error_of_libpq_is_a_lost_connection(void **state UNUSED)
{
	PGresult      *res = PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
	struct tx      tx;
	struct verdict got;

	tx_init(&tx, test_serve, &test_kept);
	tx_step(&tx, SQL_CUSTOMER_GET);
	got = verdict_of(&tx, 0, res);
	PQclear(res);
	assert_true(got.status == DB_GONE && got.close && got.doubt && got.unseen && !got.retry);
	assert_int_equal(tx.failed, TX_STEPS_MAX);
}

/* ---- the transaction itself ---- */

static void
a_transaction_begins_with_nothing(void **state UNUSED)
{
	struct tx tx;

	for (int was = 0; was < 2; was++) {
		memset(&tx, was ? 0xFF : 0, sizeof(tx));
		tx_init(&tx, test_serve, &test_kept);
		assert_true(tx.db == test_serve && tx.arena == &test_kept);
		assert_false(tx.reads || tx.again || tx.then || tx.with);
		assert_true(tx.last_undone && tx.outcome == TX_UNDONE);
		assert_int_equal(tx.steps, 0);
		assert_true(tx.failed >= TX_STEPS_MAX);
		assert_string_equal(tx.constraint, "");
		assert_string_equal(tx.log, "");
		assert_false(tx_answered(&tx, 0) || tx_failed_at(&tx, SQL_MARK_RECORD));
		tx_step(&tx, SQL_IDEMPOTENCY_PUT);
		assert_false(tx_answered(&tx, 0) || tx_failed_at(&tx, SQL_MARK_RECORD));
		tx.failed = 0;
		assert_true(tx_failed_at(&tx, SQL_MARK_RECORD));
	}
}

static void
a_step_tells_what_it_read_and_changed(void **state UNUSED)
{
	struct tx    tx;
	struct id    none = id_new();
	struct row   row;

	db_meter_take(test_serve);
	tx_init(&tx, test_serve, &test_kept);
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[ACME_LIVE]);
	tx_step(&tx, SQL_SCHEMA_VERSION);
	bind_id(tx_step(&tx, SQL_CUSTOMER_GET), &test_environment[ACME_LIVE]);
	bind_id(&tx.step[2].bind, &none);
	assert_false(tx_answered(&tx, 1));
	assert_int_equal(tx_run(&tx), DB_OK);
	assert_true(tx.outcome == TX_DONE && !tx.last_undone);
	assert_true(tx_answered(&tx, 0) && tx_answered(&tx, 2) && !tx_answered(&tx, 3));
	assert_int_equal(tx_rows(&tx, 1), 1);
	assert_int_equal(tx_affected(&tx, 1), 1);
	assert_int_equal(tx_rows(&tx, 2), 0);
	assert_int_equal(tx_affected(&tx, 2), 0);
	row = tx_row(&tx, 1, 0);
	assert_true(row_i64(&row, COL_SCHEMA_VERSION_VERSION) > 1);
	assert_string_equal(tx_statement(&tx, 1), "schema_version");
	/* What is measured of it. */
	{
		struct db_meter meter = db_meter_take(test_serve);

		assert_int_equal(meter.trips, 1);
		assert_true(meter.us > 0 && meter.us < 60000000);
		for (enum sql_id id = 0; id < SQL__COUNT; id++)
			assert_int_equal(meter.statements.word[id / 64] >> id % 64 & 1,
			    id == SQL_ENVIRONMENT_ENTER || id == SQL_SCHEMA_VERSION || id == SQL_CUSTOMER_GET);
	}
}

/* One that the next run would repeat is told apart from what an earlier transaction left behind. */
static void
a_step_that_fails_is_named(void **state UNUSED)
{
	struct tx    tx;
	struct bind *b;

	for (int n = 1; n >= 0; n--) {
		const int connection = newest_connection();

		tx_init(&tx, test_serve, &test_kept);
		bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[ACME_LIVE]);
		b = tx_step(&tx, n ? SQL_API_KEY_LIMIT : SQL_ENVIRONMENT_LIVING_KEYS);
		bind_id(b, &test_environment[ACME_LIVE]);
		if (n) {
			bind_id(b, &test_environment[ACME_LIVE]);
			bind_null(b);
		} else {
			bind_i64(b, 1);
		}
		tx_step(&tx, SQL_SCHEMA_VERSION);
		assert_int_equal(tx_run(&tx), n ? DB_FAILED : DB_OK);
		assert_int_equal(newest_connection(), connection); /* an error is no reason to leave it */
		assert_int_equal(tx.failed < tx.steps, n);
		assert_int_equal(tx.sqlstate[0] != '\0', n);
		assert_int_equal(tx.log[0] != '\0', n);
		assert_int_equal(tx.outcome, n ? TX_UNDONE : TX_DONE);
		if (n) {
			assert_int_equal(tx.failed, 1);
			assert_string_equal(tx.sqlstate, "42501");
			assert_string_equal(tx.constraint, "");
			assert_string_equal(tx.log, "statement api_key_limit failed with SQLSTATE 42501");
			assert_true(tx_answered(&tx, 0) && !tx_answered(&tx, 1) && !tx_answered(&tx, 2));
		}
	}
}

/* What the log is told of a connection that was lost. */
static void
a_lost_connection_is_noted(void **state UNUSED)
{
	static const struct {
		enum cut    cut;
		unsigned    cuts;
		const char *log;
	} cases[] = {
		{ AFTER_SYNC, 1, "connection lost, first statement environment_enter" },
		{ AFTER_SYNC, 3, "connection lost, first statement environment_enter" },
		{ NO_ANSWER, 3, "libpq lost an answer, first statement environment_enter" },
		{ POOLER, 3, "connection lost with SQLSTATE 08P01 (no word of it), first statement environment_enter" },
		{ ENDED, 3, "statement customer_get failed with SQLSTATE 57P01" },
		{ NO_MEMORY, 1, "statement customer_get failed with SQLSTATE 53200" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct tx tx;

		tx_init(&tx, test_serve, &test_kept);
		tx.reads = cases[i].cuts > 1;
		bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[ACME_LIVE]);
		bind_id(tx_step(&tx, SQL_CUSTOMER_GET), &test_environment[ACME_LIVE]);
		bind_id(&tx.step[1].bind, &test_environment[ACME_LIVE]);
		cut = cases[i].cut;
		cuts = cases[i].cuts;
		assert_int_equal(tx_run(&tx), DB_GONE);
		cut = NO_CUT;
		silent = 0;
		assert_int_equal(cuts, 0);
		assert_string_equal(tx.log, cases[i].log);
		assert_int_equal(tx.outcome, cases[i].cuts > 1 || cases[i].cut == NO_MEMORY ? TX_UNDONE : TX_UNKNOWN);
		/* The connection was left: the next transaction has another one, and goes at once. */
		db_meter_take(test_serve);
		assert_int_equal(tx_run(&tx), DB_OK);
		assert_int_equal(db_meter_take(test_serve).trips, 1);
		assert_string_equal(tx.log, "");
	}
}

/* Nothing is sent for a client that has left. */
static void
nothing_is_sent_for_one_who_has_left(void **state UNUSED)
{
	struct tx tx;

	db_meter_take(test_serve);
	tx_init(&tx, test_serve, &test_kept);
	tx_step(&tx, SQL_SCHEMA_VERSION);
	assert_int_equal(tx_run(&tx), DB_OK);
	db_meter_take(test_serve);
	test_serve->meter.left = true;
	assert_int_equal(tx_run(&tx), DB_GONE);
	assert_true(tx.outcome == TX_UNDONE && tx.last_undone && !tx_answered(&tx, 0));
	assert_string_equal(tx.log, "not sent: the client has left");
	assert_int_equal(db_meter_take(test_serve).trips, 0);
	assert_int_equal(tx_run(&tx), DB_OK);
	assert_string_equal(tx.log, "");
}

/* A client that leaves while the database works: nobody waits for it, and the log has no failure. */
static void
who_has_left_is_not_waited_for(void **state UNUSED)
{
	const int64_t timeout_ms = test_conf.request_timeout_ms;
	struct peer   peer = { .leaves = POLLRDHUP };
	int           ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	peer.fd = ends[0];
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/customers?limit=1", .peer = &peer), 200);
	assert_false(test_facts.left);
	close(ends[1]);
	test_conf.request_timeout_ms = 600 * 1000;
	execute("BEGIN; LOCK TABLE customer IN ACCESS EXCLUSIVE MODE");
	log_keep();
	SEND(ACME_LIVE, "GET", "/api/v1/customers?limit=1", .peer = &peer);
	assert_int_equal(log_count("request "), 0);
	execute("ROLLBACK");
	assert_true(test_facts.left && test_response.status == 503);
	/* The next one is another client's. */
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/customers?limit=1"), 200);
	assert_false(test_facts.left);
	test_conf.request_timeout_ms = timeout_ms;
	close(ends[0]);
}

/* Each statement goes with its text, and each transaction with the settings that it must have. */
static void
without_prepared_statements_it_is_the_same(void **state UNUSED)
{
	const char *key = fresh("key"), *id = fresh("x");
	struct str  first;

	test_conf.prepared_statements = false;
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", text_of("{\"email\":\"a@b.co\",\"id\":\"$\"}", id), .idem = key), 201);
	first = kept(body());
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", text_of("{\"email\":\"a@b.co\",\"id\":\"$\"}", id), .idem = key), 201);
	assert_true(test_facts.replayed && str_eq(first, body()));
	assert_int_equal(SEND(ACME_LIVE, "PATCH", text_of("/api/v1/customers/$", id), "{\"fullName\":\"P\"}", .idem = fresh("key")), 200);
	assert_true(at_is("fullName", "\"P\""));
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/customers?limit=1"), 200);
	execute("BEGIN; LOCK TABLE customer IN ACCESS EXCLUSIVE MODE");
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}"), 503);
	assert_true(at_is("message", "\"Another request holds what this one needs. " NOTHING "\"")); /* lock_timeout */
	execute("ROLLBACK");
	assert_int_equal(SEND(ACME_LIVE, "GET", text_of("/api/v1/customers/$", id)), 200);
	test_conf.prepared_statements = true;
	assert_int_equal(SEND(ACME_LIVE, "GET", text_of("/api/v1/customers/$", id)), 200);
}

/* One refusal in a while has the key looked up, behind the answer, so that another limit is noticed. */
static void
a_refused_key_is_looked_up_now_and_then(void **state UNUSED)
{
	/* Once more where this machine takes longer than a key is trusted: then it has been looked up just now. */
	for (int lifted = 0, tries = 0; lifted < 2 && tries < 40; tries++) {
		struct sent sent = { ACME_LIVE, "GET", "/api/v1/customers?limit=1" };
		const char *prefix;

		assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/api-keys", "{\"name\":\"limited\"}"), 201);
		prefix = arena_fmt(&test_kept, "%.*s", (int)at("prefix").len - 2, at("prefix").ptr + 1).ptr;
		sent.key = arena_fmt(&test_kept, "%.*s", (int)at("apiKey").len - 2, at("apiKey").ptr + 1).ptr;
		execute(arena_fmt(&test_kept, "UPDATE api_key SET rate_limit = '1/h burst 1', limit_of = NULL WHERE prefix = '%s'", prefix).ptr);
		assert_int_equal(send_request(&sent), 200);
		assert_int_equal(send_request(&sent), 429);
		if (test_facts.db_trips)
			continue;
		for (int n = 0; n < 3; n++) {
			/* The other limit counts when this worker does not trust what it has seen of the key any more. */
			for (int wait = 0; wait < 200 && send_request(&sent) == 429 && n && lifted; wait++) {
				app_after(test_app);
				poll(NULL, 0, 10);
			}
			assert_int_equal(test_response.status, n && lifted ? 200 : 429);
			if (lifted)
				execute(arena_fmt(&test_kept, "UPDATE api_key SET rate_limit = 'off' WHERE prefix = '%s'", prefix).ptr);
			last = "nothing";
			app_after(test_app);
			if (!n || !lifted)
				assert_string_equal(last, n ? "nothing" : "key_find");
		}
		lifted++;
		assert_true(tries < 39);
	}
}

/* How often the log says it, of so many statements that are not there any more. */
static unsigned
suspicions(unsigned signs)
{
	PGconn *conn = PQconnectdb("");

	log_keep();
	for (; signs > 0; signs--) {
		PGresult *res = PQexec(conn, "EXECUTE nothing");
		struct tx tx;

		tx_init(&tx, test_serve, &test_kept);
		tx_step(&tx, SQL_CUSTOMER_GET);
		verdict_of(&tx, 0, res);
		PQclear(res);
	}
	PQfinish(conn);
	return log_count("set prepared_statements = off");
}

/* One may be an accident. */
static void
a_pooler_is_suspected_once(void **state UNUSED)
{
	test_serve->lane->pooler_signs = 0;
	assert_int_equal(suspicions(1), 0);
	assert_int_equal(suspicions(3), 1);
	assert_int_equal(suspicions(3), 0);
}

/* Before a refusal by rules it is looked whether the key has an answer: whoever cannot look does not refuse. */
static void
a_look_that_fails_is_no_answer(void **state UNUSED)
{
	struct sent sent = { ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"no address\"}", .idem = fresh("key") };
	const char *done = fresh("key");

	assert_int_equal(send_request(&sent), 400);
	cut = BEFORE_SYNC;
	cuts = 3;
	assert_int_equal(send_request(&sent), 503);
	assert_non_null(strstr(sentence(), "The service is temporarily unavailable. " NOTHING));
	assert_int_equal(cuts, 0);
	cut = NO_CUT;
	assert_int_equal(send_request(&sent), 400);
	/* The same for a key that this worker knows: the write is not begun. */
	sent = (struct sent) { ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", .idem = done };
	assert_int_equal(send_request(&sent), 201);
	cut = BEFORE_SYNC;
	cuts = 3;
	assert_int_equal(send_request(&sent), 503);
	assert_non_null(strstr(sentence(), "The service is temporarily unavailable. " NOTHING));
	assert_int_equal(cuts, 0);
	cut = NO_CUT;
	assert_int_equal(send_request(&sent), 201);
	assert_true(test_facts.replayed);
}

/* What app_check() finds, what it says of that, and what the scoreboard shows. */
static void
how_it_stands_with_the_database_is_told(void **state UNUSED)
{
	static const struct {
		const char       *role, *host; /* NULL: as the tests are */
		const char       *done;        /* before, by a superuser, with the role's name in the place of '$' */
		enum db_condition found;
		const char       *why;
		enum stats_db     state;
		const char       *level; /* of its line in the log, or NULL */
	} cases[] = {
		{ "clientele_serve", NULL, NULL, DB_CONDITION_FIT, "", STATS_DB_CONNECTED, NULL },
		{ NULL, NULL, "CREATE ROLE \"$\" LOGIN SUPERUSER", DB_CONDITION_UNFIT, "connects as a superuser", STATS_DB_CONNECTED, "error" },
		{ NULL, NULL, "CREATE ROLE \"$\" LOGIN CONNECTION LIMIT 0", DB_CONDITION_NO_ROOM, "room", STATS_DB_NO_ROOM, "warn" },
		{ NULL, NULL, "CREATE ROLE \"$\" NOLOGIN", DB_CONDITION_REFUSED, "", STATS_DB_AWAY, "warn" },
		{ "clientele_serve", "/nonexistent", NULL, DB_CONDITION_UNREACHABLE, "reached", STATS_DB_AWAY, "warn" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct stats_slot stats = { .db = STATS_DB_NONE };
		const char       *role = cases[i].role ? cases[i].role : fresh("probe_");
		struct db_room    room = { .max_connections = -7 };
		struct conf       conf;
		struct app       *app;
		enum db_condition found;
		unsigned          lines;

		if (cases[i].done)
			execute(arena_fmt(&test_kept, "%s; GRANT CONNECT ON DATABASE %s TO \"%s\"", text_of(cases[i].done, role),
			    PQdb(superuser), role).ptr);
		conf_init(&conf);
		free(conf.database_url);
		conf.database_url = strdup(arena_fmt(&test_kept, "dbname=%s user=%s host=%s", PQdb(superuser), role,
		    cases[i].host ? cases[i].host : PQhost(superuser)).ptr);
		app = app_new(&conf, &stats, test_buckets);
		log_keep();
		found = app_check(app);
		lines = log_count(arena_fmt(&test_kept, "Z %-5s test[%d]: %s", cases[i].level ? cases[i].level : "error", (int)getpid(), app_why(app)).ptr);
		if (found != cases[i].found || lines != (cases[i].level != NULL))
			fail_msg("case %zu: found %s, %u lines, %s", i, db_condition_names[found], lines, app_why(app));
		if (!strstr(app_why(app), cases[i].why) || (cases[i].found == DB_CONDITION_FIT) != !*app_why(app))
			fail_msg("case %zu: %s", i, app_why(app));
		assert_int_equal(stats.db, cases[i].state);
		assert_int_equal(app_room(app, &room), cases[i].state == STATS_DB_CONNECTED);
		assert_int_equal(room.max_connections > 0, cases[i].state == STATS_DB_CONNECTED);
		if (cases[i].found == DB_CONDITION_UNREACHABLE) {
			struct app *first = test_app;

			test_app = app;
			log_keep();
			SEND(ACME_LIVE, "GET", "/api/v1/customers");
			lines = log_count("503 service_unavailable: the database cannot be reached");
			test_app = first;
			assert_int_equal(test_response.status, 503);
			assert_int_equal(lines, 1);
			assert_true(at_is("code", "\"service_unavailable\""));
			assert_null(test_facts.key.ptr); /* nobody knows whether it is one */
			assert_true(id_is_nil(&test_facts.organization));
		}
		/* Mended: nothing is left of it. */
		if (cases[i].found == DB_CONDITION_UNFIT) {
			execute(arena_fmt(&test_kept, "ALTER ROLE \"%s\" NOSUPERUSER; GRANT clientele_serve TO \"%s\"", role, role).ptr);
			assert_int_equal(app_check(app), DB_CONDITION_FIT);
			assert_string_equal(app_why(app), "");
		}
		app_free(app);
		conf_fini(&conf);
		if (cases[i].done)
			execute(arena_fmt(&test_kept, "DROP OWNED BY \"%s\"; DROP ROLE \"%s\"", role, role).ptr);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_lost_is_told_as_it_is),
		cmocka_unit_test(what_takes_no_key_is_not_told_of_one),
		cmocka_unit_test(a_secret_is_shown_once_and_again_for_the_same_request),
		cmocka_unit_test(a_rotation_is_done_whole_or_not_at_all),
		cmocka_unit_test(a_twin_does_not_wait_twice),
		cmocka_unit_test(a_refusal_is_the_one_that_was_kept_first),
		cmocka_unit_test(what_was_there_is_not_told_as_made),
		cmocka_unit_test(a_record_that_comes_meanwhile_is_found),
		cmocka_unit_test(a_record_ends_with_its_time),
		cmocka_unit_test(a_repeated_write_commits_what_it_has_read),
		cmocka_unit_test(what_was_in_the_way_and_is_gone_is_made),
		cmocka_unit_test(a_transaction_begins_with_nothing),
		cmocka_unit_test(a_step_tells_what_it_read_and_changed),
		cmocka_unit_test(a_step_that_fails_is_named),
		cmocka_unit_test(a_lost_connection_is_noted),
		cmocka_unit_test(nothing_is_sent_for_one_who_has_left),
		cmocka_unit_test(who_has_left_is_not_waited_for),
		cmocka_unit_test(a_pooler_is_suspected_once),
		cmocka_unit_test(a_refused_key_is_looked_up_now_and_then),
		cmocka_unit_test(a_failure_is_told_by_outcome_and_reason),
		cmocka_unit_test(an_error_of_the_database_has_a_meaning),
		cmocka_unit_test(an_error_of_libpq_is_a_lost_connection),
		cmocka_unit_test(a_later_run_proves_only_what_it_saw),
		cmocka_unit_test(a_request_ends_with_its_time),
		cmocka_unit_test(a_look_that_fails_is_no_answer),
		cmocka_unit_test(how_it_stands_with_the_database_is_told),
		cmocka_unit_test(without_prepared_statements_it_is_the_same),
	};
	int failed;

	app_test_begin();
	superuser = PQconnectdb("");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	PQfinish(superuser);
	app_test_end();
	return failed;
}
