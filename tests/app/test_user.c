/* People who sign in: what a transaction for one of them reaches, what a session costs, and second factors. */
#include "app_test.h"
#include "app/resources.h"
#include "auth/session.h"
#include "base/clock.h"
#include "base/password.h"
#include "base/totp.h"
#include "call/call.h"
#include "shm/requests.h"
#include "worker/reqlog.h"

#include <libpq-fe.h>

#define PASSWORD "correct horse battery"
#define SIGN_IN(email, code) arena_fmt(&test_kept, \
	"{\"email\":\"%s\",\"password\":\"" PASSWORD "\",\"code\":\"%s\"}", email, code).ptr

static PGconn *superuser;

static const char *
ask(const char *sql)
{
	PGresult   *res = PQexec(superuser, sql);
	const char *value = "";

	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(superuser));
	if (PQntuples(res))
		value = arena_str(&test_kept, str_of(PQgetvalue(res, 0, 0))).ptr;
	PQclear(res);
	return value;
}

struct person {
	const char *email;
	struct id   id;
	const char *cookie, *token, *session;
};

static const char *
uuid(const struct id *id)
{
	char text[ID_UUID_BYTES];

	id_uuid(id, text);
	return arena_str(&test_kept, (struct str) { text, ID_UUID_BYTES }).ptr;
}

/* Somebody with that role in ACME, who has a password. */
static struct person
make_as(const char *role)
{
	char          hash[PASSWORD_HASH_MAX_BYTES];
	struct person p = { .email = arena_fmt(&test_kept, "%s@example.com", fresh("p")).ptr, .id = id_new() };
	struct str    email;

	assert_null(account_email(&test_kept, str_of(p.email), &email));
	p.email = email.ptr;
	assert_true(password_hash(STR(PASSWORD), hash));
	ask(arena_fmt(&test_kept, "INSERT INTO user_account (id, email, password) VALUES ('%s', '%s', '%s')", uuid(&p.id), p.email, hash).ptr);
	ask(arena_fmt(&test_kept, "INSERT INTO user_member SELECT e.organization_id, '%s', '%s', now(), now() FROM environment e WHERE e.id = '%s'",
	    uuid(&p.id), role, uuid(&test_environment[ACME_LIVE])).ptr);
	return p;
}

static struct person
make(void)
{
	return make_as("owner");
}

/* The status; keeps the session. */
static int
sign_in(struct person *p, const char *code)
{
	int        status = SEND(ACME_LIVE, "POST", "/api/v1/session", SIGN_IN(p->email, code), .csrf = "1");
	struct str cookie = kept(response_find_header(&test_response, "Set-Cookie"));

	if (status != 200)
		return status;
	p->cookie = kept(str_cut(&cookie, ';')).ptr;
	p->token = kept((struct str) { at("csrfToken").ptr + 1, SESSION_TOKEN_BYTES }).ptr;
	p->session = kept((struct str) { at("id").ptr + 1, at("id").len - 2 }).ptr;
	return status;
}

#define READ(p) SEND(ACME_LIVE, "GET", "/api/v1/customers?limit=1", .cookie = (p).cookie)

static void
a_session_costs_what_a_key_does(void **state UNUSED)
{
	struct person p = make();
	unsigned      trips;

	assert_int_equal(sign_in(&p, ""), 200);
	assert_int_equal(READ(p), 200);
	assert_int_equal(test_facts.db_trips, 2); /* found, and read */
	assert_int_equal(READ(p), 200);
	trips = test_facts.db_trips;
	SEND(ACME_LIVE, "GET", "/api/v1/customers?limit=1");
	SEND(ACME_LIVE, "GET", "/api/v1/customers?limit=1");
	assert_int_equal(trips, test_facts.db_trips);
	assert_int_equal(trips, 1);
}

