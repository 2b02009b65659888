/* One-time passwords by time. */
#include "base/totp.h"
#include "base/hash.h"

enum { BITS = 5, MILLION = 1000000 };

void
totp_text(const unsigned char secret[TOTP_SECRET_BYTES], char out[TOTP_TEXT_BYTES])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

	for (size_t i = 0; i < TOTP_TEXT_BYTES; i++) {
		size_t   at = i * BITS / 8, shift = i * BITS % 8;
		unsigned two = (unsigned)secret[at] << 8;

		if (at + 1 < TOTP_SECRET_BYTES)
			two |= secret[at + 1];
		out[i] = digits[two >> (16 - BITS - shift) & 31];
	}
}

void
totp_code(const unsigned char secret[TOTP_SECRET_BYTES], int64_t step, char out[TOTP_DIGITS])
{
	unsigned char moving[8], mac[SHA1_BYTES];
	const unsigned char *at;
	uint32_t      number;

	for (size_t i = 0; i < sizeof(moving); i++)
		moving[i] = (unsigned char)((uint64_t)step >> (56 - 8 * i));
	hash_hmac_sha1((struct str) { (const char *)secret, TOTP_SECRET_BYTES },
	    (struct str) { (const char *)moving, sizeof(moving) }, mac);
	at = mac + (mac[SHA1_BYTES - 1] & 15);
	number = ((uint32_t)(at[0] & 127) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8
	             | at[3]) % MILLION;
	for (size_t i = TOTP_DIGITS; i > 0; number /= 10)
		out[--i] = (char)('0' + number % 10);
}

bool
totp_find(const unsigned char secret[TOTP_SECRET_BYTES], struct str text, int64_t now_s,
    int64_t last, int64_t *step)
{
	const int64_t now = now_s / TOTP_STEP_S;
	bool          found = false;

	if (text.len != TOTP_DIGITS)
		return false;
	for (int64_t s = now - 1; s <= now + 1; s++) {
		char code[TOTP_DIGITS];

		totp_code(secret, s, code);
		if (hash_equal(code, text.ptr, TOTP_DIGITS) && s > last && !found) {
			*step = s;
			found = true;
		}
	}
	return found;
}
