/* Links that let somebody in: an invitation, a new password, or a session. */
#include "base/clock.h"
#include "base/password.h"
#include "call/reply.h"
#include "user/user.h"

#define FIELD_STRUCT struct credentials

enum { MEMBER_TOKEN, MEMBER_PASSWORD };

static const struct field_in accept_fields[] = {
	{ "token", FIELD_IN(TOKEN, token), FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    LINK_TOKEN_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "password", FIELD_IN(PASSWORD, password), FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    PASSWORD_MAX_BYTES, V_FIRST, V_ENDLESS, NULL },
};

/* The first of them alone. */
static const struct fields by_token = {
	.in = accept_fields, .in_count = 1,
	.size = sizeof(FIELD_STRUCT),
	.given_at = offsetof(FIELD_STRUCT, given),
};

static const struct fields acceptance = {
	.in = accept_fields, .in_count = COUNTOF(accept_fields),
	.size = sizeof(FIELD_STRUCT),
	.given_at = offsetof(FIELD_STRUCT, given),
};

enum err
link_none(struct call *c)
{
	return call_fail(c, ERR_NOT_FOUND, "token",
	    "This link is not good, or not any more. If you have used it, try to sign in; "
	    "otherwise ask for a new one.");
}

enum err
link_find(struct call *c, struct str secret, struct link *l)
{
	enum { STEP_FOUND = 2 };
	unsigned char *hash = ARENA_NEW(c->arena, unsigned char, SHA256_BYTES);
	struct tx      tx;
	struct row     row;
	enum db_status done;

	hash_sha256(secret, hash);
	*l = (struct link) { .hash = { (const char *)hash, SHA256_BYTES } };
	tx_init(&tx, c->db, c->arena);
	tx.reads = true;
	bind_text(tx_step(&tx, SQL_KEY_HOLDER), l->hash);
	bind_text(tx_step(&tx, SQL_USER_LINK_ENTER), l->hash);
	bind_text(tx_step(&tx, SQL_USER_LINK_FIND), l->hash);
	if ((done = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, done);
	if (tx_rows(&tx, STEP_FOUND) == 0)
		return link_none(c);
	row = tx_row(&tx, STEP_FOUND, 0);
	l->user = row_id(&row, COL_USER_LINK_FIND_USER);
	l->organization = row_id(&row, COL_USER_LINK_FIND_ORGANIZATION);
	l->organization_name = row_text(&row, COL_USER_LINK_FIND_ORGANIZATION_NAME);
	l->expires_ms = row_time(&row, COL_USER_LINK_FIND_EXPIRES_AT);
	while (!str_is(row_text(&row, COL_USER_LINK_FIND_PURPOSE), link_infos[l->purpose].name))
		if (++l->purpose == LINK__COUNT)
			return link_none(c);
	l->email = row_text(&row, COL_USER_LINK_FIND_EMAIL);
	l->password = row_text(&row, COL_USER_LINK_FIND_PASSWORD);
	l->ends_totp = row_bool(&row, COL_USER_LINK_FIND_ENDS_TOTP);
	return ERR_OK;
}

/* Whether the password that it takes is a new one. */
static bool
sets_password(const struct link *l)
{
	return l->purpose == LINK_RESET || (l->purpose == LINK_INVITE && !l->password.ptr);
}

/*
 * An invitation of somebody who has an account takes its password: whoever invites him must not get
 * to set it.
 */
static enum err
judge(struct call *c, struct link *l, struct str password)
{
	const char *fault;
	enum err    e;

	if (!sets_password(l)) {
		e = session_try(c, l->email);
		return e == ERR_OK ? user_judge(c, password, l->password) : e;
	}
	if ((fault = account_password_fault(password))) {
		call_field(c, "password", fault);
		return call_fields_done(c);
	}
	return user_hash(c, password, &l->made);
}

/* Undoes it all when somebody was quicker. */
static bool
is_used(struct tx *tx, void *with)
{
	struct link *l = with;

	l->used = true;
	for (size_t i = 0; i < tx->steps; i++)
		l->used &= (tx->step[i].id != SQL_USER_LINK_USE
		               && tx->step[i].id != SQL_USER_SET_PASSWORD)
		    || tx_rows(tx, i) == 1;
	return l->used;
}

static enum err
use(struct call *c, struct link *l)
{
	struct tx      tx;
	struct bind   *b;
	enum db_status done;

	user_enter(c, &tx, &l->user);
	bind_text(tx_step(&tx, SQL_USER_LINK_USE), l->hash);
	if (l->made.ptr) {
		b = tx_step(&tx, SQL_USER_SET_PASSWORD);
		bind_id(b, &l->user);
		bind_text(b, l->made);
		bind_text(b, l->password);
		bind_id(tx_step(&tx, SQL_USER_SESSION_END_ALL), &l->user);
	}
	if (l->ends_totp)
		bind_id(tx_step(&tx, SQL_USER_TOTP_REMOVE), &l->user);
	if (l->purpose == LINK_INVITE) {
		b = tx_step(&tx, SQL_USER_ACCEPT);
		bind_id(b, &l->user);
		bind_id(b, &l->organization);
	}
	tx.then = is_used;
	tx.with = l;
	if ((done = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, done);
	return l->used ? ERR_OK : link_none(c);
}

enum err
link_accept(struct call *c)
{
	struct credentials *sent = ARENA_NEW(c->arena, struct credentials, 1);
	struct link         l;
	struct json_object *o;
	enum err            e;

	if ((e = session_is_meant(c)) != ERR_OK || (e = user_read(c, &acceptance, sent)) != ERR_OK
	    || (e = link_find(c, sent->token, &l)) != ERR_OK)
		return e;
	if (l.purpose == LINK_SIGN_IN)
		return link_none(c);
	if ((e = judge(c, &l, sent->password)) != ERR_OK || (e = use(c, &l)) != ERR_OK)
		return e;
	o = jwrite_object();
	jwrite_put(o, "object", jwrite_str(STR("user")));
	jwrite_put(o, "email", jwrite_str(l.email));
	return reply_one(c, 200, o);
}

/* What a page must know to ask for what the link takes. */
enum err
link_show(struct call *c)
{
	struct credentials *sent = ARENA_NEW(c->arena, struct credentials, 1);
	char               *until = ARENA_NEW(c->arena, char, CLOCK_ISO_BYTES + 1);
	struct link         l;
	struct json_object *o;
	enum err            e;

	if ((e = session_is_meant(c)) != ERR_OK || (e = user_read(c, &by_token, sent)) != ERR_OK
	    || (e = link_find(c, sent->token, &l)) != ERR_OK)
		return e;
	clock_iso(l.expires_ms, until);
	o = jwrite_object();
	jwrite_put(o, "object", jwrite_str(STR("link")));
	jwrite_put(o, "purpose", jwrite_str(str_of(link_infos[l.purpose].name)));
	jwrite_put(o, "email", jwrite_str(l.email));
	jwrite_put(o, "organization",
	    user_write_organization(c, &l.organization, l.organization_name));
	jwrite_put(o, "newPassword", jwrite_bool(sets_password(&l)));
	jwrite_put(o, "expiresAt", jwrite_str(str_of(until)));
	return reply_one(c, 200, o);
}
