/* AES-256-GCM. */
#include "base/seal.h"
#include "base/hash.h"

#include <limits.h>
#include <openssl/evp.h>

enum { TAG_BYTES = 16 };

_Static_assert(SHA256_BYTES == 32, "a key of AES-256");

/*
 * The key is made of both: the same id with two secrets gives the same nonce, but two keys.
 */
static EVP_CIPHER_CTX *
begin(struct str secret, const struct id *id, int encrypt)
{
	const struct str parts[] = {
		STR("clientele seal"),
		secret,
		{ (const char *)id->b, ID_BYTES },
	};
	const EVP_CIPHER *aes = EVP_aes_256_gcm();
	EVP_CIPHER_CTX   *context = EVP_CIPHER_CTX_new();
	unsigned char     key[SHA256_BYTES];

	hash_sha256_parts(parts, COUNTOF(parts), key);
	if (!context || EVP_CipherInit_ex(context, aes, NULL, key, id->b, encrypt) != 1)
		out_of_memory();
	return context;
}

struct str
seal_close(struct arena *a, struct str secret, const struct id *id, struct str text)
{
	EVP_CIPHER_CTX *context = begin(secret, id, 1);
	unsigned char  *out = ARENA_NEW(a, unsigned char, text.len + TAG_BYTES);
	unsigned char  *tag = out + text.len;
	const void     *in = text.ptr;
	int             n = 0, rest = 0;

	if (text.len > INT_MAX - TAG_BYTES
	    || EVP_CipherUpdate(context, out, &n, in, (int)text.len) != 1
	    || EVP_CipherFinal_ex(context, out + n, &rest) != 1
	    || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) != 1)
		out_of_memory();
	EVP_CIPHER_CTX_free(context);
	return (struct str) { (const char *)out, text.len + TAG_BYTES };
}

bool
seal_open(struct arena *a, struct str secret, const struct id *id, struct str sealed,
    struct str *text)
{
	EVP_CIPHER_CTX *context;
	unsigned char  *out, tag[TAG_BYTES];
	int             n = 0, rest = 0;
	bool            ok;

	if (sealed.len < TAG_BYTES || sealed.len > INT_MAX)
		return false;
	out = ARENA_NEW(a, unsigned char, sealed.len);
	memcpy(tag, sealed.ptr + sealed.len - TAG_BYTES, TAG_BYTES);
	context = begin(secret, id, 0);
	ok = EVP_CipherUpdate(context, out, &n, (const unsigned char *)sealed.ptr,
	         (int)(sealed.len - TAG_BYTES)) == 1
	    && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1
	    && EVP_CipherFinal_ex(context, out + n, &rest) == 1;
	EVP_CIPHER_CTX_free(context);
	if (ok)
		*text = (struct str) { (const char *)out, sealed.len - TAG_BYTES };
	return ok;
}