static void
what_is_no_session_costs_the_database_nothing(void **state UNUSED)
{
	static const char *const cookies[] = {
		"__Host-clientele=", "__Host-clientele=x", "a=b; __Host-clientele=uss_0; c=d",
		"__Host-clientele=uss_0123456789012345678901234567890123456789'",
	};

	for (size_t i = 0; i < COUNTOF(cookies); i++) {
		assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/session", .cookie = cookies[i]), 401);
		assert_true(at_is("code", "\"signed_out\""));
		assert_int_equal(test_facts.db_trips, 0);
	}
	/* Somebody else's cookie is none. */
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/session", .cookie = "clientele=uss_x", .csrf = "1"), 401);
	assert_true(at_is("code", "\"unauthorized\""));
}

/* What is about himself or about others who sign in is of no environment (shm/requests.h). */
static void
what_somebody_asks_of_an_environment_is_kept_as_his(void **state UNUSED)
{
	static const char *const others[] = { "/api/v1/session", "/api/v1/users" };
	struct requests *ring = requests_new(10);
	struct person    p = make();

	assert_int_equal(sign_in(&p, ""), 200);
	app_requests(test_app, ring);
	assert_int_equal(READ(p), 200);
	assert_true(test_facts.is_kept && test_facts.user);
	assert_true(id_eq(&test_facts.actor, &p.id));
	assert_true(id_eq(&test_facts.environment, &test_environment[ACME_LIVE]));
	reqlog_keep(ring, &(struct request) { .method = METHOD_GET }, &test_response, &test_facts, 1);
	for (size_t i = 0; i < COUNTOF(others); i++) {
		assert_int_equal(SEND(ACME_LIVE, "GET", others[i], .cookie = p.cookie), 200);
		assert_false(test_facts.is_kept);
	}
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/requests", .cookie = p.cookie), 200);
	assert_true(at_is("data.0.actor.type", "\"user\""));
	assert_true(str_starts(at("data.0.actor.id"), STR("\"usr_")));
	app_requests(test_app, NULL);
	requests_free(ring);
}

static void
the_last_use_is_recorded_once_a_minute(void **state UNUSED)
{
	struct person p = make();
	const char   *seen = arena_fmt(&test_kept, "SELECT seen_at > now() - interval '1 min' FROM user_session WHERE user_id = '%s'", uuid(&p.id)).ptr;

	assert_int_equal(sign_in(&p, ""), 200);
	ask(arena_fmt(&test_kept, "UPDATE user_session SET seen_at = now() - interval '61 s' WHERE user_id = '%s'", uuid(&p.id)).ptr);
	assert_int_equal(READ(p), 200);
	assert_int_equal(test_facts.db_trips, 3);
	assert_string_equal(ask(seen), "t");
	do
		assert_int_equal(READ(p), 200);
	while (test_facts.db_trips == 1); /* until it is looked up again */
	assert_int_equal(test_facts.db_trips, 2);
}

static void
a_session_ends_by_itself(void **state UNUSED)
{
	/* Kept in ms, rounded. */
	static const char *const ends[] = {
		"seen_at = now() - interval '12 hours 1 ms'", "expires_at = now() - interval '1 ms'",
	};

	for (size_t i = 0; i < COUNTOF(ends); i++) {
		struct person p = make();

		assert_int_equal(sign_in(&p, ""), 200);
		ask(arena_fmt(&test_kept, "UPDATE user_session SET %s WHERE user_id = '%s'", ends[i], uuid(&p.id)).ptr);
		assert_int_equal(READ(p), 401);
		assert_int_equal(sign_in(&p, ""), 200); /* and is tidied away */
		assert_string_equal(ask(arena_fmt(&test_kept, "SELECT count(*) FROM user_session WHERE user_id = '%s'", uuid(&p.id)).ptr), "1");
	}
}

static void
whoever_is_no_member_any_more_has_no_session(void **state UNUSED)
{
	struct person p = make();

	assert_int_equal(sign_in(&p, ""), 200);
	ask(arena_fmt(&test_kept, "DELETE FROM user_member WHERE user_id = '%s'", uuid(&p.id)).ptr);
	assert_int_equal(READ(p), 401);
	assert_int_equal(sign_in(&p, ""), 401);
	assert_true(at_is("code", "\"sign_in_failed\""));
}

