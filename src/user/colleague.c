/* The users of an organization, as its owners manage them. */
#include "call/reply.h"
#include "user/user.h"

#define FIELD_STRUCT struct member_sent

struct member_sent {
	struct str email, name, role;
	unsigned   given;
};

enum { MEMBER_EMAIL, MEMBER_NAME, MEMBER_ROLE };

static const char *const roles[] = { "owner", "admin", "member" };

static const struct field_list role_list = {
	.names = roles,
	.count = COUNTOF(roles),
	.fault = "must be owner, admin or member",
};

static const struct field_in invite_fields[] = {
	{ "email", FIELD_IN(EMAIL, email), FIELD_EMAIL, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    ACCOUNT_EMAIL_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "name", FIELD_IN(NAME, name), FIELD_NAME, 0,
	    ACCOUNT_NAME_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "role", FIELD_IN(ROLE, role), FIELD_CHOICE, FIELD_REQUIRED,
	    0, V_FIRST, V_ENDLESS, &role_list },
};

static const struct fields invitation = {
	.in = invite_fields, .in_count = COUNTOF(invite_fields),
	.size = sizeof(FIELD_STRUCT),
	.given_at = offsetof(FIELD_STRUCT, given),
};

static const struct field_in role_fields[] = {
	{ "role", FIELD_IN(ROLE, role), FIELD_CHOICE, FIELD_REQUIRED,
	    0, V_FIRST, V_ENDLESS, &role_list },
};

static const struct fields change = {
	.in = role_fields, .in_count = COUNTOF(role_fields),
	.size = sizeof(FIELD_STRUCT),
	.given_at = offsetof(FIELD_STRUCT, given),
};

/* ---- what they share ---- */

static enum err
no_user(struct call *c)
{
	return call_fail(c, ERR_NOT_FOUND, "id",
	    "There is no user with this id in the organization.");
}

static void
begin(struct call *c, struct tx *tx)
{
	tx_init(tx, c->db, c->arena);
	bind_id(tx_step(tx, SQL_USER_MANAGE), &c->tenant.organization);
}

/* A step whose first parameters are the organization and a user. */
static struct bind *
step(struct call *c, struct tx *tx, enum sql_id statement, const struct id *user)
{
	struct bind *b = tx_step(tx, statement);

	bind_id(b, &c->tenant.organization);
	bind_id(b, user);
	return b;
}

static enum err
run(struct call *c, struct tx *tx)
{
	enum db_status done = tx_run(tx);

	return done == DB_OK ? ERR_OK : call_db_failed(c, tx, done);
}

static struct json_object *
write_user(struct call *c, const struct row *row)
{
	struct json_object *o = jwrite_object();
	struct id           id = row_id(row, COL_USER_MEMBERS_ID);

	jwrite_put(o, "id", user_write_id(c, USER_ID_PREFIX, &id));
	jwrite_put(o, "object", jwrite_str(STR("user")));
	jwrite_put(o, "email", jwrite_str(row_text(row, COL_USER_MEMBERS_EMAIL)));
	jwrite_put(o, "name", jwrite_str(row_text(row, COL_USER_MEMBERS_NAME)));
	jwrite_put(o, "role", jwrite_str(row_text(row, COL_USER_MEMBERS_ROLE)));
	jwrite_put(o, "accepted", jwrite_bool(row_bool(row, COL_USER_MEMBERS_ACCEPTED)));
	jwrite_put(o, "createdAt", user_write_time(c, row, COL_USER_MEMBERS_CREATED_AT));
	return o;
}

/* ---- looking ---- */

enum err
colleague_list(struct call *c)
{
	struct json_object *array;
	struct tx           tx;
	enum err            e;

	begin(c, &tx);
	tx.reads = true;
	(void)step(c, &tx, SQL_USER_MEMBERS, NULL);
	if ((e = run(c, &tx)) != ERR_OK)
		return e;
	array = jwrite_array();
	for (size_t i = 0; i < tx_rows(&tx, 1); i++) {
		struct row row = tx_row(&tx, 1, i);

		jwrite_push(array, write_user(c, &row));
	}
	return reply_list(c, array, STR_NONE);
}

