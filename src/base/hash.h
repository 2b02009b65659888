/*
 * SHA-256 and HMAC with it, BLAKE2b, CRC-32, random bytes and comparison in constant time. Only
 * this file and base/seal include OpenSSL.
 *
 * Errors     A failing random generator ends the process (EXIT_DEFECT), because no id or key may
 *            ever be predictable. So does lack of memory.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

enum { SHA256_BYTES = 32 };

void hash_sha256(struct str s, unsigned char out[SHA256_BYTES]);

/* Hashes the parts, each after its length, so that no two lists are the same input. */
void hash_sha256_parts(const struct str *parts, size_t count, unsigned char out[SHA256_BYTES]);

/*
 * The same with BLAKE2b, cut to 32 bytes, which is a third of the work for a body. (SHA-256 where
 * OpenSSL has no BLAKE2b, as in its FIPS provider.)
 */
enum { HASH_BYTES = 32 };
void hash_parts(const struct str *parts, size_t count, unsigned char out[HASH_BYTES]);

/* HMAC (RFC 2104) with SHA-1, for what others prescribe (base/totp.h). */
enum { SHA1_BYTES = 20 };
void hash_hmac_sha1(struct str key, struct str text, unsigned char out[SHA1_BYTES]);

/* HMAC (RFC 2104) with SHA-256. */
void hash_hmac_sha256(struct str key, struct str text, unsigned char out[SHA256_BYTES]);

/* CRC-32 as zlib has it: against slips of the pen, not against anybody. Slow: for short texts. */
uint32_t hash_crc32(struct str s);

void hash_random(void *out, size_t bytes);

bool hash_equal(const void *a, const void *b, size_t bytes);

#endif