/* Each statement that changes something, run for one person with the ids of another. */
static void
no_statement_for_one_reaches_another(void **state UNUSED)
{
	struct person ann = make(), bob = make();
	struct id     session;
	unsigned char hash[SHA256_BYTES];
	struct str    link = account_secret(&test_kept, ACCOUNT_LINK_PREFIX, hash);
	const char   *before, *all;
	struct str    hashed = { (const char *)hash, SHA256_BYTES };

	assert_int_equal(sign_in(&bob, ""), 200);
	assert_true(id_parse(STR("ses_"), str_of(bob.session), &session));
	assert_int_equal(link.len, 44);
	ask(arena_fmt(&test_kept, "INSERT INTO user_link SELECT sha256('%s'), organization_id, user_id, 'reset', now() + interval '1 h' FROM user_member WHERE user_id = '%s'",
	    link.ptr, uuid(&bob.id)).ptr);
	all = arena_fmt(&test_kept, "SELECT (SELECT a::text FROM user_account a WHERE id = '%s') || (SELECT m::text FROM user_member m WHERE user_id = '%s')"
	    " || (SELECT l::text FROM user_link l WHERE user_id = '%s') || (SELECT s::text FROM user_session s WHERE user_id = '%s')",
	    uuid(&bob.id), uuid(&bob.id), uuid(&bob.id), uuid(&bob.id)).ptr;
	before = ask(all);
	for (enum sql_id id = 0; id < SQL__COUNT; id++) {
		struct tx    tx;
		struct bind *b;

		if (id != SQL_USER_SESSION_SEEN && id != SQL_USER_SESSION_TIDY && id != SQL_USER_SESSION_END
		    && id != SQL_USER_SESSION_END_ALL && id != SQL_USER_LINK_USE && id != SQL_USER_ACCEPT
		    && id != SQL_USER_SET_PASSWORD && id != SQL_USER_SESSION_MOVE && id != SQL_USER_TOTP_USE
		    && id != SQL_USER_TOTP_WRONG && id != SQL_USER_SESSION_END_OTHERS)
			continue;
		tx_init(&tx, test_serve, &test_kept);
		bind_id(tx_step(&tx, SQL_USER_ENTER), &ann.id);
		b = tx_step(&tx, id);
		if (id == SQL_USER_LINK_USE) {
			bind_text(b, hashed);
		} else if (id == SQL_USER_SESSION_SEEN || id == SQL_USER_SESSION_END) {
			bind_id(b, &session);
		} else if (id == SQL_USER_SESSION_MOVE) {
			bind_id(b, &session);
			bind_null(b);
			bind_bool(b, false);
			bind_text(b, hashed);
		} else {
			bind_id(b, &bob.id);
			if (id == SQL_USER_SESSION_TIDY)
				bind_i64(b, 0);
			else if (id == SQL_USER_TOTP_USE)
				bind_i64(b, 1);
			else if (id == SQL_USER_TOTP_WRONG)
				for (int i = 0; i < 3; i++)
					bind_i64(b, 1);
			else if (id == SQL_USER_SESSION_END_OTHERS)
				bind_id(b, &ann.id);
			else if (id == SQL_USER_ACCEPT)
				bind_id(b, &test_environment[ACME_LIVE]);
			else if (id == SQL_USER_SET_PASSWORD) {
				bind_text(b, STR("x"));
				bind_null(b);
			}
		}
		assert_int_equal(tx_run(&tx), DB_OK);
		if (strcmp(ask(all), before) != 0)
			fail_msg("%s reaches another user", sql_catalogue[id].name);
	}
}

/* "thing:write", or NULL if each role may. */
static const char *
permission_of(const struct route *route, const char *name)
{
	bool reads = route->method == METHOD_GET || route->flags & ROUTE_ASKS;

	if (route->flags & (ROUTE_PUBLIC | ROUTE_PERSONAL))
		return NULL;
	return arena_fmt(&test_kept, "%s:%s", name, reads ? "read" : "write").ptr;
}

