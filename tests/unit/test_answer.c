/* fcgi/answer: a response as records. */
#include "base/log.h"
#include "fcgi/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ID = 0x1234, CONTENT_MAX_BYTES = 0xFFF8 };

static struct answer   answer;
static struct response res;

static int
set_up(void **state UNUSED)
{
	log_init("test", LOG_LEVEL_ERROR);
	answer_init(&answer);
	response_init(&res);
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	answer_fini(&answer);
	response_fini(&res);
	return 0;
}

/* The content of all records of a type, one after the other; all of them must be of this request. */
static void
content(unsigned char type, struct buf *out)
{
	struct str rest = buf_view(&answer.records);

	buf_reset(out, 0);
	while (rest.len) {
		const unsigned char *head = (const unsigned char *)rest.ptr;
		size_t               bytes = (size_t)head[4] << 8 | head[5];

		assert_true(rest.len >= 8 + bytes && bytes <= CONTENT_MAX_BYTES);
		assert_int_equal(head[0], 1);
		assert_int_equal(head[2] << 8 | head[3], ID);
		assert_int_equal(head[6], 0);
		if (head[1] == type)
			buf_add(out, rest.ptr + 8, bytes);
		rest = (struct str) { rest.ptr + 8 + bytes, rest.len - 8 - bytes };
	}
}

static void
headers_stand_before_the_body(void **state UNUSED)
{
	struct buf out;

	buf_init(&out, 1024);
	res.status = 409;
	response_header(&res, "X-One", STR("1"));
	response_header(&res, "X-Two", STR("2\r\nX-Injected: 3"));
	buf_str(&res.body, STR("{\"a\":1}"));
	answer_make(&answer, &res, ID, false);
	content(6, &out);
	assert_true(str_is(buf_view(&out), "Status: 409 Conflict\r\nContent-Type: application/json\r\n"
					   "Content-Length: 7\r\nCache-Control: no-store\r\nX-One: 1\r\n\r\n{\"a\":1}"));
	res.head_only = true;
	answer_make(&answer, &res, ID, false);
	content(6, &out);
	assert_true(str_is(buf_view(&out), "Status: 409 Conflict\r\nContent-Type: application/json\r\n"
					   "Content-Length: 7\r\nCache-Control: no-store\r\nX-One: 1\r\n\r\n"));
	buf_fini(&out);
}

static void
a_page_is_text_that_may_be_kept(void **state UNUSED)
{
	struct buf out;

	buf_init(&out, 1024);
	res.status = 200;
	res.kind = RESPONSE_TEXT;
	buf_str(&res.body, STR("# x\n"));
	answer_make(&answer, &res, ID, false);
	content(6, &out);
	assert_true(str_is(buf_view(&out), "Status: 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
					   "Content-Length: 4\r\nCache-Control: public, max-age=3600\r\n\r\n# x\n"));
	response_reset(&res);
	assert_int_equal(res.kind, RESPONSE_JSON);
	buf_fini(&out);
}

static void
a_page_of_html_is_not_kept(void **state UNUSED)
{
	struct buf out;

	buf_init(&out, 1024);
	res.status = 303;
	res.kind = RESPONSE_HTML;
	buf_str(&res.body, STR("<p>x"));
	answer_make(&answer, &res, ID, false);
	content(6, &out);
	assert_true(str_is(buf_view(&out), "Status: 303 See Other\r\nContent-Type: text/html; charset=utf-8\r\n"
					   "Content-Length: 4\r\nCache-Control: no-store\r\n\r\n<p>x"));
	buf_fini(&out);
}

static void
more_headers_than_nginx_takes_are_left_out(void **state UNUSED)
{
	char       large[4000];
	struct buf out;

	buf_init(&out, 8192);
	memset(large, 'x', sizeof(large));
	res.status = 200;
	response_header(&res, "X-Large", (struct str) { large, sizeof(large) });
	buf_str(&res.body, STR("{}"));
	answer_make(&answer, &res, ID, false);
	content(6, &out);
	assert_non_null(memmem(out.ptr, out.len, "Cache-Control: no-store\r\n\r\n{}", 29));
	buf_fini(&out);
}

static void
bodies_of_any_length_are_whole(void **state UNUSED)
{
	static char body[3 * CONTENT_MAX_BYTES];
	struct buf  out;

	buf_init(&out, sizeof(body) + 1024);
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)('a' + i % 23);
	for (size_t bytes = 0; bytes <= sizeof(body); bytes += bytes % CONTENT_MAX_BYTES < 200 ? 1 : 9973) {
		response_reset(&res);
		res.status = 200;
		buf_add(&res.body, body, bytes);
		answer_make(&answer, &res, ID, false);
		content(6, &out);
		assert_true(out.len > bytes);
		assert_memory_equal(out.ptr + out.len - bytes, body, bytes);
	}
	buf_fini(&out);
}

/* The output ends, then the request. One record too many keeps nginx from using a connection that ends. */
static void
it_ends_as_the_connection_does(void **state UNUSED)
{
	static const char end[] = "\1\6\x12\x34\0\0\0\0\1\3\x12\x34\0\x08\0\0\0\0\0\0\0\0\0\0\1\7\x12\x34\0\0\0\0";

	for (int closes = 0; closes < 2; closes++) {
		size_t bytes = sizeof(end) - 1 - (closes ? 0 : 8);

		res.status = 200;
		answer_make(&answer, &res, ID, closes);
		assert_true(answer.records.len > bytes);
		assert_memory_equal(answer.records.ptr + answer.records.len - bytes, end, bytes);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(headers_stand_before_the_body),
		TEST(a_page_is_text_that_may_be_kept),
		TEST(a_page_of_html_is_not_kept),
		TEST(more_headers_than_nginx_takes_are_left_out),
		TEST(bodies_of_any_length_are_whole),
		TEST(it_ends_as_the_connection_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
