/* base/password and base/totp: what is kept of a password, and one-time codes. */
#include "base/password.h"
#include "base/totp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void
a_password_is_the_one_that_was_hashed(void **state UNUSED)
{
	char hash[PASSWORD_HASH_MAX_BYTES], again[PASSWORD_HASH_MAX_BYTES];

	assert_true(password_hash(STR("correct horse"), hash));
	assert_true(password_is(STR("correct horse"), str_of(hash)));
	assert_false(password_is(STR("correct hors"), str_of(hash)));
	assert_false(password_is(STR("correct horse "), str_of(hash)));
	assert_false(password_is(STR(""), str_of(hash)));
	assert_true(str_starts(str_of(hash), STR("$argon2id$v=19$m=19456,t=2,p=1$")));
	assert_true(password_hash(STR("correct horse"), again));
	assert_string_not_equal(hash, again);
}

/* With the parameters of password_hash(): it is taken apart whole, or an assertion fails. */
static void
nobodys_password_is_none(void **state UNUSED)
{
	assert_false(password_is(STR("correct horse"), STR_NONE));
	assert_false(password_is(STR(""), STR_NONE));
}

static void
what_is_no_hash_is_nobodys(void **state UNUSED)
{
	static const char *const texts[] = { "", "x", "$argon2id$v=19$m=19456,t=2,p=1$", "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA" };
	static char long_one[PASSWORD_HASH_MAX_BYTES + 1], long_password[PASSWORD_MAX_BYTES + 1];

	for (size_t i = 0; i < COUNTOF(texts); i++)
		assert_false(password_is(STR("x"), str_of(texts[i])));
	memset(long_one, 'x', sizeof(long_one));
	assert_false(password_is(STR("x"), (struct str) { long_one, sizeof(long_one) }));
	assert_false(password_is((struct str) { long_password, sizeof(long_password) }, STR_NONE));
}

/* RFC 6238, appendix B, for SHA-1: its codes have eight digits, and the last six are those of six. */
static void
codes_are_those_of_the_rfc(void **state UNUSED)
{
	static const struct {
		int64_t     s;
		const char *code;
	} rows[] = {
		{ 59, "287082" }, { 1111111109, "081804" }, { 1111111111, "050471" }, { 1234567890, "005924" },
		{ 2000000000, "279037" }, { 20000000000, "353130" },
	};
	const unsigned char *secret = (const unsigned char *)"12345678901234567890";
	char                 text[TOTP_TEXT_BYTES];
	int64_t              step;

	totp_text(secret, text);
	assert_memory_equal(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", TOTP_TEXT_BYTES);
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		int64_t now = rows[i].s / TOTP_STEP_S;
		char    code[TOTP_DIGITS];

		totp_code(secret, now, code);
		assert_memory_equal(code, rows[i].code, TOTP_DIGITS);
		assert_true(totp_find(secret, str_of(rows[i].code), rows[i].s, 0, &step));
		assert_int_equal(step, now);
	}
}

static void
a_code_is_good_once_and_a_step_around_now(void **state UNUSED)
{
	const unsigned char *secret = (const unsigned char *)"12345678901234567890";
	const struct str     code = STR("287082"); /* of step 1 */
	int64_t              step = 0;

	assert_true(totp_find(secret, code, 0, 0, &step));
	assert_true(totp_find(secret, code, 2 * TOTP_STEP_S, 0, &step));
	assert_false(totp_find(secret, code, 3 * TOTP_STEP_S, 0, &step));
	assert_int_equal(step, 1);
	assert_false(totp_find(secret, code, TOTP_STEP_S, 1, &step));
	assert_false(totp_find(secret, STR("28708"), TOTP_STEP_S, 0, &step));
	assert_false(totp_find(secret, STR("287083"), TOTP_STEP_S, 0, &step));
	assert_false(totp_find(secret, STR("2870820"), TOTP_STEP_S, 0, &step));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_password_is_the_one_that_was_hashed),
		cmocka_unit_test(nobodys_password_is_none),
		cmocka_unit_test(what_is_no_hash_is_nobodys),
		cmocka_unit_test(codes_are_those_of_the_rfc),
		cmocka_unit_test(a_code_is_good_once_and_a_step_around_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
