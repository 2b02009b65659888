/*
 * People who sign in, over HTTP: what the files of this folder share. They have no environment; a
 * transaction says for whom it acts (user_enter()), and row-level security shows it what is his.
 *
 * Repeats    These calls take no Idempotency-Key: nothing of theirs does harm when done again, and
 *            what a refusal says is true of one that was done before, too.
 */
#ifndef USER_USER_H
#define USER_USER_H

#include "auth/account.h"
#include "auth/session.h"
#include "call/field.h"

#define USER_ID_PREFIX    STR("usr_")
#define SESSION_ID_PREFIX STR("ses_")

enum {
	SESSION_CODE_MAX_CHARS = 40,
	LINK_TOKEN_MAX_CHARS = 100,
};

/* What somebody sends who signs in or lets himself in; each call takes some of it. */
struct credentials {
	struct id  id; /* of the struct's tables; not used */
	struct str email, password, code, token;
	unsigned   given;
};

/* Reads the body by a table of fields_in into *out. */
enum err user_read(struct call *c, const struct fields *f, void *out);

/* Begins a transaction that acts for this user. */
void user_enter(struct call *c, struct tx *tx, const struct id *user);

/*
 * Whether the password is the one with this hash; absent: nobody's, which takes as long.
 * ERR_UNAVAILABLE when too many passwords are looked at.
 */
enum err user_compare(struct call *c, struct str password, struct str hash, bool *is);

/* The same; ERR_SIGN_IN_FAILED: it is not. */
enum err user_judge(struct call *c, struct str password, struct str hash);

/* *hash is what is kept of a new password. ERR_UNAVAILABLE as above. */
enum err user_hash(struct call *c, struct str password, struct str *hash);

/* Of the user who makes the call (password.c); password, totp and offered may be absent. */
struct secrets {
	struct str email, password;
	struct str totp, offered; /* a second factor, and one that no code has confirmed yet */
};

enum err user_secrets(struct call *c, struct secrets *out);

/*
 * The same after the call's body, {"password": ...}, was found to be right: whoever found a session
 * open must not change how its user signs in.
 */
enum err user_ask_password(struct call *c, struct secrets *out);

/* What a link leads to (link.c). */
struct link {
	struct str        hash; /* of its secret */
	struct id         user, organization;
	struct str        organization_name;
	enum link_purpose purpose;
	struct str        email, password; /* of the account; password absent: none was set yet */
	int64_t           expires_ms;
	struct str        made;            /* hash of a new password, or absent */
	bool              ends_totp;       /* using it removes the second factor */
	bool              used;
};

/* 404 if the secret is none of a link, or of one that was used or has expired. */
enum err link_find(struct call *c, struct str secret, struct link *l);
enum err link_none(struct call *c); /* the same 404 */

/* 401, with the one sentence for everything that is wrong. */
enum err user_refuse(struct call *c);

struct json_object *user_write_id(struct call *c, struct str prefix, const struct id *id);
struct json_object *user_write_time(struct call *c, const struct row *row, int column);
struct json_object *user_write_organization(struct call *c, const struct id *id, struct str name);

/* ---- the calls */

enum err session_sign_in(struct call *c);
enum err session_enter(struct call *c);
enum err session_show(struct call *c);
enum err session_move(struct call *c);
enum err session_sign_out(struct call *c);
enum err session_list(struct call *c);
enum err session_end(struct call *c);
enum err link_show(struct call *c);
enum err link_accept(struct call *c);
enum err password_change(struct call *c);
enum err factor_offer(struct call *c);
enum err factor_confirm(struct call *c);
enum err factor_remove(struct call *c);
enum err colleague_list(struct call *c);
enum err colleague_invite(struct call *c);
enum err colleague_change(struct call *c);
enum err colleague_remove(struct call *c);
enum err colleague_reset(struct call *c);

#endif
