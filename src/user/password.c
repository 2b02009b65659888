/* The password of who has signed in: it is asked for again, and changed. */
#include "base/password.h"
#include "call/reply.h"
#include "user/user.h"

#define FIELD_STRUCT struct change

struct change {
	struct str password, new_one;
	unsigned   given;
};

enum { MEMBER_PASSWORD, MEMBER_NEW_ONE };

static const struct field_in change_fields[] = {
	{ "password", FIELD_IN(PASSWORD, password), FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    PASSWORD_MAX_BYTES, V_FIRST, V_ENDLESS, NULL },
	{ "newPassword", FIELD_IN(NEW_ONE, new_one), FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    PASSWORD_MAX_BYTES, V_FIRST, V_ENDLESS, NULL },
};

/* The first of them alone. */
static const struct fields by_password = {
	.in = change_fields, .in_count = 1,
	.size = sizeof(FIELD_STRUCT),
	.given_at = offsetof(FIELD_STRUCT, given),
};

static const struct fields changing = {
	.in = change_fields, .in_count = COUNTOF(change_fields),
	.size = sizeof(FIELD_STRUCT),
	.given_at = offsetof(FIELD_STRUCT, given),
};

/* ---- the one that there is ---- */

enum err
user_secrets(struct call *c, struct secrets *out)
{
	struct tx      tx;
	struct row     row;
	enum db_status done;

	user_enter(c, &tx, &c->tenant.user);
	tx.reads = true;
	bind_id(tx_step(&tx, SQL_USER_SECRETS), &c->tenant.user);
	if ((done = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, done);
	if (tx_rows(&tx, 1) == 0)
		return session_over(c);
	row = tx_row(&tx, 1, 0);
	out->email = row_text(&row, COL_USER_SECRETS_EMAIL);
	out->password = row_text(&row, COL_USER_SECRETS_PASSWORD);
	out->totp = row_text(&row, COL_USER_SECRETS_TOTP);
	out->offered = row_text(&row, COL_USER_SECRETS_TOTP_NEXT);
	return ERR_OK;
}

enum err
user_ask_password(struct call *c, struct secrets *out)
{
	struct change *sent = ARENA_NEW(c->arena, struct change, 1);
	enum err       e;

	if ((e = user_read(c, &by_password, sent)) != ERR_OK
	    || (e = user_secrets(c, out)) != ERR_OK || (e = session_try(c, out->email)) != ERR_OK)
		return e;
	return user_judge(c, sent->password, out->password);
}

/* ---- another one ---- */

enum { STEP_SET = 1, STEP_END };

/* Undoes it all when the password is another one by now. */
static bool
is_set(struct tx *tx, void *with)
{
	bool *is = with;

	*is = tx_rows(tx, STEP_SET) == 1;
	return *is;
}

/* Whoever has another session of his may be somebody who knows the old password. */
static enum err
set(struct call *c, struct str old, struct str made)
{
	struct json_object *o;
	struct tx           tx;
	struct bind        *b;
	bool                is = false;
	enum db_status      done;

	user_enter(c, &tx, &c->tenant.user);
	b = tx_step(&tx, SQL_USER_SET_PASSWORD);
	bind_id(b, &c->tenant.user);
	bind_text(b, made);
	bind_text(b, old);
	b = tx_step(&tx, SQL_USER_SESSION_END_OTHERS);
	bind_id(b, &c->tenant.user);
	bind_id(b, &c->tenant.session);
	tx.then = is_set;
	tx.with = &is;
	if ((done = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, done);
	if (!is)
		return user_refuse(c);
	o = jwrite_object();
	jwrite_put(o, "object", jwrite_str(STR("password")));
	jwrite_put(o, "sessionsEnded", jwrite_int((int64_t)tx_affected(&tx, STEP_END)));
	return reply_one(c, 200, o);
}

enum err
password_change(struct call *c)
{
	struct change  *sent = ARENA_NEW(c->arena, struct change, 1);
	struct secrets  s;
	struct str      made;
	const char     *fault;
	bool            is = false;
	enum err        e;

	if ((e = user_read(c, &changing, sent)) != ERR_OK)
		return e;
	if ((fault = account_password_fault(sent->new_one))) {
		call_field(c, "newPassword", fault);
		return call_fields_done(c);
	}
	if ((e = user_secrets(c, &s)) != ERR_OK || (e = session_try(c, s.email)) != ERR_OK
	    || (e = user_compare(c, sent->new_one, s.password, &is)) != ERR_OK)
		return e;
	/* Whoever sends the call again because its answer was lost has the new one already. */
	if (is)
		return set(c, s.password, s.password);
	if ((e = user_judge(c, sent->password, s.password)) != ERR_OK
	    || (e = user_hash(c, sent->new_one, &made)) != ERR_OK)
		return e;
	return set(c, s.password, made);
}