/* ---- links ---- */

static struct str
add_link(struct call *c, struct tx *tx, struct str email, enum link_purpose purpose)
{
	unsigned char *hash = ARENA_NEW(c->arena, unsigned char, SHA256_BYTES);
	struct str     secret = account_secret(c->arena, ACCOUNT_LINK_PREFIX, hash);
	struct bind   *b = tx_step(tx, SQL_USER_LINK_ADD);

	bind_text(b, email);
	bind_id(b, &c->tenant.organization);
	bind_text(b, (struct str) { (const char *)hash, SHA256_BYTES });
	bind_text(b, str_of(link_infos[purpose].name));
	bind_i64(b, link_infos[purpose].life_ms);
	bind_bool(b, purpose == LINK_RESET); /* it must not lead into another organization */
	bind_bool(b, false);
	return account_link(c->arena, c->conf, secret);
}

enum { STEP_JOIN = 3 };

/* Nothing for somebody who is here already. */
static bool
has_joined(struct tx *tx, void *with)
{
	bool *joined = with;

	*joined = tx_rows(tx, STEP_JOIN) == 1;
	return *joined;
}

enum err
colleague_invite(struct call *c)
{
	struct member_sent *sent = ARENA_NEW(c->arena, struct member_sent, 1);
	struct json_object *o;
	struct str          email, link;
	struct id           id = id_new();
	bool                joined = false;
	const char         *fault;
	struct tx           tx;
	struct bind        *b;
	enum err            e;

	if ((e = user_read(c, &invitation, sent)) != ERR_OK)
		return e;
	if ((fault = account_email(c->arena, sent->email, &email))) {
		call_field(c, "email", fault);
		return call_fields_done(c);
	}
	begin(c, &tx);
	bind_text(tx_step(&tx, SQL_USER_ASK), email);
	b = tx_step(&tx, SQL_USER_ADD);
	bind_id(b, &id);
	bind_text(b, email);
	b = tx_step(&tx, SQL_USER_JOIN);
	bind_text(b, email);
	bind_id(b, &c->tenant.organization);
	bind_text(b, sent->role);
	bind_bool(b, false);
	bind_text(b, sent->name);
	link = add_link(c, &tx, email, LINK_INVITE);
	tx.then = has_joined;
	tx.with = &joined;
	if ((e = run(c, &tx)) != ERR_OK)
		return e;
	if (!joined)
		return call_fail(c, ERR_CONFLICT, "email",
		    "Somebody with this address is a user of the organization already.");
	o = jwrite_object();
	jwrite_put(o, "object", jwrite_str(STR("invitation")));
	jwrite_put(o, "email", jwrite_str(email));
	jwrite_put(o, "role", jwrite_str(sent->role));
	jwrite_put(o, "url", jwrite_str(link));
	return reply_one(c, 200, o);
}

