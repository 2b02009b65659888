/* Passwords. */
#include "base/password.h"
#include "base/hash.h"

#include <argon2.h>
#include <assert.h>

enum { LANES = 1, SALT_BYTES = 16, KEPT_BYTES = 32 };

/* Of a password that nobody has, with the parameters of password_hash(). */
static const char nobody[]
    = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdC4uLg$"
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/* With one lane the library starts no thread. */
bool
password_hash(struct str password, char out[PASSWORD_HASH_MAX_BYTES])
{
	unsigned char salt[SALT_BYTES];

	assert(password.len <= PASSWORD_MAX_BYTES);
	hash_random(salt, sizeof(salt));
	return argon2id_hash_encoded(PASSWORD_PASSES, PASSWORD_MEMORY_KIB, LANES, password.ptr,
	           password.len, salt, sizeof(salt), KEPT_BYTES, out, PASSWORD_HASH_MAX_BYTES)
	    == ARGON2_OK;
}

bool
password_is(struct str password, struct str hash)
{
	char text[PASSWORD_HASH_MAX_BYTES];
	int  code;

	if (password.len > PASSWORD_MAX_BYTES || hash.len >= sizeof(text))
		return false;
	memcpy(text, hash.ptr ? hash.ptr : nobody, hash.ptr ? hash.len : sizeof(nobody));
	if (hash.ptr)
		text[hash.len] = '\0';
	code = argon2id_verify(text, password.ptr, password.len);
	assert(hash.ptr || code != ARGON2_DECODING_FAIL); /* that would cost nothing */
	return code == ARGON2_OK && hash.ptr;
}
