/* A second factor: setting it up, and removing it. */
#include "base/clock.h"
#include "base/totp.h"
#include "call/reply.h"
#include "user/user.h"

enum { RECOVERY_CODES = 10, RECOVERY_DIGITS = 16 /* base 62: 95 bits */ };

#define FIELD_STRUCT struct credentials

enum { MEMBER_CODE };

static const struct field_in code_fields[] = {
	{ "code", FIELD_IN(CODE, code), FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    SESSION_CODE_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
};

static const struct fields by_code = {
	.in = code_fields, .in_count = COUNTOF(code_fields),
	.size = sizeof(FIELD_STRUCT),
	.given_at = offsetof(FIELD_STRUCT, given),
};

static enum err
run(struct call *c, struct tx *tx)
{
	enum db_status done = tx_run(tx);

	return done == DB_OK ? ERR_OK : call_db_failed(c, tx, done);
}

enum err
factor_offer(struct call *c)
{
	unsigned char      *secret = ARENA_NEW(c->arena, unsigned char, TOTP_SECRET_BYTES);
	char               *text = ARENA_NEW(c->arena, char, TOTP_TEXT_BYTES + 1);
	struct secrets      s;
	struct json_object *o;
	struct tx           tx;
	struct bind        *b;
	enum err            e;

	if ((e = user_ask_password(c, &s)) != ERR_OK)
		return e;
	hash_random(secret, TOTP_SECRET_BYTES);
	totp_text(secret, text);
	text[TOTP_TEXT_BYTES] = '\0';
	user_enter(c, &tx, &c->tenant.user);
	tx.again = true;
	b = tx_step(&tx, SQL_USER_TOTP_OFFER);
	bind_id(b, &c->tenant.user);
	bind_text(b, (struct str) { (const char *)secret, TOTP_SECRET_BYTES });
	if ((e = run(c, &tx)) != ERR_OK)
		return e;
	o = jwrite_object();
	jwrite_put(o, "object", jwrite_str(STR("factor")));
	jwrite_put(o, "secret", jwrite_str(str_of(text)));
	return reply_one(c, 200, o);
}

/* Draws the codes into the array, and their hashes one behind the other. */
static struct str
make_codes(struct call *c, struct json_object *array)
{
	unsigned char *hashes = ARENA_NEW(c->arena, unsigned char, RECOVERY_CODES * SHA256_BYTES);

	for (size_t i = 0; i < RECOVERY_CODES; i++) {
		char *code = ARENA_NEW(c->arena, char, RECOVERY_DIGITS + 1);

		id_random_text(STR(""), RECOVERY_DIGITS, code, RECOVERY_DIGITS + 1);
		hash_sha256(str_of(code), hashes + i * SHA256_BYTES);
		jwrite_push(array, jwrite_str(str_of(code)));
	}
	return (struct str) { (const char *)hashes, RECOVERY_CODES * SHA256_BYTES };
}

/* Also when the same call was answered before, and its answer was lost. */
static enum err
nothing_offered(struct call *c, const struct secrets *s)
{
	return call_fail(c, ERR_CONFLICT, "code", s->totp.ptr
	    ? "A second factor is on, and no other one waits for its code. If you have no recovery "
	      "codes of it, remove it and set it up anew."
	    : "No second factor waits for its code. Begin anew.");
}

static enum err
not_now(struct call *c)
{
	return call_fail(c, ERR_CONFLICT, "code",
	    "Another call confirmed or replaced this secret at the same moment. The session says "
	    "whether a second factor is on.");
}

enum err
factor_confirm(struct call *c)
{
	struct credentials *sent = ARENA_NEW(c->arena, struct credentials, 1);
	struct json_object *o, *codes;
	struct secrets      s;
	struct tx           tx;
	struct bind        *b;
	int64_t             step;
	enum err            e;

	if ((e = user_read(c, &by_code, sent)) != ERR_OK || (e = user_secrets(c, &s)) != ERR_OK
	    || (e = session_try(c, s.email)) != ERR_OK)
		return e;
	if (!s.offered.ptr)
		return nothing_offered(c, &s);
	if (!totp_find((const unsigned char *)s.offered.ptr, sent->code, clock_wall_ms() / 1000, 0,
		&step))
		return call_fail(c, ERR_CONFLICT, "code",
		    "This is not the code that the secret makes now. Nothing was changed.");
	codes = jwrite_array();
	user_enter(c, &tx, &c->tenant.user);
	b = tx_step(&tx, SQL_USER_TOTP_CONFIRM);
	bind_id(b, &c->tenant.user);
	bind_text(b, s.offered);
	bind_i64(b, step);
	bind_text(b, make_codes(c, codes));
	e = run(c, &tx);
	if (e == ERR_OK && tx_rows(&tx, 1) == 0)
		e = not_now(c);
	if (e != ERR_OK) {
		jwrite_free(codes);
		return e;
	}
	o = jwrite_object();
	jwrite_put(o, "object", jwrite_str(STR("factor")));
	jwrite_put(o, "recoveryCodes", codes);
	return reply_one(c, 200, o);
}

enum err
factor_remove(struct call *c)
{
	struct secrets      s;
	struct json_object *o;
	struct tx           tx;
	enum err            e;

	if ((e = user_ask_password(c, &s)) != ERR_OK)
		return e;
	user_enter(c, &tx, &c->tenant.user);
	tx.again = true;
	bind_id(tx_step(&tx, SQL_USER_TOTP_REMOVE), &c->tenant.user);
	if ((e = run(c, &tx)) != ERR_OK)
		return e;
	o = jwrite_object();
	jwrite_put(o, "object", jwrite_str(STR("factor")));
	jwrite_put(o, "deleted", jwrite_bool(true));
	return reply_one(c, 200, o);
}
