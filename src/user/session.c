/* Signing in and out, and the sessions of a user. */
#include "base/clock.h"
#include "base/log.h"
#include "base/password.h"
#include "base/totp.h"
#include "call/reply.h"
#include "user/user.h"

/* ---- what comes in ---- */

enum { MEMBER_EMAIL, MEMBER_PASSWORD, MEMBER_CODE, MEMBER_TOKEN };

#define FIELD_STRUCT struct credentials

static const struct field_in sign_in_fields[] = {
	{ "email", FIELD_IN(EMAIL, email), FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    ACCOUNT_EMAIL_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "password", FIELD_IN(PASSWORD, password), FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    PASSWORD_MAX_BYTES, V_FIRST, V_ENDLESS, NULL },
	{ "code", FIELD_IN(CODE, code), FIELD_TEXT, 0,
	    SESSION_CODE_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
};

static const struct fields sign_in = {
	.in = sign_in_fields, .in_count = COUNTOF(sign_in_fields),
	.size = sizeof(FIELD_STRUCT),
	.given_at = offsetof(FIELD_STRUCT, given),
};

static const struct field_in entry_fields[] = {
	{ "token", FIELD_IN(TOKEN, token), FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    LINK_TOKEN_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "code", FIELD_IN(CODE, code), FIELD_TEXT, 0,
	    SESSION_CODE_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
};

static const struct fields entry = {
	.in = entry_fields, .in_count = COUNTOF(entry_fields),
	.size = sizeof(FIELD_STRUCT),
	.given_at = offsetof(FIELD_STRUCT, given),
};

#undef FIELD_STRUCT
#define FIELD_STRUCT struct place

/* Where a session is to act. */
struct place {
	struct str organization;
	bool       livemode;
	unsigned   given;
};

enum { MEMBER_ORGANIZATION, MEMBER_LIVEMODE };

static const struct field_in place_fields[] = {
	{ "organizationId", FIELD_IN(ORGANIZATION, organization), FIELD_TEXT, 0,
	    ID_PREFIXED_BYTES, V_FIRST, V_ENDLESS, NULL },
	{ "livemode", FIELD_IN(LIVEMODE, livemode), FIELD_BOOL, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
};

static const struct fields places = {
	.in = place_fields, .in_count = COUNTOF(place_fields),
	.size = sizeof(FIELD_STRUCT),
	.given_at = offsetof(FIELD_STRUCT, given),
};

/* ---- what goes out ---- */

static struct json_object *
write_user(struct call *c, const struct row *row)
{
	struct json_object *o = jwrite_object();
	struct id           id = row_id(row, COL_USER_SESSION_GET_USER);

	jwrite_put(o, "id", user_write_id(c, USER_ID_PREFIX, &id));
	jwrite_put(o, "email", jwrite_str(row_text(row, COL_USER_SESSION_GET_EMAIL)));
	jwrite_put(o, "name", jwrite_str(row_text(row, COL_USER_SESSION_GET_NAME)));
	jwrite_put(o, "secondFactor",
	    jwrite_bool(row_bool(row, COL_USER_SESSION_GET_SECOND_FACTOR)));
	return o;
}

enum { STEP_SESSION = 1, STEP_ORGANIZATIONS };

static struct json_object *
write_organizations(struct call *c, const struct tx *tx)
{
	struct json_object *array = jwrite_array();

	for (size_t i = 0; i < tx_rows(tx, STEP_ORGANIZATIONS); i++) {
		struct row          row = tx_row(tx, STEP_ORGANIZATIONS, i);
		struct id           id = row_id(&row, COL_USER_ORGANIZATIONS_ID);
		struct json_object *o = user_write_organization(c, &id,
		             row_text(&row, COL_USER_ORGANIZATIONS_NAME));

		jwrite_put(o, "role", jwrite_str(row_text(&row, COL_USER_ORGANIZATIONS_ROLE)));
		jwrite_push(array, o);
	}
	return array;
}

/* Answers with the session as its user sees it. */
static enum err
reply_session(struct call *c, int status, const struct id *session, const struct id *user,
    struct str cookie)
{
	struct json_object *o;
	struct tx           tx;
	struct row          row;
	struct id           organization;
	enum db_status      done;

	user_enter(c, &tx, user);
	tx.reads = true;
	bind_id(tx_step(&tx, SQL_USER_SESSION_GET), session);
	bind_id(tx_step(&tx, SQL_USER_ORGANIZATIONS), user);
	if ((done = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, done);
	if (tx_rows(&tx, STEP_SESSION) == 0)
		return session_over(c);
	row = tx_row(&tx, STEP_SESSION, 0);
	organization = row_id(&row, COL_USER_SESSION_GET_ORGANIZATION);
	o = jwrite_object();
	jwrite_put(o, "id", user_write_id(c, SESSION_ID_PREFIX, session));
	jwrite_put(o, "object", jwrite_str(STR("session")));
	jwrite_put(o, "livemode", jwrite_bool(row_bool(&row, COL_USER_SESSION_GET_LIVEMODE)));
	jwrite_put(o, "user", write_user(c, &row));
	jwrite_put(o, "role", jwrite_str(row_text(&row, COL_USER_SESSION_GET_ROLE)));
	jwrite_put(o, "organization", user_write_organization(c, &organization,
	    row_text(&row, COL_USER_SESSION_GET_ORGANIZATION_NAME)));
	jwrite_put(o, "organizations", write_organizations(c, &tx));
	jwrite_put(o, "csrfToken", jwrite_str(session_token(c->arena, cookie)));
	jwrite_put(o, "createdAt", user_write_time(c, &row, COL_USER_SESSION_GET_CREATED_AT));
	jwrite_put(o, "expiresAt", user_write_time(c, &row, COL_USER_SESSION_GET_EXPIRES_AT));
	return reply_one(c, status, o);
}

enum err
session_show(struct call *c)
{
	return reply_session(c, 200, &c->tenant.session, &c->tenant.user, c->api_key);
}

/* ---- signing in ---- */

/* The account with the address; zero where there is none. */
struct found {
	struct id   id;
	struct str  password, totp;
	int64_t     totp_step, totp_wrong;
	int64_t     wait_ms; /* for how long no code is taken */
};

static enum err
find_account(struct call *c, struct str email, struct found *out)
{
	enum { STEP_FOUND = 1 };
	struct tx      tx;
	struct row     row;
	enum db_status done;

	tx_init(&tx, c->db, c->arena);
	tx.reads = true;
	bind_text(tx_step(&tx, SQL_USER_ASK), email);
	bind_text(tx_step(&tx, SQL_USER_PASSWORD), email);
	if ((done = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, done);
	*out = (struct found) { .password = STR_NONE };
	if (tx_rows(&tx, STEP_FOUND) == 0)
		return ERR_OK;
	row = tx_row(&tx, STEP_FOUND, 0);
	out->id = row_id(&row, COL_USER_PASSWORD_ID);
	out->password = row_text(&row, COL_USER_PASSWORD_PASSWORD);
	out->totp = row_text(&row, COL_USER_PASSWORD_TOTP);
	out->totp_step = row_i64(&row, COL_USER_PASSWORD_TOTP_STEP);
	out->totp_wrong = row_i64(&row, COL_USER_PASSWORD_TOTP_WRONG);
	out->wait_ms = row_i64(&row, COL_USER_PASSWORD_WAIT_MS);
	return ERR_OK;
}

/*
 * Wrong codes in a row. Whoever sends one has the password, or a link; of a million codes three are
 * right at a time, so the limits for attempts alone would let him in within weeks. A recovery code
 * cannot be guessed, and is taken all the time: nobody keeps the user out.
 */
enum {
	CODES_FREE = 10,
	CODES_MAX = 100, /* NIST SP 800-63B, 5.2.2 */
	CODES_WAIT_MS = 60000,
	CODES_WAIT_MAX_MS = 3600000,
};

static enum err
may_try_code(struct call *c, const struct found *account)
{
	if (account->totp_wrong >= CODES_MAX) {
		(void)user_refuse(c);
		return call_fail(c, ERR_SIGN_IN_FAILED, NULL,
		    "There were 100 wrong codes in a row, so none is taken any more. Use a "
		    "recovery code, or ask whoever runs the service to remove the second factor.");
	}
	if (account->wait_ms <= 0)
		return ERR_OK;
	c->problem.retry_after_s = (account->wait_ms + 999) / 1000;
	return call_fail(c, ERR_RATE_LIMITED, "code",
	    "There were too many wrong codes for this account; wait as many seconds as Retry-After "
	    "says, or use a recovery code.");
}

static void
log_wrong_codes(const struct id *user, int64_t wrong)
{
	char       text[ID_PREFIXED_BYTES];
	struct str id = id_prefixed(USER_ID_PREFIX, user, text);

	if (wrong >= CODES_FREE)
		log_warn("user %.*s: %jd wrong codes of the second factor in a row, after the "
		    "right password or with a link", STR_ARGS(id), (intmax_t)wrong);
}

static enum err
count_wrong_code(struct call *c, const struct found *account)
{
	struct tx      tx;
	struct bind   *b;
	struct row     row;
	enum db_status done;

	user_enter(c, &tx, &account->id);
	b = tx_step(&tx, SQL_USER_TOTP_WRONG);
	bind_id(b, &account->id);
	bind_i64(b, CODES_FREE);
	bind_i64(b, CODES_WAIT_MS);
	bind_i64(b, CODES_WAIT_MAX_MS);
	if ((done = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, done);
	if (tx_rows(&tx, 1) == 1) {
		row = tx_row(&tx, 1, 0);
		log_wrong_codes(&account->id, row_i64(&row, COL_USER_TOTP_WRONG_WRONG));
	}
	return user_refuse(c);
}

/* Adds the statement that takes the code, if there must be one. */
static enum err
take_code(struct call *c, struct tx *tx, const struct found *account, struct str code)
{
	unsigned char *hash = ARENA_NEW(c->arena, unsigned char, SHA256_BYTES);
	struct bind   *b;
	int64_t        step;
	enum err       e;

	if (!account->totp.ptr)
		return ERR_OK;
	if (code.len == 0) {
		(void)user_refuse(c);
		return call_fail(c, ERR_SIGN_IN_FAILED, "code",
		    "This account has a second factor: send its code, too.");
	}
	if (code.len == TOTP_DIGITS) {
		if ((e = may_try_code(c, account)) != ERR_OK)
			return e;
		if (!totp_find((const unsigned char *)account->totp.ptr, code,
			clock_wall_ms() / 1000, account->totp_step, &step))
			return count_wrong_code(c, account);
		b = tx_step(tx, SQL_USER_TOTP_USE);
		bind_id(b, &account->id);
		bind_i64(b, step);
		return ERR_OK;
	}
	hash_sha256(code, hash);
	b = tx_step(tx, SQL_USER_RECOVERY_USE);
	bind_id(b, &account->id);
	bind_text(b, (struct str) { (const char *)hash, SHA256_BYTES });
	return ERR_OK;
}

/* No session without a code and a link that are good, and none for who is in no organization. */
static bool
is_let_in(struct tx *tx, void *with)
{
	bool *let_in = with;

	*let_in = true;
	for (size_t i = 0; i < tx->steps; i++) {
		enum sql_id id = tx->step[i].id;

		*let_in &= (id != SQL_USER_TOTP_USE && id != SQL_USER_RECOVERY_USE
		               && id != SQL_USER_LINK_USE && id != SQL_USER_SESSION_ADD)
		    || tx_rows(tx, i) == 1;
	}
	return *let_in;
}

/* link: the hash of the one that lets him in, or absent. */
static enum err
begin_session(struct call *c, const struct found *account, struct str code, struct str link)
{
	unsigned char *hash = ARENA_NEW(c->arena, unsigned char, SHA256_BYTES);
	struct str     cookie = account_secret(c->arena, SESSION_COOKIE_PREFIX, hash);
	struct id      id = id_new();
	bool           let_in = false;
	struct tx      tx;
	struct bind   *b;
	enum db_status done;
	enum err       e;

	user_enter(c, &tx, &account->id);
	if ((e = take_code(c, &tx, account, code)) != ERR_OK)
		return e;
	if (link.ptr)
		bind_text(tx_step(&tx, SQL_USER_LINK_USE), link);
	b = tx_step(&tx, SQL_USER_SESSION_TIDY);
	bind_id(b, &account->id);
	bind_i64(b, SESSION_IDLE_MS);
	b = tx_step(&tx, SQL_USER_SESSION_ADD);
	bind_id(b, &id);
	bind_text(b, (struct str) { (const char *)hash, SHA256_BYTES });
	bind_id(b, &account->id);
	bind_i64(b, SESSION_LIFE_MS);
	tx.then = is_let_in;
	tx.with = &let_in;
	if ((done = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, done);
	if (!let_in)
		return user_refuse(c);
	session_set_cookie(c, cookie);
	return reply_session(c, 200, &id, &account->id, cookie);
}

/* By the front server's word, if that is configured to count. */
static enum err
sign_in_by_proxy(struct call *c)
{
	struct str   email;
	struct found account;
	enum err     e;

	if (account_email(c->arena, c->req->user, &email))
		return user_refuse(c);
	if ((e = find_account(c, email, &account)) != ERR_OK)
		return e;
	if (id_is_nil(&account.id))
		return user_refuse(c);
	account.totp = STR_NONE; /* who vouches for him has asked for what it wants */
	return begin_session(c, &account, STR_NONE, STR_NONE);
}

enum err
session_sign_in(struct call *c)
{
	struct credentials *sent = ARENA_NEW(c->arena, struct credentials, 1);
	struct str          email;
	const char         *fault;
	struct found        account;
	enum err            e;

	if ((e = session_is_meant(c)) != ERR_OK)
		return e;
	if (session_is_vouched(c))
		return sign_in_by_proxy(c);
	if ((e = user_read(c, &sign_in, sent)) != ERR_OK)
		return e;
	if ((fault = account_email(c->arena, sent->email, &email))) {
		call_field(c, "email", fault);
		return call_fields_done(c);
	}
	if ((e = session_try(c, email)) != ERR_OK
	    || (e = find_account(c, email, &account)) != ERR_OK
	    || (e = user_judge(c, sent->password, account.password)) != ERR_OK)
		return e;
	return begin_session(c, &account, sent->code, STR_NONE);
}

/* By a link that the operator made. */
enum err
session_enter(struct call *c)
{
	struct credentials *sent = ARENA_NEW(c->arena, struct credentials, 1);
	struct link         l;
	struct found        account;
	enum err            e;

	if ((e = session_is_meant(c)) != ERR_OK || (e = user_read(c, &entry, sent)) != ERR_OK
	    || (e = link_find(c, sent->token, &l)) != ERR_OK)
		return e;
	if (l.purpose != LINK_SIGN_IN)
		return link_none(c);
	if ((e = session_try(c, l.email)) != ERR_OK
	    || (e = find_account(c, l.email, &account)) != ERR_OK)
		return e;
	return begin_session(c, &account, sent->code, l.hash);
}

/* ---- the one that there is ---- */

static enum err
no_organization(struct call *c)
{
	return call_fail(c, ERR_NOT_FOUND, "organizationId",
	    "There is no such organization among those of the session.");
}

enum err
session_move(struct call *c)
{
	struct place  *to = ARENA_NEW(c->arena, struct place, 1);
	unsigned char *hash = ARENA_NEW(c->arena, unsigned char, SHA256_BYTES);
	struct str     cookie = account_secret(c->arena, SESSION_COOKIE_PREFIX, hash);
	struct id      organization;
	struct tx      tx;
	struct bind   *b;
	enum db_status done;
	enum err       e;

	if ((e = user_read(c, &places, to)) != ERR_OK)
		return e;
	if (to->organization.ptr && !id_parse(ID_ORGANIZATION, to->organization, &organization))
		return no_organization(c);
	user_enter(c, &tx, &c->tenant.user);
	b = tx_step(&tx, SQL_USER_SESSION_MOVE);
	bind_id(b, &c->tenant.session);
	bind_id(b, to->organization.ptr ? &organization : NULL);
	if (to->given & 1U << MEMBER_LIVEMODE)
		bind_bool(b, to->livemode);
	else
		bind_null(b);
	bind_text(b, (struct str) { (const char *)hash, SHA256_BYTES });
	if ((done = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, done);
	if (tx_rows(&tx, 1) == 0)
		return no_organization(c);
	session_set_cookie(c, cookie);
	return reply_session(c, 200, &c->tenant.session, &c->tenant.user, cookie);
}

/* Answers with what was ended. */
static enum err
end_one(struct call *c, const struct id *session)
{
	struct json_object *o;
	struct tx           tx;
	enum db_status      done;

	user_enter(c, &tx, &c->tenant.user);
	tx.again = true;
	bind_id(tx_step(&tx, SQL_USER_SESSION_END), session);
	if ((done = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, done);
	if (tx_rows(&tx, 1) == 0)
		return call_fail(c, ERR_NOT_FOUND, "id", "There is no session with this id.");
	o = jwrite_object();
	jwrite_put(o, "id", user_write_id(c, SESSION_ID_PREFIX, session));
	jwrite_put(o, "object", jwrite_str(STR("session")));
	jwrite_put(o, "deleted", jwrite_bool(true));
	return reply_one(c, 200, o);
}

enum err
session_sign_out(struct call *c)
{
	session_set_cookie(c, STR_NONE);
	return end_one(c, &c->tenant.session);
}

/* ---- all of them ---- */

enum err
session_list(struct call *c)
{
	struct json_object *array;
	struct tx           tx;
	struct bind        *b;
	enum db_status      done;

	user_enter(c, &tx, &c->tenant.user);
	tx.reads = true;
	b = tx_step(&tx, SQL_USER_SESSION_LIST);
	bind_id(b, &c->tenant.user);
	bind_i64(b, SESSION_IDLE_MS);
	if ((done = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, done);
	array = jwrite_array();
	for (size_t i = 0; i < tx_rows(&tx, 1); i++) {
		struct row          row = tx_row(&tx, 1, i);
		struct id           id = row_id(&row, COL_USER_SESSION_LIST_ID);
		struct id           in = row_id(&row, COL_USER_SESSION_LIST_ORGANIZATION);
		struct json_object *o = jwrite_object();

		jwrite_put(o, "id", user_write_id(c, SESSION_ID_PREFIX, &id));
		jwrite_put(o, "object", jwrite_str(STR("session")));
		jwrite_put(o, "livemode",
		    jwrite_bool(row_bool(&row, COL_USER_SESSION_LIST_LIVEMODE)));
		jwrite_put(o, "organization", user_write_organization(c, &in,
		    row_text(&row, COL_USER_SESSION_LIST_ORGANIZATION_NAME)));
		jwrite_put(o, "current", jwrite_bool(id_eq(&id, &c->tenant.session)));
		jwrite_put(o, "createdAt",
		    user_write_time(c, &row, COL_USER_SESSION_LIST_CREATED_AT));
		jwrite_put(o, "lastUsedAt",
		    user_write_time(c, &row, COL_USER_SESSION_LIST_SEEN_AT));
		jwrite_put(o, "expiresAt",
		    user_write_time(c, &row, COL_USER_SESSION_LIST_EXPIRES_AT));
		jwrite_push(array, o);
	}
	return reply_list(c, array, STR_NONE);
}

enum err
session_end(struct call *c)
{
	struct id id;

	if (!id_parse(SESSION_ID_PREFIX, c->param[0], &id))
		return call_fail(c, ERR_NOT_FOUND, "id", "There is no session with this id.");
	return end_one(c, &id);
}
