/* SHA-256, random bytes and comparison in constant time. */
#include "base/hash.h"
#include "base/arena.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>

/*
 * One context and one fetched digest of each kind for the life of the process, because fetching
 * takes a lock and several allocations in OpenSSL 3. Hashing can fail only for lack of memory.
 */
struct digest {
	EVP_MD_CTX   *context;
	const EVP_MD *md;
};

static const EVP_MD *
fetch(const char *name)
{
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
	return EVP_MD_fetch(NULL, name, NULL);
#else
	return EVP_get_digestbyname(name);
#endif
}

static void
begin(struct digest *d, const char *name)
{
	if (!d->context) {
		d->context = EVP_MD_CTX_new();
		d->md = fetch(name);
		if (!d->md)
			d->md = fetch("SHA256");
	}
	if (!d->context || !d->md || EVP_DigestInit_ex(d->context, d->md, NULL) != 1)
		out_of_memory();
}

static void
add(struct digest *d, const void *p, size_t n)
{
	if (EVP_DigestUpdate(d->context, p, n) != 1)
		out_of_memory();
}

/* Writes the first bytes of the hash. */
static void
end(struct digest *d, unsigned char *out, size_t bytes)
{
	unsigned char all[EVP_MAX_MD_SIZE];

	if (EVP_DigestFinal_ex(d->context, all, NULL) != 1)
		out_of_memory();
	memcpy(out, all, bytes);
}

static void
add_parts(struct digest *d, const struct str *parts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t len = parts[i].len;

		add(d, &len, sizeof(len));
		add(d, parts[i].ptr, parts[i].len);
	}
}

static struct digest sha256, blake2b;

void
hash_sha256(struct str s, unsigned char out[SHA256_BYTES])
{
	begin(&sha256, "SHA256");
	add(&sha256, s.ptr, s.len);
	end(&sha256, out, SHA256_BYTES);
}

void
hash_sha256_parts(const struct str *parts, size_t count, unsigned char out[SHA256_BYTES])
{
	begin(&sha256, "SHA256");
	add_parts(&sha256, parts, count);
	end(&sha256, out, SHA256_BYTES);
}

void
hash_parts(const struct str *parts, size_t count, unsigned char out[HASH_BYTES])
{
	begin(&blake2b, "BLAKE2b512");
	add_parts(&blake2b, parts, count);
	end(&blake2b, out, HASH_BYTES);
}

/* What is hashed is begun with the key, on which a byte is laid. */
static void
begin_keyed(const unsigned char *key, unsigned char pad, size_t bytes)
{
	begin(&sha256, "SHA256");
	for (size_t i = 0; i < bytes; i++)
		add(&sha256, &(unsigned char) { key[i] ^ pad }, 1);
}

void
hash_hmac_sha1(struct str key, struct str text, unsigned char out[SHA1_BYTES])
{
	if (!HMAC(EVP_sha1(), key.ptr, (int)key.len, (const unsigned char *)text.ptr, text.len, out,
		NULL))
		out_of_memory();
}

void
hash_hmac_sha256(struct str key, struct str text, unsigned char out[SHA256_BYTES])
{
	enum { BLOCK_BYTES = 64 };
	unsigned char block[BLOCK_BYTES] = { 0 };

	if (key.len > BLOCK_BYTES)
		hash_sha256(key, block);
	else if (key.len)
		memcpy(block, key.ptr, key.len);
	begin_keyed(block, 0x36, sizeof(block));
	add(&sha256, text.ptr, text.len);
	end(&sha256, out, SHA256_BYTES);
	begin_keyed(block, 0x5c, sizeof(block));
	add(&sha256, out, SHA256_BYTES);
	end(&sha256, out, SHA256_BYTES);
	OPENSSL_cleanse(block, sizeof(block));
}

uint32_t
hash_crc32(struct str s)
{
	uint32_t crc = ~0U;

	for (size_t i = 0; i < s.len; i++) {
		crc ^= (unsigned char)s.ptr[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320U : 0);
	}
	return ~crc;
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
