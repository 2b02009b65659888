/* A response as plain data. */
#include "http/response.h"
#include "base/limits.h"

#include <assert.h>

void
response_init(struct response *res)
{
	*res = (struct response) { 0 };
	buf_init(&res->body, RESPONSE_MAX_BYTES);
}

void
response_reset(struct response *res)
{
	res->status = 0;
	res->head_only = false;
	res->kind = RESPONSE_JSON;
	res->headers = 0;
	buf_reset(&res->body, RESPONSE_KEEP_BYTES);
}

void
response_fini(struct response *res)
{
	buf_fini(&res->body);
}

void
response_header(struct response *res, const char *name, struct str value)
{
	assert(res->headers < RESPONSE_HEADERS_MAX);
	res->header[res->headers].name = name;
	res->header[res->headers].value = value;
	res->headers++;
}

struct str
response_find_header(const struct response *res, const char *name)
{
	for (size_t i = 0; i < res->headers; i++)
		if (str_eq_nocase(str_of(res->header[i].name), str_of(name)))
			return res->header[i].value;
	return STR_NONE;
}
