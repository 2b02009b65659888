/* Sessions of people who have signed in. */
#include "auth/session.h"
#include "auth/limit.h"
#include "auth/permit.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

/* As those of API keys: auth/api_key.c. */
enum { CACHE_SLOTS = 256 };

/*
 * A browser keeps a cookie of this prefix only if it is Secure, of this host and of all paths, so
 * no other host of the domain can set one.
 */
#define COOKIE "__Host-clientele"

/* What the roles may do. */
static const uint64_t permissions[] = {
	[ROLE_NONE] = 0,
	[ROLE_MEMBER] = PERMIT_READS,
	[ROLE_ADMIN] = PERMIT_ALL,
	[ROLE_OWNER] = PERMIT_ALL | PERMIT_PEOPLE,
};

static const char signed_out[] = "There is no session any more: sign in again.";

struct session_cache {
	int64_t ttl_ns;
	struct entry {
		unsigned char hash[SHA256_BYTES];
		int64_t       until_ns; /* monotonic; 0: empty */
		struct tenant tenant;
		unsigned char email[SHA256_BYTES]; /* hash of the user's */
		char          token[SESSION_TOKEN_BYTES]; /* an HMAC costs a fifth of a write */
	} slot[CACHE_SLOTS];
};

struct session_cache *
session_cache_new(int64_t ttl_ms)
{
	struct session_cache *cache = must_alloc(sizeof(*cache));

	cache->ttl_ns = ttl_ms * 1000000;
	return cache;
}

void
session_cache_free(struct session_cache *cache)
{
	free(cache);
}

/* ---- the cookie ---- */

static struct str
find_cookie(const struct call *c)
{
	struct str rest = c->req->header[HEADER_COOKIE];

	while (rest.ptr) {
		struct str value = str_trim(str_cut(&rest, ';')), name = str_cut(&value, '=');

		if (str_is(name, COOKIE) && value.ptr)
			return value;
	}
	return STR_NONE;
}

static bool
well_formed(struct str cookie)
{
	struct str prefix = SESSION_COOKIE_PREFIX;

	if (cookie.len != prefix.len + ACCOUNT_SECRET_DIGITS || !str_starts(cookie, prefix))
		return false;
	for (size_t i = prefix.len; i < cookie.len; i++)
		if (!str_is_alnum(cookie.ptr[i]))
			return false;
	return true;
}

bool
session_is_vouched(const struct call *c)
{
	return c->conf->sign_in_by_proxy && c->req->user.len;
}

bool
session_is_sent(const struct call *c)
{
	if (c->req->header[HEADER_API_KEY].len || request_bearer(c->req).ptr)
		return false;
	return session_is_vouched(c)
	    || (c->req->header[HEADER_COOKIE].ptr && find_cookie(c).ptr);
}

void
session_set_cookie(struct call *c, struct str cookie)
{
	response_header(c->res, "Set-Cookie", arena_fmt(c->arena,
	    COOKIE "=%.*s; Path=/; Max-Age=%d; HttpOnly; Secure; SameSite=Strict",
	    cookie.ptr ? (int)cookie.len : 0, cookie.ptr ? cookie.ptr : "",
	    cookie.ptr ? SESSION_LIFE_DAYS * 24 * 3600 : 0));
}

struct str
session_token(struct arena *a, struct str cookie)
{
	unsigned char mac[SHA256_BYTES];
	char         *text = ARENA_NEW(a, char, SESSION_TOKEN_BYTES + 1);

	hash_hmac_sha256(cookie, STR("X-CSRF-Token"), mac);
	str_put_hex(text, mac, SESSION_TOKEN_BYTES / 2);
	return (struct str) { text, SESSION_TOKEN_BYTES };
}

/* ---- whose it is ---- */

