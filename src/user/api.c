/* People who sign in: what the calls share, their routes, and the descriptor. */
#include "base/clock.h"
#include "base/errand.h"
#include "base/password.h"
#include "call/body.h"
#include "user/user.h"

enum err
user_read(struct call *c, const struct fields *f, void *out)
{
	body_read(c);
	return field_read_body(c, f, FIELD_CREATE, out);
}

void
user_enter(struct call *c, struct tx *tx, const struct id *user)
{
	tx_init(tx, c->db, c->arena);
	bind_id(tx_step(tx, SQL_USER_ENTER), user);
}

/* ---- passwords ---- */

/* What a thread is given. */
struct job {
	struct str password, hash; /* hash: to compare with */
	char      *made;           /* or where to write one */
	bool       done;
};

static void
work(void *with)
{
	struct job *j = with;

	j->done = j->made ? password_hash(j->password, j->made) : password_is(j->password, j->hash);
}

static enum err
too_many(struct call *c)
{
	return call_fail(c, ERR_UNAVAILABLE, NULL,
	    "Too many people sign in at this moment. Nothing was done; try again.");
}

enum err
user_compare(struct call *c, struct str password, struct str hash, bool *is)
{
	struct job *j = ARENA_NEW(c->arena, struct job, 1);

	*j = (struct job) { .password = password, .hash = hash };
	if (!errand_run(c->errands, work, j))
		return too_many(c);
	*is = j->done;
	return ERR_OK;
}

enum err
user_judge(struct call *c, struct str password, struct str hash)
{
	bool     is = false;
	enum err e = user_compare(c, password, hash, &is);

	return e != ERR_OK || is ? e : user_refuse(c);
}

enum err
user_hash(struct call *c, struct str password, struct str *hash)
{
	struct job *j = ARENA_NEW(c->arena, struct job, 1);

	*j = (struct job) { .password = password,
		.made = ARENA_NEW(c->arena, char, PASSWORD_HASH_MAX_BYTES) };
	if (!errand_run(c->errands, work, j) || !j->done)
		return too_many(c);
	*hash = str_of(j->made);
	return ERR_OK;
}

enum err
user_refuse(struct call *c)
{
	response_header(c->res, "WWW-Authenticate", STR("Cookie realm=\"Clientele\""));
	return call_fail(c, ERR_SIGN_IN_FAILED, NULL,
	    "The e-mail address, the password or the code is not right. A code is good once.");
}

/* ---- what goes out ---- */

struct json_object *
user_write_id(struct call *c, struct str prefix, const struct id *id)
{
	return jwrite_str(id_prefixed(prefix, id, ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES)));
}

struct json_object *
user_write_time(struct call *c, const struct row *row, int column)
{
	char *text = ARENA_NEW(c->arena, char, CLOCK_ISO_BYTES + 1);

	clock_iso(row_time(row, column), text);
	return jwrite_str(str_of(text));
}

struct json_object *
user_write_organization(struct call *c, const struct id *id, struct str name)
{
	struct json_object *o = jwrite_object();

	jwrite_put(o, "id", user_write_id(c, ID_ORGANIZATION, id));
	jwrite_put(o, "name", jwrite_str(name));
	return o;
}

/* ---- the descriptor ---- */

static const struct route routes[] = {
	{ METHOD_POST,   "session",                ROUTE_PUBLIC,   V_2026_08_27, session_sign_in },
	{ METHOD_GET,    "session",                ROUTE_PERSONAL, V_2026_08_27, session_show },
	{ METHOD_PATCH,  "session",                ROUTE_PERSONAL, V_2026_08_27, session_move },
	{ METHOD_DELETE, "session",                ROUTE_PERSONAL, V_2026_08_27, session_sign_out },
	{ METHOD_POST,   "session/enter",          ROUTE_PUBLIC,   V_2026_08_27, session_enter },
	{ METHOD_POST,   "session/link",           ROUTE_PUBLIC,   V_2026_08_27, link_show },
	{ METHOD_POST,   "session/accept",         ROUTE_PUBLIC,   V_2026_08_27, link_accept },
	{ METHOD_POST,   "session/password",       ROUTE_PERSONAL, V_2026_08_27, password_change },
	{ METHOD_POST,   "session/factor",         ROUTE_PERSONAL, V_2026_08_27, factor_offer },
	{ METHOD_POST,   "session/factor/confirm", ROUTE_PERSONAL, V_2026_08_27, factor_confirm },
	{ METHOD_POST,   "session/factor/remove",  ROUTE_PERSONAL, V_2026_08_27, factor_remove },
	{ METHOD_GET,    "sessions",               ROUTE_PERSONAL, V_2026_08_27, session_list },
	{ METHOD_DELETE, "sessions/{id}",          ROUTE_PERSONAL, V_2026_08_27, session_end },
	{ METHOD_GET,    "users",                  ROUTE_PERSONAL, V_2026_08_27, colleague_list },
	{ METHOD_POST,   "users",                  ROUTE_PEOPLE,   V_2026_08_27, colleague_invite },
	{ METHOD_PATCH,  "users/{id}",             ROUTE_PEOPLE,   V_2026_08_27, colleague_change },
	{ METHOD_DELETE, "users/{id}",             ROUTE_PEOPLE,   V_2026_08_27, colleague_remove },
	{ METHOD_POST,   "users/{id}/reset",       ROUTE_PEOPLE,   V_2026_08_27, colleague_reset },
};

extern const struct resource user_resource;
const struct resource user_resource = {
	.name = "user",
	.routes = routes,
	.routes_count = COUNTOF(routes),
};