/* A member reads, an admin writes too, an owner manages users besides. */
static void
a_role_makes_the_calls_of_its_permissions_and_no_others(void **state UNUSED)
{
	static const char *const roles[] = { "member", "admin", "owner" };

	for (size_t i = 0; i < COUNTOF(roles); i++) {
		struct person p = make_as(roles[i]);
		size_t        tried = 0, refused = 0;

		assert_int_equal(sign_in(&p, ""), 200);
		for (size_t r = 0; route_at(r); r++) {
			const struct route *route = route_at(r);
			const char         *needs = permission_of(route, route_owner(r)->name);
			bool people = route->flags & ROUTE_PEOPLE;
			bool may = people ? i == 2 : i > 0 || !needs || strstr(needs, ":read");
			bool forbidden;
			int  status;

			if (!needs)
				continue;
			status = SEND(ACME_LIVE, method_names[route->method], test_path_of(route), "{}", .cookie = p.cookie, .csrf = p.token);
			forbidden = status == 403 && str_is(at("code"), "\"forbidden\"");
			if (forbidden == may)
				fail_msg("%s %s by a %s: %d", method_names[route->method], route->pattern, roles[i], status);
			if (!may) {
				assert_true(at_is("error.param", "null"));
				if (!(route->flags & ROUTE_ALL))
					assert_true(at_is("details.permission", arena_fmt(&test_kept, "\"%s\"", needs).ptr));
			}
			tried++;
			refused += !may;
		}
		assert_true(tried > 40 && (i == 2) == (refused == 0));
	}
}

static void
a_second_factor_is_asked_for_and_good_once(void **state UNUSED)
{
	static const unsigned char secret[TOTP_SECRET_BYTES] = "12345678901234567890";
	struct person p = make();
	char          code[TOTP_DIGITS + 1] = "";

	ask(arena_fmt(&test_kept, "UPDATE user_account SET totp = '12345678901234567890', recovery = ARRAY[sha256('first-code'), sha256('second-code')] WHERE id = '%s'",
	    uuid(&p.id)).ptr);
	assert_int_equal(sign_in(&p, ""), 401);
	assert_true(at_is("error.param", "\"code\""));
	assert_int_equal(sign_in(&p, "000000x"), 401);
	assert_true(at_is("error.param", "null"));
	totp_code(secret, clock_wall_ms() / 1000 / TOTP_STEP_S, code);
	assert_int_equal(sign_in(&p, code), 200);
	assert_true(at_is("user.secondFactor", "true"));
	assert_int_equal(sign_in(&p, code), 401);
	assert_int_equal(sign_in(&p, "first-code"), 200);
	assert_int_equal(sign_in(&p, "first-code"), 401);
	assert_int_equal(sign_in(&p, "second-code"), 200);
	assert_string_equal(ask(arena_fmt(&test_kept, "SELECT cardinality(recovery) FROM user_account WHERE id = '%s'", uuid(&p.id)).ptr), "0");
}

/* Each time after the right password; of a million codes three are right at a time. */
static void
wrong_codes_in_a_row_are_waited_for(void **state UNUSED)
{
	static const struct { const char *before, *minutes; } rows[] = {
		{ "0", "" }, { "8", "" }, { "9", "1" }, { "10", "2" }, { "11", "4" }, { "14", "32" }, { "15", "60" }, { "98", "60" },
	};

	for (size_t i = 0; i < COUNTOF(rows); i++) {
		struct person p = make();

		ask(arena_fmt(&test_kept, "UPDATE user_account SET totp = '12345678901234567890', totp_wrong = %s WHERE id = '%s'",
		    rows[i].before, uuid(&p.id)).ptr);
		log_keep();
		assert_int_equal(sign_in(&p, "000000"), 401);
		assert_int_equal(log_count("wrong codes of the second factor in a row"), *rows[i].minutes ? 1 : 0);
		assert_string_equal(ask(arena_fmt(&test_kept, "SELECT round(extract(epoch FROM totp_after - now()) / 60) FROM user_account WHERE id = '%s'",
		    uuid(&p.id)).ptr), rows[i].minutes);
	}
}

