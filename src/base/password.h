/*
 * Passwords: what is kept of one, and whether a text is it. Argon2id (RFC 9106) by libargon2, in
 * its own text form, which names its parameters: "$argon2id$v=19$m=19456,t=2,p=1$salt$hash".
 *
 * Cost       PASSWORD_MEMORY_KIB of memory and some 30 ms of a processor, whatever the password is:
 *            a worker has it done by a thread (base/errand.h).
 * Nobody     password_is() with no hash costs the same, and says no: so that somebody who asks
 *            cannot tell an account that there is not from a wrong password.
 * Errors     False, for want of memory too.
 */
#ifndef BASE_PASSWORD_H
#define BASE_PASSWORD_H

#include "base/str.h"

enum {
	/* OWASP's first choice for Argon2id (Password Storage Cheat Sheet, 2024). */
	PASSWORD_MEMORY_KIB = 19456,
	PASSWORD_PASSES = 2,
	PASSWORD_HASH_MAX_BYTES = 128, /* with its NUL */

	/* NIST SP 800-63B: 8 at least, and no rules beside that. */
	PASSWORD_MIN_CHARS = 10,
	PASSWORD_MAX_BYTES = 512,
};

/* Draws the salt itself. */
bool password_hash(struct str password, char out[PASSWORD_HASH_MAX_BYTES]) MUSTCHECK;

/* hash absent: nobody's. Compares in constant time. */
bool password_is(struct str password, struct str hash) MUSTCHECK;

#endif
