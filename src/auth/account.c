/* People who sign in. */
#include "auth/account.h"
#include "base/id.h"
#include "base/name.h"
#include "base/password.h"
#include "base/utf8.h"
#include "call/field.h"

#define HOUR_MS INT64_C(3600000)

const char *const role_names[] = {
	[ROLE_NONE] = "", [ROLE_MEMBER] = "member", [ROLE_ADMIN] = "admin", [ROLE_OWNER] = "owner",
};

const struct link_info link_infos[LINK__COUNT] = {
	[LINK_INVITE] = { "invite", ACCOUNT_INVITE_HOURS * HOUR_MS },
	[LINK_RESET] = { "reset", ACCOUNT_RESET_HOURS * HOUR_MS },
	[LINK_SIGN_IN] = { "sign_in", ACCOUNT_SIGN_IN_MINUTES * HOUR_MS / 60 },
};

enum role
role_find(struct str name)
{
	for (enum role r = ROLE_MEMBER; r <= ROLE_OWNER; r++)
		if (str_is(name, role_names[r]))
			return r;
	return ROLE_NONE;
}

const char *
account_email(struct arena *a, struct str text, struct str *email)
{
	char *lower = ARENA_NEW(a, char, text.len + 1);
	char  words[NAME_FAULT_BYTES];

	if (utf8_count(text) > ACCOUNT_EMAIL_MAX_CHARS)
		return "is too long for an e-mail address";
	if (name_unseen(text, words))
		return "must not have characters that cannot be seen";
	if (!field_is_email(text))
		return "must be an e-mail address";
	for (size_t i = 0; i < text.len; i++)
		lower[i] = text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? (char)(text.ptr[i] + 32)
		                                                    : text.ptr[i];
	*email = (struct str) { lower, text.len };
	return NULL;
}

const char *
account_password_fault(struct str password)
{
	_Static_assert(PASSWORD_MIN_CHARS == 10 && PASSWORD_MAX_BYTES == 512, "as below");

	if (utf8_count(password) < PASSWORD_MIN_CHARS)
		return "must have 10 characters at least";
	return password.len > PASSWORD_MAX_BYTES ? "must have 512 bytes at most" : NULL;
}

struct str
account_secret(struct arena *a, struct str prefix, unsigned char hash[SHA256_BYTES])
{
	size_t size = prefix.len + ACCOUNT_SECRET_DIGITS + 1;
	char  *text = ARENA_NEW(a, char, size);

	id_random_text(prefix, ACCOUNT_SECRET_DIGITS, text, size);
	hash_sha256(str_of(text), hash);
	return str_of(text);
}

struct str
account_link(struct arena *a, const struct conf *conf, struct str secret)
{
	return arena_fmt(a, "%s/dashboard/accept#%.*s", conf->public_url, STR_ARGS(secret));
}
