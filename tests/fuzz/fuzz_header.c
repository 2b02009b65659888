/*
 * Every small text that comes from outside: headers, parameters of the front server, values of the configuration.
 * The first byte chooses which.
 */
#include "fuzz.h"
#include "base/arena.h"
#include "base/rate.h"
#include "call/idem.h"
#include "http/trace.h"
#include "http/version.h"
#include "net/allow.h"

#include <arpa/inet.h>

static void
trace(struct arena *a UNUSED, struct str text)
{
	struct trace t, again;
	char         response[TRACE_TEXT_BYTES + 1];

	if (!trace_parse(text, &t)) {
		CHECK(!t.id.ptr);
		return;
	}
	CHECK(t.id.len == TRACE_ID_DIGITS && t.parent.len == TRACE_SPAN_DIGITS);
	trace_begin(&t);
	trace_response(&t, response);
	CHECK(trace_parse(str_of(response), &again) && str_eq(again.id, t.id) && again.flags == t.flags);
	CHECK(str_eq(again.parent, (struct str) { t.span, sizeof(t.span) }));
}

static void
version(struct arena *a UNUSED, struct str text)
{
	enum version v = V__COUNT, same;

	if (!version_resolve(text, &v)) {
		CHECK(v == V__COUNT);
		return;
	}
	CHECK(v > V_LEGACY && v < V__COUNT);
	if (version_find(text, &same))
		CHECK(same == v);
}

static void
idempotency_key(struct arena *a, struct str text)
{
	struct request req = { .arena = a, .uri = STR("/x?y"), .body = STR("{}"), .method = METHOD_POST };
	struct route   route = { .flags = ROUTE_WRITES };
	struct call    c = { .arena = a, .req = &req, .route = &route };

	req.header[HEADER_IDEMPOTENCY_KEY] = text;
	req.header_count[HEADER_IDEMPOTENCY_KEY] = 1;
	if (idem_begin(&c) != ERR_OK) {
		CHECK(!c.idem.key.ptr && c.problem.code == ERR_VALIDATION);
		return;
	}
	CHECK(c.idem.key.len >= 1 && c.idem.key.len <= 255);
	for (size_t i = 0; i < c.idem.key.len; i++)
		CHECK(c.idem.key.ptr[i] >= ' ' && c.idem.key.ptr[i] <= '~');
}

static void
request_start(struct arena *a UNUSED, struct str text)
{
	int64_t waited = request_waited_us(text, INT64_C(1800000000000000));

	CHECK(waited >= -1 && waited <= INT64_C(3600000000));
}

static void
rate(struct arena *a UNUSED, struct str text)
{
	struct rate r, again;
	char        one[RATE_TEXT_BYTES], two[RATE_TEXT_BYTES];

	if (!rate_parse(text, &r))
		return;
	CHECK(r.count <= RATE_MAX && r.burst <= RATE_MAX && (r.count == 0) == (r.burst == 0));
	CHECK(rate_parse(rate_text(&r, one), &again));
	CHECK(str_eq(rate_text(&r, one), rate_text(&again, two)));
	again = rate_unpack(rate_pack(&r));
	CHECK(again.count == r.count && again.per_s == r.per_s && again.burst == r.burst);
}

static void
allow(struct arena *a, struct str text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct allow       nets;
	struct buf         err;

	buf_init(&err, 1000);
	if (allow_parse(arena_str(a, text).ptr, &nets, &err)) {
		CHECK(err.len == 0 && nets.n <= ALLOW_NETS_MAX);
		for (size_t i = 0; i < nets.n; i++)
			CHECK(nets.net[i].bits <= 128);
		if (nets.n == 0)
			CHECK(!allow_has(&nets, (struct sockaddr_storage *)&v4));
	} else
		CHECK(err.len > 0);
	buf_fini(&err);
}

static void
integer(struct arena *a, struct str text)
{
	int64_t n = 0;
	size_t  zeros = 0;

	if (!str_to_i64(text, 0, INT64_MAX, &n))
		return;
	while (zeros + 1 < text.len && text.ptr[zeros] == '0')
		zeros++;
	CHECK(n >= 0);
	CHECK(str_eq(arena_fmt(a, "%lld", (long long)n), (struct str) { text.ptr + zeros, text.len - zeros }));
}

static void
method(struct arena *a UNUSED, struct str text)
{
	enum method m = method_find(text);

	CHECK(m == METHOD_OTHER || str_is(text, method_names[m]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(struct arena *, struct str) = {
		trace, version, idempotency_key, request_start, rate, allow, integer, method,
	};
	struct arena a;

	if (size == 0)
		return 0;
	arena_init(&a);
	readers[data[0] % COUNTOF(readers)](&a, (struct str) { (const char *)data + 1, size - 1 });
	arena_fini(&a);
	return 0;
}
