/* SHA-256, random bytes and comparison in constant time. */
#include "base/hash.h"
#include "base/arena.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>

/*
 * One context and one fetched digest for the life of the process: fetching
 * takes a lock and several allocations in OpenSSL 3, per call otherwise. Memory is the one
 * thing that SHA-256 can fail for.
 */
static EVP_MD_CTX   *context;
static const EVP_MD *digest;

static void
begin(void)
{
	if (!context) {
		context = EVP_MD_CTX_new();
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
		digest = EVP_MD_fetch(NULL, "SHA256", NULL);
#else
		digest = EVP_sha256();
#endif
	}
	if (!context || !digest || EVP_DigestInit_ex(context, digest, NULL) != 1)
		out_of_memory();
}

void
hash_sha256_parts(const struct str *parts, size_t count, unsigned char out[SHA256_BYTES])
{
	begin();
	for (size_t i = 0; i < count; i++) {
		uint64_t len = parts[i].len;

		if (EVP_DigestUpdate(context, &len, sizeof(len)) != 1
		    || EVP_DigestUpdate(context, parts[i].ptr, parts[i].len) != 1)
			out_of_memory();
	}
	if (EVP_DigestFinal_ex(context, out, NULL) != 1)
		out_of_memory();
}

void
hash_sha256(struct str s, unsigned char out[SHA256_BYTES])
{
	begin();
	if (EVP_DigestUpdate(context, s.ptr, s.len) != 1
	    || EVP_DigestFinal_ex(context, out, NULL) != 1)
		out_of_memory();
}

void
hash_random(void *out, size_t bytes)
{
	if (RAND_bytes(out, (int)bytes) != 1)
		exit(EXIT_DEFECT);
}

bool
hash_equal(const void *a, const void *b, size_t bytes)
{
	return CRYPTO_memcmp(a, b, bytes) == 0;
}