static void
while_no_code_is_taken_a_recovery_code_is(void **state UNUSED)
{
	static const unsigned char secret[TOTP_SECRET_BYTES] = "12345678901234567890";
	struct person p = make();
	char          code[TOTP_DIGITS + 1] = "";
	const char   *wrong = arena_fmt(&test_kept, "SELECT totp_wrong || coalesce(totp_after::text, '') FROM user_account WHERE id = '%s'", uuid(&p.id)).ptr;

	ask(arena_fmt(&test_kept, "UPDATE user_account SET totp = '12345678901234567890', totp_wrong = 9, recovery = ARRAY[sha256('first-code'), sha256('second-code')]"
	    " WHERE id = '%s'", uuid(&p.id)).ptr);
	assert_int_equal(sign_in(&p, "000000"), 401);
	totp_code(secret, clock_wall_ms() / 1000 / TOTP_STEP_S, code);
	assert_int_equal(sign_in(&p, code), 429);
	assert_true(at_is("error.param", "\"code\""));
	assert_true(response_find_header(&test_response, "Retry-After").ptr);
	assert_int_equal(sign_in(&p, "first-code"), 200);
	assert_string_equal(ask(wrong), "0");
	ask(arena_fmt(&test_kept, "UPDATE user_account SET totp_wrong = 11, totp_after = now() WHERE id = '%s'", uuid(&p.id)).ptr);
	assert_int_equal(sign_in(&p, code), 200);
	assert_string_equal(ask(wrong), "0");
	/* After a hundred no code is right. */
	ask(arena_fmt(&test_kept, "UPDATE user_account SET totp_wrong = 100, totp_step = 0 WHERE id = '%s'", uuid(&p.id)).ptr);
	assert_int_equal(sign_in(&p, code), 401);
	assert_true(at_is("error.param", "null"));
	assert_non_null(strstr(kept(at("message")).ptr, "100 wrong codes"));
	assert_int_equal(sign_in(&p, "second-code"), 200);
}

/* The answer was lost, and so were the recovery codes: it said that nothing was changed. */
static void
a_confirmation_that_comes_twice_says_what_is_true(void **state UNUSED)
{
	static const unsigned char secret[TOTP_SECRET_BYTES] = "12345678901234567890";
	struct person p = make();
	char          code[TOTP_DIGITS + 1] = "";
	const char   *sent;

	assert_int_equal(sign_in(&p, ""), 200);
	totp_code(secret, clock_wall_ms() / 1000 / TOTP_STEP_S, code);
	sent = arena_fmt(&test_kept, "{\"code\":\"%s\"}", code).ptr;
#define CONFIRM() SEND(ACME_LIVE, "POST", "/api/v1/session/factor/confirm", sent, .cookie = p.cookie, .csrf = p.token)
	assert_int_equal(CONFIRM(), 409);
	assert_true(at_is("message", "\"No second factor waits for its code. Begin anew.\""));
	ask(arena_fmt(&test_kept, "UPDATE user_account SET totp_next = '12345678901234567890' WHERE id = '%s'", uuid(&p.id)).ptr);
	assert_int_equal(CONFIRM(), 200);
	assert_int_equal(CONFIRM(), 409);
	assert_true(at_is("message", "\"A second factor is on, and no other one waits for its code. If you have no recovery codes of it, remove it and set it up anew.\""));
}

