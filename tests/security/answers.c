/*
 * A thing of another tenant's and a thing that does not exist get the same answer: byte for byte, by the same statements
 * and, measured, in the same time.
 *
 *	answers ROUNDS
 *
 * Each row is two requests that nobody must be able to tell apart, sent in turn, ROUNDS times each. Median, 99th
 * percentile and the Mann-Whitney test of the two samples are printed; only medians that are far apart fail.
 */
#include "../app/app_test.h"
#include "auth/api_key.h"
#include "base/clock.h"
#include "base/hash.h"

#include <math.h>

enum { FAR_PERCENT = 30 };

struct sample {
	int64_t took_ns;
	int     which;
};

struct way {
	const char *uri, *key; /* key: instead of ACME_LIVE's own, or NULL */
};

static unsigned failures;

static int
send_way(const char *method, const char *text, const struct way *w)
{
	return SEND(ACME_LIVE, method, w->uri, text, .key = w->key);
}

/* Everything of the answer but its request id. */
static struct str
whole_answer(void)
{
	struct str all = arena_fmt(&test_kept, "%d %.*s", test_response.status, STR_ARGS(body()));

	for (size_t i = 0; i < test_response.headers; i++)
		if (strcmp(test_response.header[i].name, "X-Request-Id") != 0)
			all = arena_fmt(&test_kept, "%.*s\n%s: %.*s", STR_ARGS(all), test_response.header[i].name,
			    STR_ARGS(test_response.header[i].value));
	return all;
}

static int
by_time(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return (x->took_ns > y->took_ns) - (x->took_ns < y->took_ns);
}

static double
quantile_us(const struct sample *sorted, size_t all, int which, size_t of, double q)
{
	size_t wanted = (size_t)((double)of * q), seen = 0;

	for (size_t i = 0; i < all; i++)
		if (sorted[i].which == which && seen++ == wanted)
			return (double)sorted[i].took_ns / 1000;
	return 0;
}

/* How many standard deviations the sum of ranks is away from that of two samples of one distribution. */
static double
mann_whitney(const struct sample *sorted, size_t all, size_t of)
{
	double ranks = 0, n = (double)of;

	for (size_t i = 0; i < all; i++)
		if (sorted[i].which == 0)
			ranks += (double)i + 1;
	return (ranks - n * (n + 1) / 2 - n * n / 2) / sqrt(n * n * (2 * n + 1) / 12);
}

static void
compare(const char *name, const char *method, const char *text, const struct way ways[2], size_t rounds)
{
	struct sample *samples = calloc(2 * rounds, sizeof(*samples));
	struct str     answers[2];
	struct facts   facts[2];
	double         median[2], z;

	for (int which = 0; which < 2; which++) {
		send_way(method, text, &ways[which]);
		send_way(method, text, &ways[which]);
		answers[which] = whole_answer();
		facts[which] = test_facts;
	}
	if (!str_eq(answers[0], answers[1]) || test_response.status / 100 != 4 || facts[0].db_trips != facts[1].db_trips
	    || memcmp(&facts[0].statements, &facts[1].statements, sizeof(facts[0].statements)) != 0) {
		fprintf(stderr, "%s: %u trips\n%.*s\nand not %u trips\n%.*s\n", name, facts[0].db_trips, STR_ARGS(answers[0]),
		    facts[1].db_trips, STR_ARGS(answers[1]));
		failures++;
	}
	for (size_t i = 0; i < 2 * rounds; i++) {
		int     which = (i % 2) ^ (i / 2 % 2); /* in turn, and neither always after the other */
		int64_t begun_ns = clock_mono_ns();

		send_way(method, text, &ways[which]);
		samples[i] = (struct sample) { clock_mono_ns() - begun_ns, which };
	}
	qsort(samples, 2 * rounds, sizeof(*samples), by_time);
	for (int which = 0; which < 2; which++)
		median[which] = quantile_us(samples, 2 * rounds, which, rounds, 0.5);
	z = mann_whitney(samples, 2 * rounds, rounds);
	printf("%s: same answer, %u trips; median %.1f and %.1f us, p99 %.1f and %.1f us, z %.2f, p %.3f\n", name, facts[0].db_trips, median[0],
	    median[1], quantile_us(samples, 2 * rounds, 0, rounds, 0.99), quantile_us(samples, 2 * rounds, 1, rounds, 0.99), z,
	    erfc(fabs(z) / sqrt(2)));
	if (fabs(median[0] - median[1]) * 100 > FAR_PERCENT * median[0]) {
		fprintf(stderr, "%s: the medians are far apart\n", name);
		failures++;
	}
	free(samples);
}