static void
mark_used(struct call *c)
{
	struct tx tx;

	tx_init(&tx, c->db, c->arena);
	tx.again = true;
	bind_id(tx_step(&tx, SQL_USER_ENTER), &c->tenant.user);
	bind_id(tx_step(&tx, SQL_USER_SESSION_SEEN), &c->tenant.session);
	if (tx_run(&tx) != DB_OK)
		log_info("the last use of a session was not recorded: %s", tx.log);
}

enum { STEP_FIND = 2 };

/* One round trip, as for an API key. email: of whom it found. */
static enum db_status
ask_database(struct call *c, struct tx *tx, struct str hash, bool *found, struct str *email)
{
	struct tenant *t = &c->tenant;
	enum db_status status;
	struct bind   *b;
	struct row     row;

	tx_init(tx, c->db, c->arena);
	tx->reads = true;
	bind_text(tx_step(tx, SQL_KEY_HOLDER), hash);
	b = tx_step(tx, SQL_USER_SESSION_ENTER);
	bind_text(b, hash);
	bind_i64(b, SESSION_IDLE_MS);
	bind_text(tx_step(tx, SQL_USER_SESSION_FIND), hash);
	if ((status = tx_run(tx)) != DB_OK)
		return status;
	*found = tx_rows(tx, STEP_FIND) == 1;
	if (!*found)
		return DB_OK;
	row = tx_row(tx, STEP_FIND, 0);
	t->session = row_id(&row, COL_USER_SESSION_FIND_ID);
	t->user = row_id(&row, COL_USER_SESSION_FIND_USER);
	*email = row_text(&row, COL_USER_SESSION_FIND_EMAIL);
	t->environment = row_id(&row, COL_USER_SESSION_FIND_ENVIRONMENT);
	t->organization = row_id(&row, COL_USER_SESSION_FIND_ORGANIZATION);
	t->livemode = row_bool(&row, COL_USER_SESSION_FIND_LIVEMODE);
	t->permissions = permissions[role_find(row_text(&row, COL_USER_SESSION_FIND_ROLE))];
	if (row_bool(&row, COL_USER_SESSION_FIND_UNMARKED))
		mark_used(c);
	return DB_OK;
}

enum err
session_over(struct call *c)
{
	response_header(c->res, "WWW-Authenticate", STR("Cookie realm=\"Clientele\""));
	if (session_is_vouched(c))
		c->problem.facts = STR("{\"proxy\":true}");
	return call_fail(c, ERR_SIGNED_OUT, NULL, signed_out);
}

/*
 * Fills c->tenant, and the entry of the cache, which is good until the call waits. *looked_up: from
 * the database, not from the cache.
 */
static enum err
find_user(struct call *c, struct str cookie, int64_t ttl_ns, struct entry *entry,
    const unsigned char hash[SHA256_BYTES], int64_t now_ns, bool *looked_up)
{
	struct tx      tx;
	struct str     email = STR_NONE;
	enum db_status status;
	bool           found;

	*looked_up = !(entry->until_ns > now_ns && hash_equal(entry->hash, hash, SHA256_BYTES));
	if (!*looked_up) {
		c->tenant = entry->tenant;
		return ERR_OK;
	}
	status = ask_database(c, &tx, (struct str) { (const char *)hash, SHA256_BYTES }, &found,
	    &email);
	if (status != DB_OK)
		return call_db_failed(c, &tx, status);
	if (!found)
		return session_over(c);
	/* Counted from before the query, because its answer may be that old. */
	entry->until_ns = now_ns + ttl_ns;
	memcpy(entry->hash, hash, SHA256_BYTES);
	entry->tenant = c->tenant;
	hash_sha256(email, entry->email);
	memcpy(entry->token, session_token(c->arena, cookie).ptr, SESSION_TOKEN_BYTES);
	return ERR_OK;
}

/* ---- whether it was meant ---- */