/* As clientele user reset --second-factor makes it. */
static void
a_link_for_a_new_password_may_end_the_second_factor(void **state UNUSED)
{
	for (int ends = 0; ends < 2; ends++) {
		struct person p = make();
		unsigned char hash[SHA256_BYTES];
		struct str    link = account_secret(&test_kept, ACCOUNT_LINK_PREFIX, hash);

		ask(arena_fmt(&test_kept, "UPDATE user_account SET totp = '12345678901234567890', totp_wrong = 100 WHERE id = '%s'", uuid(&p.id)).ptr);
		ask(arena_fmt(&test_kept, "INSERT INTO user_link (hash, organization_id, user_id, purpose, expires_at, ends_totp)"
		    " SELECT sha256('%s'), organization_id, user_id, 'reset', now() + interval '1 h', %s FROM user_member WHERE user_id = '%s'",
		    link.ptr, ends ? "true" : "false", uuid(&p.id)).ptr);
		assert_int_equal(sign_in(&p, ""), 401);
		assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/session/accept",
		    arena_fmt(&test_kept, "{\"token\":\"%s\",\"password\":\"" PASSWORD "\"}", link.ptr).ptr, .csrf = "1"), 200);
		assert_int_equal(sign_in(&p, ""), ends ? 200 : 401);
	}
}

/* A link stands for the password alone, and a wrong code leaves it as it was. */
static void
a_link_does_without_the_password_and_not_without_the_code(void **state UNUSED)
{
	struct person p = make();
	unsigned char hash[SHA256_BYTES];
	struct str    link = account_secret(&test_kept, ACCOUNT_LINK_PREFIX, hash);

	ask(arena_fmt(&test_kept, "UPDATE user_account SET totp = '12345678901234567890', recovery = ARRAY[sha256('first-code')] WHERE id = '%s'",
	    uuid(&p.id)).ptr);
	ask(arena_fmt(&test_kept, "INSERT INTO user_link SELECT sha256('%s'), organization_id, user_id, 'sign_in', now() + interval '1 h' FROM user_member WHERE user_id = '%s'",
	    link.ptr, uuid(&p.id)).ptr);
#define ENTER(code) SEND(ACME_LIVE, "POST", "/api/v1/session/enter", \
	arena_fmt(&test_kept, "{\"token\":\"%s\",\"code\":\"%s\"}", link.ptr, code).ptr, .csrf = "1")
	assert_int_equal(ENTER(""), 401);
	assert_true(at_is("error.param", "\"code\""));
	assert_int_equal(ENTER("second-code"), 401);
	assert_int_equal(ENTER("first-code"), 200);
	assert_int_equal(ENTER("first-code"), 404);
}

/* Another name for the front server's word than that of a header, so no client can give it. */
static void
a_proxy_is_believed_if_it_is_configured(void **state UNUSED)
{
	struct person p = make();
	const char   *upper = arena_fmt(&test_kept, "P%s", p.email + 1).ptr;

	ask(arena_fmt(&test_kept, "UPDATE user_account SET totp = '12345678901234567890' WHERE id = '%s'", uuid(&p.id)).ptr);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/session", "{}", .csrf = "1", .user = p.email), 400);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/session", SIGN_IN(p.email, ""), .csrf = "1", .user = p.email), 401);
	test_conf.sign_in_by_proxy = 1;
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/session", NULL, .csrf = "1", .user = upper), 200);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/session", NULL, .user = p.email, .cookie = "a=b"), 403);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/session", NULL, .csrf = "1", .user = "nobody@nowhere.example"), 401);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/session", NULL, .csrf = "1", .user = "nonsense"), 401);
	assert_int_equal(sign_in(&p, ""), 401); /* without its word all is as ever */
	test_conf.sign_in_by_proxy = 0;
}