/* The text of a JSON string, kept. */
static const char *
text_at(const char *path)
{
	struct str s = at(path);

	return arena_fmt(&test_kept, "%.*s", (int)s.len - 2, s.ptr + 1).ptr;
}

static const char *
customer_uri(const char *id)
{
	return arena_fmt(&test_kept, "/api/v1/customers/%s", id).ptr;
}

int
main(int argc, char **argv)
{
	size_t      rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000;
	const char *foreign, *external, *revoked, *foreign_key;
	char        near[64], *sum;
	struct api_key unknown_key;

	app_test_begin();
	external = fresh("foreign");
	SEND(OTHER_LIVE, "POST", "/api/v1/customers", arena_fmt(&test_kept, "{\"email\":\"a@b.co\",\"id\":\"%s\"}", external).ptr);
	foreign = text_at("id");
	SEND(OTHER_LIVE, "POST", "/api/v1/api-keys", "{\"name\":\"foreign\"}");
	foreign_key = text_at("id");
	SEND(ACME_LIVE, "POST", "/api/v1/api-keys", "{\"name\":\"revoked\"}");
	revoked = text_at("apiKey");
	SEND(ACME_LIVE, "DELETE", arena_fmt(&test_kept, "/api/v1/api-keys/%s", text_at("id")).ptr);
	/* Its checksum is right: that of a wrong one tells only what everybody can compute. */
	snprintf(near, sizeof(near), "%s", test_key[ACME_LIVE]);
	sum = near + strlen(near) - API_KEY_CHECK_DIGITS;
	sum[-1] = sum[-1] == 'a' ? 'b' : 'a';
	id_number_text(hash_crc32((struct str) { near, (size_t)(sum - near) }), API_KEY_CHECK_DIGITS, sum);
	api_key_make(false, true, &unknown_key);

	const char *missing = customer_uri("cus_00000000000000000000AA"), *unknown = unknown_key.text;
	const struct {
		const char *name, *method, *text;
		struct way  ways[2];
	} rows[] = {
		{ "get a foreign id", "GET", NULL, { { customer_uri(foreign), NULL }, { missing, NULL } } },
		{ "get a foreign external id", "GET", NULL, { { customer_uri(external), NULL }, { customer_uri(fresh("nobody")), NULL } } },
		{ "change a foreign id", "PATCH", "{\"fullName\":\"x\"}", { { customer_uri(foreign), NULL }, { missing, NULL } } },
		{ "delete a foreign API key", "DELETE", NULL,
		    { { arena_fmt(&test_kept, "/api/v1/api-keys/%s", foreign_key).ptr, NULL },
		        { "/api/v1/api-keys/key_00000000000000000000AA", NULL } } },
		{ "a revoked and an unknown API key", "GET", NULL, { { "/api/v1/customers", revoked }, { "/api/v1/customers", unknown } } },
		{ "nearly a valid and an unknown API key", "GET", NULL, { { "/api/v1/customers", near }, { "/api/v1/customers", unknown } } },
	};

	for (size_t i = 0; i < COUNTOF(rows); i++)
		compare(rows[i].name, rows[i].method, rows[i].text, rows[i].ways, rounds);
	app_test_end();
	printf("rows %zu, failures %u\n", COUNTOF(rows), failures);
	return failures != 0;
}
