/*
 * People who sign in: what their accounts, links and roles have in common wherever they are used.
 *
 * Stored     Of a link only the SHA-256 of its secret.
 */
#ifndef AUTH_ACCOUNT_H
#define AUTH_ACCOUNT_H

#include "base/arena.h"
#include "base/hash.h"
#include "conf/conf.h"

enum {
	ACCOUNT_EMAIL_MAX_CHARS = 200,
	ACCOUNT_NAME_MAX_CHARS = 100,
	ACCOUNT_SECRET_DIGITS = 40, /* base 62, as many as an API key has */

	ACCOUNT_INVITE_HOURS = 7 * 24,
	ACCOUNT_RESET_HOURS = 2,
	ACCOUNT_SIGN_IN_MINUTES = 15,
};

/* What somebody may do in an organization: each role may what those before it may. */
enum role { ROLE_NONE, ROLE_MEMBER, ROLE_ADMIN, ROLE_OWNER };

extern const char *const role_names[];

/* ROLE_NONE: there is no such role. */
enum role role_find(struct str name);

/*
 * An e-mail address as it is stored and compared: A to Z in lower case. NULL: it is one; otherwise
 * what is wrong with it, to stand after what it names.
 */
const char *account_email(struct arena *a, struct str text, struct str *email);

/* NULL: it can be one. Otherwise what is wrong with it. */
const char *account_password_fault(struct str password);

/* What a link is for. */
enum link_purpose { LINK_INVITE, LINK_RESET, LINK_SIGN_IN, LINK__COUNT };

extern const struct link_info {
	const char *name;
	int64_t     life_ms;
} link_infos[LINK__COUNT];

/* A secret of ACCOUNT_SECRET_DIGITS digits behind a prefix, in the arena, and its hash. */
struct str account_secret(struct arena *a, struct str prefix, unsigned char hash[SHA256_BYTES]);

/* A link's secret; it stands behind this: */
#define ACCOUNT_LINK_PREFIX STR("lnk_")

/*
 * The address to give to whoever is let in: a page below public_url, with the secret behind '#', so
 * that no server sees and logs it.
 */
struct str account_link(struct arena *a, const struct conf *conf, struct str secret);

#endif