/* Bob signs in at the proxy, in a browser that has Ann's cookie: he acted as Ann. */
static void
a_session_is_over_where_the_proxy_names_somebody_else(void **state UNUSED)
{
	struct person ann = make(), bob = make();
	const char   *upper = arena_fmt(&test_kept, "P%s", ann.email + 1).ptr;

	assert_int_equal(sign_in(&ann, ""), 200);
#define SHOW(cookie_, user_) SEND(ACME_LIVE, "GET", "/api/v1/session", .cookie = cookie_, .user = user_)
	assert_int_equal(SHOW(ann.cookie, bob.email), 200); /* it is not believed */
	test_conf.sign_in_by_proxy = 1;
	for (int i = 0; i < 2; i++) { /* the second time it is remembered */
		assert_int_equal(SHOW(ann.cookie, bob.email), 401);
		assert_true(at_is("code", "\"signed_out\""));
		assert_true(at_is("details.proxy", "true"));
		assert_int_equal(SHOW(ann.cookie, "nonsense"), 401);
		assert_int_equal(SHOW(ann.cookie, upper), 200);
		assert_int_equal(SHOW(ann.cookie, NULL), 200);
	}
	assert_int_equal(SHOW("a=b", bob.email), 401); /* the page learns that it need not ask for a password */
	assert_true(at_is("details.proxy", "true"));
	assert_int_equal(SHOW("__Host-clientele=x", NULL), 401);
	assert_true(at_is("details", "null"));
	test_conf.sign_in_by_proxy = 0;
}

static void
attempts_have_a_rate_of_the_account(void **state UNUSED)
{
	struct person p = make(), other = make();
	unsigned      refused = 0;

	/* Whatever comes of it. An unknown address has one, too. A token is added every 12 s. */
	for (int i = 0; i < 100 && !refused; i++)
		refused += sign_in(&p, "") == 429;
	assert_int_equal(refused, 1);
	assert_int_equal(test_facts.db_trips, 0);
	assert_true(response_find_header(&test_response, "Retry-After").ptr);
	assert_int_equal(sign_in(&other, ""), 200);
	p.email = arena_fmt(&test_kept, "%s@nowhere.example", fresh("n")).ptr;
	refused = 0;
	for (int i = 0; i < 100 && !refused; i++)
		refused += sign_in(&p, "") == 429;
	assert_int_equal(refused, 1);
}

static void
attempts_have_a_rate_of_the_address(void **state UNUSED)
{
	bool refused = false;

	/* Of one account, so that most of them are refused at once: the address gets a token each second. */
	for (int i = 0; i < 1000 && !refused; i++)
		refused = SEND(ACME_LIVE, "POST", "/api/v1/session", "{\"email\":\"one@nowhere.example\",\"password\":\"x\"}",
		    .csrf = "1", .address = "203.0.113.7") == 429 && str_is(at("error.param"), "null");
	assert_true(refused);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/session", "{\"email\":\"n@nowhere.example\",\"password\":\"x\"}",
	    .csrf = "1", .address = "203.0.113.8"), 401);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_costs_what_a_key_does),
		cmocka_unit_test(what_is_no_session_costs_the_database_nothing),
		cmocka_unit_test(what_somebody_asks_of_an_environment_is_kept_as_his),
		cmocka_unit_test(the_last_use_is_recorded_once_a_minute),
		cmocka_unit_test(a_session_ends_by_itself),
		cmocka_unit_test(whoever_is_no_member_any_more_has_no_session),
		cmocka_unit_test(no_statement_for_one_reaches_another),
		cmocka_unit_test(a_role_makes_the_calls_of_its_permissions_and_no_others),
		cmocka_unit_test(a_second_factor_is_asked_for_and_good_once),
		cmocka_unit_test(wrong_codes_in_a_row_are_waited_for),
		cmocka_unit_test(while_no_code_is_taken_a_recovery_code_is),
		cmocka_unit_test(a_confirmation_that_comes_twice_says_what_is_true),
		cmocka_unit_test(a_link_for_a_new_password_may_end_the_second_factor),
		cmocka_unit_test(a_link_does_without_the_password_and_not_without_the_code),
		cmocka_unit_test(a_proxy_is_believed_if_it_is_configured),
		cmocka_unit_test(a_session_is_over_where_the_proxy_names_somebody_else),
		cmocka_unit_test(attempts_have_a_rate_of_the_account),
		cmocka_unit_test(attempts_have_a_rate_of_the_address),
	};
	int failed;

	app_test_begin();
	superuser = PQconnectdb("");
	assert_int_equal(PQstatus(superuser), CONNECTION_OK);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	PQfinish(superuser);
	app_test_end();
	return failed;
}
