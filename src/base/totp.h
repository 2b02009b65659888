/*
 * One-time passwords by time (RFC 6238) as every authenticator knows them: HMAC with SHA-1, 30
 * seconds, six digits; and the secret as the base 32 that is typed or scanned.
 *
 * Drift      A clock may be one step off, either way.
 * Once       totp_find() gives the step of a code: keep it, and take later ones alone.
 */
#ifndef BASE_TOTP_H
#define BASE_TOTP_H

#include "base/str.h"

enum {
	TOTP_SECRET_BYTES = 20, /* RFC 4226: as long as the hash */
	TOTP_TEXT_BYTES = TOTP_SECRET_BYTES * 8 / 5,
	TOTP_DIGITS = 6,
	TOTP_STEP_S = 30,
};

/* The secret in base 32 (RFC 4648), which fills it. */
void totp_text(const unsigned char secret[TOTP_SECRET_BYTES], char out[TOTP_TEXT_BYTES]);

/* The code of a step, which is seconds since 1970 by TOTP_STEP_S. */
void totp_code(const unsigned char secret[TOTP_SECRET_BYTES], int64_t step, char out[TOTP_DIGITS]);

/* Whether the text is a code around now, of a step after 'last'; *step is that. */
bool totp_find(const unsigned char secret[TOTP_SECRET_BYTES], struct str text, int64_t now_s,
    int64_t last, int64_t *step) MUSTCHECK;

#endif