enum err
colleague_reset(struct call *c)
{
	struct json_object *o;
	struct str          email, link;
	struct id           id;
	struct tx           tx;
	struct row          row;
	enum err            e;

	if (!id_parse(USER_ID_PREFIX, c->param[0], &id))
		return no_user(c);
	begin(c, &tx);
	bind_id(tx_step(&tx, SQL_USER_ENTER), &id);
	(void)step(c, &tx, SQL_USER_MEMBERS, &id);
	(void)step(c, &tx, SQL_USER_ELSEWHERE, &id);
	tx.reads = true;
	if ((e = run(c, &tx)) != ERR_OK)
		return e;
	if (tx_rows(&tx, 2) == 0)
		return no_user(c);
	row = tx_row(&tx, 3, 0);
	if (row_bool(&row, COL_USER_ELSEWHERE_ELSEWHERE))
		return call_fail(c, ERR_CONFLICT, "id",
		    "This user is in other organizations, too: only the operator can make such a "
		    "link.");
	row = tx_row(&tx, 2, 0);
	email = row_text(&row, COL_USER_MEMBERS_EMAIL);
	begin(c, &tx);
	bind_text(tx_step(&tx, SQL_USER_ASK), email);
	link = add_link(c, &tx, email, LINK_RESET);
	if ((e = run(c, &tx)) != ERR_OK)
		return e;
	if (tx_rows(&tx, 2) == 0)
		return no_user(c);
	o = jwrite_object();
	jwrite_put(o, "object", jwrite_str(STR("reset")));
	jwrite_put(o, "email", jwrite_str(email));
	jwrite_put(o, "url", jwrite_str(link));
	return reply_one(c, 200, o);
}

/* ---- changes ---- */

/* After a statement that changed nothing: there is no such user, or he is the last owner. */
static enum err
judge_none(struct call *c, const struct tx *tx, size_t members)
{
	if (tx_rows(tx, members) == 0)
		return no_user(c);
	return call_fail(c, ERR_CONFLICT, "id",
	    "This is the last owner of the organization. Make somebody else an owner before.");
}

enum err
colleague_change(struct call *c)
{
	struct member_sent *sent = ARENA_NEW(c->arena, struct member_sent, 1);
	struct id           id;
	struct tx           tx;
	struct row          row;
	enum err            e;

	if ((e = user_read(c, &change, sent)) != ERR_OK)
		return e;
	if (!id_parse(USER_ID_PREFIX, c->param[0], &id))
		return no_user(c);
	begin(c, &tx);
	tx.again = true;
	bind_text(step(c, &tx, SQL_USER_MEMBER_ROLE, &id), sent->role);
	(void)step(c, &tx, SQL_USER_MEMBERS, &id);
	if ((e = run(c, &tx)) != ERR_OK)
		return e;
	if (tx_rows(&tx, 1) == 0)
		return judge_none(c, &tx, 2);
	row = tx_row(&tx, 2, 0);
	return reply_one(c, 200, write_user(c, &row));
}

struct leaving {
	struct call *call;
	struct id    id;
};

enum { STEP_MEMBER = 2, STEP_LEAVE };

/* What goes with him, in the same transaction. */
static bool
take_along(struct tx *tx, void *with)
{
	struct leaving *l = with;

	if (tx_rows(tx, STEP_LEAVE) == 0)
		return false;
	(void)step(l->call, tx, SQL_USER_MEMBER_LEFT, &l->id);
	bind_id(tx_step(tx, SQL_USER_FORGET), &l->id);
	return true;
}

enum err
colleague_remove(struct call *c)
{
	struct leaving     *l = ARENA_NEW(c->arena, struct leaving, 1);
	struct json_object *o;
	struct tx           tx;
	enum err            e;

	l->call = c;
	if (!id_parse(USER_ID_PREFIX, c->param[0], &l->id))
		return no_user(c);
	begin(c, &tx);
	bind_id(tx_step(&tx, SQL_USER_ENTER), &l->id);
	(void)step(c, &tx, SQL_USER_MEMBERS, &l->id);
	(void)step(c, &tx, SQL_USER_MEMBER_LEAVE, &l->id);
	tx.then = take_along;
	tx.with = l;
	if ((e = run(c, &tx)) != ERR_OK)
		return e;
	if (tx_rows(&tx, STEP_LEAVE) == 0)
		return judge_none(c, &tx, STEP_MEMBER);
	o = jwrite_object();
	jwrite_put(o, "id", user_write_id(c, USER_ID_PREFIX, &l->id));
	jwrite_put(o, "object", jwrite_str(STR("user")));
	jwrite_put(o, "deleted", jwrite_bool(true));
	return reply_one(c, 200, o);
}
