/* Pages of HTML: text of others, the style and the hash that allows it, the headers of each page. */
#include "base/hash.h"
#include "http/html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct response res;

static int
set_up(void **state UNUSED)
{
	response_init(&res);
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	response_fini(&res);
	return 0;
}

static void
text_of_others_is_safe_in_elements_and_attributes(void **state UNUSED)
{
	static const struct {
		struct str text;
		const char *html;
	} cases[] = {
		{ STR("plain \xc3\xa4 \xf0\x9f\x98\x80"), "plain \xc3\xa4 \xf0\x9f\x98\x80" },
		{ STR("<b>"), "&lt;b&gt;" },
		{ STR("a & b &amp;"), "a &amp; b &amp;amp;" },
		{ STR("\"'"), "&quot;&#39;" },
		{ STR("<"), "&lt;" },
		{ STR("x>"), "x&gt;" },
		{ STR("a\nb\tc"), "a\nb\tc" },
		{ STR("a\r\x01\x1b\x7f"), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ STR("a\0b"), "a\xef\xbf\xbd" "b" },
		{ STR(""), "" },
		{ STR_NONE, "" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		response_reset(&res);
		html_text(&res, cases[i].text);
		if (!str_is(buf_view(&res.body), cases[i].html))
			fail_msg("row %zu: %.*s", i, STR_ARGS(buf_view(&res.body)));
	}
}

/* As in RFC 4648, of a SHA-256. */
static void
base64(const unsigned char hash[SHA256_BYTES], char out[45])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < SHA256_BYTES; i += 3) {
		unsigned three = (unsigned)hash[i] << 16 | (unsigned)hash[i + 1] << 8 | (i + 2 < SHA256_BYTES ? hash[i + 2] : 0U);

		for (int k = 0; k < 4; k++)
			*out++ = digits[three >> (18 - 6 * k) & 63];
	}
	out[-1] = '=';
	*out = '\0';
}

static void
the_style_is_allowed_by_its_hash(void **state UNUSED)
{
	unsigned char hash[SHA256_BYTES];
	char          wanted[64] = "style-src 'sha256-", *end = wanted + strlen(wanted);
	struct str    policy;

	hash_sha256(html_style(), hash);
	base64(hash, end);
	html_begin(&res, HTML_FORMS_NONE, STR("x"));
	policy = response_find_header(&res, "Content-Security-Policy");
	if (!memmem(policy.ptr, policy.len, wanted, strlen(wanted)))
		fail_msg("%s' is not in %.*s", wanted, STR_ARGS(policy));
	assert_non_null(memmem(res.body.ptr, res.body.len, html_style().ptr, html_style().len));
}

static bool
ends(struct str s, const char *end)
{
	size_t len = strlen(end);

	return s.len >= len && memcmp(s.ptr + s.len - len, end, len) == 0;
}

static void
a_page_is_whole_and_nobody_keeps_it(void **state UNUSED)
{
	static const char *const forms[HTML_FORMS__COUNT] = { "form-action 'none'", "form-action 'self'", "form-action 'self' https: http:" };

	for (enum html_forms f = 0; f < HTML_FORMS__COUNT; f++) {
		struct str policy, body;

		response_reset(&res);
		html_begin(&res, f, STR("a < b"));
		html_raw(&res, "<p>&amp;</p>\n");
		html_end(&res);
		body = buf_view(&res.body);
		assert_int_equal(res.kind, RESPONSE_HTML);
		assert_true(str_starts(body, STR("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")));
		assert_non_null(memmem(body.ptr, body.len, "<title>a &lt; b</title>", 23));
		assert_true(ends(body, "<body>\n<p>&amp;</p>\n</body>\n</html>\n"));
		policy = response_find_header(&res, "Content-Security-Policy");
		assert_true(ends(policy, forms[f]));
		assert_true(str_is(response_find_header(&res, "Referrer-Policy"), "no-referrer"));
		assert_true(str_is(response_find_header(&res, "X-Robots-Tag"), "noindex, nofollow"));
		assert_true(str_is(response_find_header(&res, "X-Content-Type-Options"), "nosniff"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(text_of_others_is_safe_in_elements_and_attributes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_style_is_allowed_by_its_hash, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_page_is_whole_and_nobody_keeps_it, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("html", tests, NULL, NULL);
}
