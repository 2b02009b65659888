/*
 * SHA-256, random bytes and comparison in constant time; this and base/seal
 * include OpenSSL.
 *
 * Errors     A failing random generator ends the process (EXIT_DEFECT): no
 *            id or key may ever be predictable.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

enum { SHA256_BYTES = 32 };

void hash_sha256(struct str s, unsigned char out[SHA256_BYTES]);

/* Of the parts, each preceded by its length, so that no two lists give the same input. */
void hash_sha256_parts(const struct str *parts, size_t count, unsigned char out[SHA256_BYTES]);

/*
 * The same with BLAKE2b, of which 32 bytes are kept: a third of the work for a body. (Where OpenSSL offers no
 * BLAKE2b, as in its FIPS provider, it is SHA-256.)
 */
enum { HASH_BYTES = 32 };
void hash_parts(const struct str *parts, size_t count, unsigned char out[HASH_BYTES]);

void hash_random(void *out, size_t bytes);

bool hash_equal(const void *a, const void *b, size_t bytes);

#endif