enum err
session_is_meant(struct call *c)
{
	return c->req->header[HEADER_CSRF].len ? ERR_OK
	    : call_fail(c, ERR_FORBIDDEN, header_names[HEADER_CSRF],
		  "This call must have this header; here it may say anything.");
}

static bool
is_meant(const struct call *c, const char token[SESSION_TOKEN_BYTES])
{
	struct str sent = c->req->header[HEADER_CSRF];

	return c->req->method == METHOD_GET || c->req->method == METHOD_HEAD
	    || (sent.len == SESSION_TOKEN_BYTES && hash_equal(sent.ptr, token, sent.len));
}

/*
 * Where a proxy says who is there, a session is good for that user alone: another one may have
 * signed in at the proxy in a browser that still has the cookie.
 */
static bool
is_of_whom_the_proxy_names(const struct call *c, const unsigned char of[SHA256_BYTES])
{
	unsigned char hash[SHA256_BYTES];
	struct str    email;

	if (!session_is_vouched(c))
		return true;
	if (account_email(c->arena, c->req->user, &email))
		return false;
	hash_sha256(email, hash);
	return hash_equal(hash, of, SHA256_BYTES);
}

enum err
session_check(struct call *c, struct session_cache *cache)
{
	struct str    cookie = find_cookie(c);
	unsigned char hash[SHA256_BYTES];
	struct entry *entry;
	struct bucket bucket;
	int64_t       now_ns = clock_mono_ns();
	bool          looked_up;
	enum err      e;

	if (!well_formed(cookie))
		return session_over(c);
	hash_sha256(cookie, hash);
	entry = &cache->slot[hash[0] % CACHE_SLOTS];
	if ((e = find_user(c, cookie, cache->ttl_ns, entry, hash, now_ns, &looked_up)) != ERR_OK)
		return e;
	if (!is_of_whom_the_proxy_names(c, entry->email))
		return session_over(c);
	c->facts->organization = c->tenant.organization;
	c->facts->key = STR("session");
	c->api_key = cookie;
	if (!is_meant(c, entry->token))
		return call_fail(c, ERR_FORBIDDEN, header_names[HEADER_CSRF],
		    "This header must have the csrfToken of the session.");
	return limit_take(c, hash, looked_up, now_ns, &bucket);
}

/* ---- how often somebody may try ---- */

/*
 * A person who mistypes does not notice them, and 7,000 guesses a day find no password. Behind one
 * address may be a whole office.
 */
static const struct rate account_rate = { .count = 5, .per_s = 60, .burst = 10 };
static const struct rate address_rate = { .count = 60, .per_s = 60, .burst = 120 };

static bool
has_token(struct call *c, const char *kind, struct str what, const struct rate *rate)
{
	const struct str parts[] = { str_of(kind), what };
	unsigned char    hash[SHA256_BYTES];
	struct limits    limits = { .own = true, .rate = *rate };
	struct bucket    bucket;

	hash_sha256_parts(parts, COUNTOF(parts), hash);
	memcpy(limits.family.b, hash, ID_BYTES);
	memcpy(limits.environment.b, hash + ID_BYTES, ID_BYTES); /* nobody else's either */
	buckets_take(c->buckets, hash, &limits, true, clock_mono_ns(), &bucket);
	if (bucket.answer != BUCKET_EMPTY)
		return true;
	c->problem.retry_after_s = (bucket.view.next_ns + 999999999) / 1000000000;
	return false;
}

enum err
session_try(struct call *c, struct str email)
{
	struct str address = c->req->address;

	if (address.len && !has_token(c, "address", address, &address_rate))
		return call_fail(c, ERR_RATE_LIMITED, NULL,
		    "There were too many attempts from this address; "
		    "wait as many seconds as Retry-After says.");
	if (!has_token(c, "account", email, &account_rate))
		return call_fail(c, ERR_RATE_LIMITED, "email",
		    "There were too many attempts for this account; "
		    "wait as many seconds as Retry-After says.");
	return ERR_OK;
}
