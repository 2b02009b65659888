/* A request as plain data: the names of its parts. */
#include "http/request.h"
#include "base/limits.h"

enum {
	/* Of a time since 1970, in the years 2001 to 2286. */
	SECONDS_DIGITS = 10,
	MILLISECONDS_DIGITS = 13,
	MICROSECONDS_DIGITS = 16,
};

/* A front server gives up long before. So a wrong clock is more likely. */
#define WAITED_MAX_US INT64_C(3600000000)

const char *const method_names[METHOD__COUNT] = {
	[METHOD_GET] = "GET",
	[METHOD_HEAD] = "HEAD",
	[METHOD_POST] = "POST",
	[METHOD_PUT] = "PUT",
	[METHOD_PATCH] = "PATCH",
	[METHOD_DELETE] = "DELETE",
	[METHOD_OPTIONS] = "OPTIONS",
	[METHOD_OTHER] = "",
};

const char *const header_names[HEADER__COUNT] = {
#define HEADER(name, wire, param) [HEADER_##name] = wire,
	HEADER_LIST(HEADER)
	HEADER_OWN_LIST(HEADER)
#undef HEADER
};

const char *const header_params[HEADER__COUNT] = {
#define HEADER(name, wire, param) [HEADER_##name] = param,
	HEADER_LIST(HEADER)
	HEADER_OWN_LIST(HEADER)
#undef HEADER
};

int64_t
request_waited_us(struct str start, int64_t now_wall_us)
{
	const struct str apache = STR("t=");
	struct str       text = start;
	int64_t          then = 0, waited_us;
	size_t           digits = 0;

	if (str_starts(start, apache))
		text = (struct str) { start.ptr + apache.len, start.len - apache.len };
	for (size_t i = 0; i < text.len; i++) {
		if (i == SECONDS_DIGITS && text.ptr[i] == '.')
			continue;
		if (!str_is_digit(text.ptr[i]) || ++digits > MICROSECONDS_DIGITS)
			return -1;
		then = then * 10 + text.ptr[i] - '0';
	}
	if (digits != MILLISECONDS_DIGITS && digits != MICROSECONDS_DIGITS)
		return -1;
	waited_us = now_wall_us - (digits == MILLISECONDS_DIGITS ? then * 1000 : then);
	return waited_us >= 0 && waited_us <= WAITED_MAX_US ? waited_us : -1;
}

struct str
request_bearer(const struct request *req)
{
	const struct str scheme = STR("Bearer ");
	struct str       sent = req->header[HEADER_AUTHORIZATION];

	if (sent.len < scheme.len || !str_eq_nocase((struct str) { sent.ptr, scheme.len }, scheme))
		return STR_NONE;
	return str_trim((struct str) { sent.ptr + scheme.len, sent.len - scheme.len });
}

enum method
method_find(struct str name)
{
	for (enum method m = 0; m < METHOD_OTHER; m++)
		if (str_is(name, method_names[m]))
			return m;
	return METHOD_OTHER;
}

bool
request_id_is_good(struct str s)
{
	if (s.len == 0 || s.len > REQUEST_ID_MAX_BYTES)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!str_is_alnum(c) && c != '-' && c != '_' && c != '.' && c != ':')
			return false;
	}
	return true;
}
