/*
 * Random calls of three environments. Everything that one of them stores shows whose it is, and no answer may hold
 * anything of another's.
 *
 *	strangers REQUESTS [CUT [SEED]]
 *
 * External ids and idempotency keys are the same few for all, so that a lock that is missing hits at once; all
 * other text carries a marker. CUT takes the condition on the environment out of the statement of that name, or
 * out of all ("all"), on its way to PostgreSQL: what is left then is row-level security, if the database has it.
 * Ends with 1 when a foreign byte was found or an answer was not the expected one. The last lines are for
 * test_isolation.py.
 */
#include "../app/app_test.h"
#include "auth/api_key.h"
#include "base/clock.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <time.h>

enum {
	RING = 64,          /* things of each environment that later calls can be about */
	EXTERNAL_IDS = 1500,
	OFTEN = 60,         /* the first of these, which are used as often as all others together */
	CODES = 80,         /* of plans */
	BATCH_MAX = 4,
	PREFIX_BYTES = 4,   /* of "cus_" and "key_" */
	NAME_BYTES = PREFIX_BYTES + ID_TEXT_BYTES,
	OWNERS = 1 << 21,   /* a power of two, more than a run makes */
	TOLD_MAX = 5,
};

/* Statuses that an answer may have. */
enum { OK = 1, MADE = 2, MISSING = 4, CONFLICT = 8, BAD = 16, STALE = 32 };

/* From this version on there are searches, merges, imports and what else is not of the first calls. */
static const char newest[] = "2026-08-27";

static const char *const markers[TENANTS] = { "Wq7acmelive", "Xj4acmesand", "Zk9otherlive" };

struct name {
	char text[NAME_BYTES + 1];
};

struct ring {
	struct name item[RING];
	unsigned    made;
};

struct draft {
	const char *method, *version, *match, *type;
	char        uri[256], body[4096], idem[40];
	unsigned    expected;
};

struct repeat {
	struct draft sent;
	int          status;
	char        *answer;
};

static struct side {
	struct ring   customers, keys, plans, prices, groups, subscriptions, invoices, imports;
	struct name   cursor;    /* of a list without filters */
	char          next[256]; /* the next page of one with filters, as its whole address */
	struct repeat repeat[RING];
	unsigned      repeats, idem_next;
} sides[TENANTS];

static struct owner {
	char          name[NAME_BYTES];
	unsigned char who; /* plus one; 0: free */
} *owners;

static const char *cut;
static unsigned    cuts;
static uint64_t    random_state;
static struct db_statements statements;
static unsigned    foreign, wrong, shared, told;

/* ---- the condition, cut out ---- */

int __real_PQsendPrepare(PGconn *conn, const char *name, const char *query, int n, const Oid *types);
int __wrap_PQsendPrepare(PGconn *conn, const char *name, const char *query, int n, const Oid *types);

static char *
without_condition(const char *query)
{
	static const char column[] = ".environment_id = ";
	/* What it is compared with; the clerk has none to name, and then it is the one that was entered. */
	static const char *const named[] = { "$1::uuid", "$1", "(SELECT coalesce($1::uuid, app_environment()))" };
	struct buf               out;
	const char              *at;

	buf_init(&out, 64 * 1024);
	while ((at = strstr(query, column)) != NULL) {
		const char *value = at + strlen(column);
		size_t      n = 0;

		while (n < COUNTOF(named) && strncmp(value, named[n], strlen(named[n])) != 0)
			n++;
		if (n == COUNTOF(named)) { /* of another table's row */
			buf_add(&out, query, (size_t)(value - query));
			query = value;
			continue;
		}
		buf_add(&out, query, (size_t)(at - query) - 1); /* with the table's letter */
		buf_str(&out, STR("$1::uuid IS NOT NULL"));
		query = value + strlen(named[n]);
		cuts++;
	}
	buf_add(&out, query, strlen(query) + 1);
	/* What joins rows of one environment shows none of another. */
	for (at = out.ptr; (at = strstr(at, "environment_id = ")) != NULL; at += strlen("environment_id = "))
		if (strncmp(at + strlen("environment_id = ") + 1, ".environment_id", strlen(".environment_id")) != 0)
			fail_msg("a condition is left in %s", out.ptr);
	return out.ptr;
}

int
__wrap_PQsendPrepare(PGconn *conn, const char *name, const char *query, int n, const Oid *types)
{
	char *changed;
	int   sent;

	if (strcmp(cut, "all") != 0 && strcmp(cut, name) != 0)
		return __real_PQsendPrepare(conn, name, query, n, types);
	changed = without_condition(query);
	sent = __real_PQsendPrepare(conn, name, changed, n, types);
	free(changed);
	return sent;
}

/* ---- chance ---- */

static unsigned
below(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state >> 33) % n;
}

static enum tenant_name
another(enum tenant_name who)
{
	return (who + 1 + below(TENANTS - 1)) % TENANTS;
}

static unsigned
external_id(void)
{
	return below(below(2) ? OFTEN : EXTERNAL_IDS);
}

static const char *
pick(const struct ring *r)
{
	return r->made ? r->item[below(r->made < RING ? r->made : RING)].text : "cus_none";
}

/* ---- calls: each fills a draft ---- */

static void PRINTF(2, 3)
uri(struct draft *d, const char *fmt, ...)
{
	size_t  len;
	va_list ap;

	strcpy(d->uri, d->version || below(4) ? "/api/v1" : "/api");
	len = strlen(d->uri);
	va_start(ap, fmt);
	vsnprintf(d->uri + len, sizeof(d->uri) - len, fmt, ap);
	va_end(ap);
}

static void
member(char *out, size_t size, enum tenant_name who, bool external)
{
	const char *m = markers[who];
	char        id[32] = "";

	if (external)
		snprintf(id, sizeof(id), "\"id\":\"ext-%u\",", external_id());
	snprintf(out, size,
	    "{%s\"email\":\"%s@%s.example\",\"fullName\":\"%s %u\",\"taxDocument\":\"%s\",\"address\":{\"country\":\"BR\","
	    "\"line1\":\"%s\",\"city\":\"%s\",\"postalCode\":\"1\"},\"metadata\":{\"%s\":\"%s\"}}",
	    id, m, m, m, below(1000), m, m, m, m, m);
}

static void
call_get_own(enum tenant_name who, struct draft *d)
{
	d->expected = OK | MISSING; /* it may be erased */
	uri(d, "/customers/%s", pick(&sides[who].customers));
}

static void
call_get_foreign(enum tenant_name who, struct draft *d)
{
	d->expected = MISSING;
	uri(d, "/customers/%s", pick(&sides[another(who)].customers));
}

static void
call_get_shared(enum tenant_name who UNUSED, struct draft *d)
{
	d->expected = OK | MISSING;
	uri(d, "/customers/ext-%u", below(EXTERNAL_IDS));
}

static void
call_list(enum tenant_name who, struct draft *d)
{
	const char *cursor = sides[below(3) ? who : another(who)].cursor.text;
	char        filter[48] = "";

	if (below(3) == 0)
		snprintf(filter, sizeof(filter), "&isActive=%s", below(2) ? "true" : "false");
	else if (below(3) == 0)
		snprintf(filter, sizeof(filter), "&externalId=ext-%u", below(EXTERNAL_IDS));
	else if (below(50) == 0)
		snprintf(filter, sizeof(filter), "&search=%s", markers[below(TENANTS)]);
	else if (below(10) == 0) {
		const char *m = markers[below(TENANTS)];

		snprintf(filter, sizeof(filter), "&email=%s@%s.example", m, m);
	}
	if (cursor[0])
		d->expected |= BAD; /* it is of other filters */
	uri(d, "/customers?limit=%u%s%s%s", 1 + below(4), filter, cursor[0] ? "&cursor=" : "", cursor);
}

/* Some of them, and an order. */
static char *
put_filters(char *out, const char *m)
{
	static const char *const orders[] = { "createdAt", "-createdAt", "updatedAt", "email", "fullName" };
	static const char *const more[] = { "&createdAfter=2020-01-01T00:00:00Z", "&createdBefore=2100-01-01T00:00:00Z",
		"&updatedAfter=2020-01-01T00:00:00Z", "&subscriptionStatus=pending_payment", "&subscriptionStatus=active" };

	if (below(3) == 0)
		out += sprintf(out, "&q=%s", m);
	if (below(5) == 0)
		out += sprintf(out, "&metadata%%5B%s%%5D=%s", m, m);
	if (below(5) == 0)
		out += sprintf(out, "&email=%s@%s.example", m, m);
	if (below(5) == 0)
		out += sprintf(out, "&planCode=code_%u", below(CODES));
	if (below(3) == 0)
		out += sprintf(out, "%s", more[below(COUNTOF(more))]);
	if (below(2))
		out += sprintf(out, "&sort=%s", orders[below(COUNTOF(orders))]);
	return out;
}

/* Any filters, in any order, counted or not. */
static void
call_find(enum tenant_name who, struct draft *d)
{
	static const char *const states[] = { "", "&subscriptionStatus=pending_payment", "&subscriptionStatus=active" };
	const char *m = markers[below(TENANTS)], *next = sides[below(3) ? who : another(who)].next;
	char       *out;

	d->version = newest;
	if (next[0] && below(5) == 0) {
		strcpy(d->uri, next);
		return;
	}
	uri(d, "/customers?limit=%u", 1 + below(4));
	out = d->uri + strlen(d->uri);
	if (below(6) == 0) /* these have statements of their own */
		out += sprintf(out, "&planCode=code_%u%s", below(CODES), states[below(COUNTOF(states))]);
	else
		out = put_filters(out, m);
	if (below(3) == 0)
		out += sprintf(out, "&count=%s", below(2) ? "exact" : "capped");
	if (below(4) == 0)
		out += sprintf(out, "&archived=%s", below(2) ? "true" : "all");
}

static void
call_export(enum tenant_name who UNUSED, struct draft *d)
{
	d->version = newest;
	uri(d, "/customers/export?format=%s&limit=%u", below(2) ? "csv" : "ndjson", 1 + below(50));
}

static void
call_duplicates(enum tenant_name who UNUSED, struct draft *d)
{
	d->version = newest;
	uri(d, "/customers/duplicates?by=%s&limit=%u", below(2) ? "email" : "taxDocument", 1 + below(3));
}

static void
call_create(enum tenant_name who, struct draft *d)
{
	d->method = "POST";
	d->expected = OK | MADE;
	uri(d, "/customers");
	member(d->body, sizeof(d->body), who, below(20));
}

static void
call_batch(enum tenant_name who, struct draft *d)
{
	unsigned n = 1 + below(BATCH_MAX);
	size_t   len;

	d->method = "POST";
	if (below(3) == 0)
		d->version = newest;
	uri(d, "/customers/batch%s", d->version != newest ? "" : below(2) ? "?dry_run=true" : "?on_conflict=update");
	strcpy(d->body, "{\"customers\":[");
	for (unsigned i = 0; i < n; i++) {
		len = strlen(d->body);
		member(d->body + len, sizeof(d->body) - len, who, below(30));
		strcat(d->body, i + 1 < n ? "," : ",{\"email\":\"no mail\"}]}");
	}
}

static void
call_update(enum tenant_name who, struct draft *d)
{
	unsigned    which = below(3);
	const char *m = markers[who];

	d->method = below(2) ? "PATCH" : "PUT";
	d->expected = which == 1 ? MISSING : OK | MISSING;
	if (which == 0)
		uri(d, "/customers/ext-%u", below(EXTERNAL_IDS));
	else
		uri(d, "/customers/%s", pick(&sides[which == 1 ? another(who) : who].customers));
	if (below(8) == 0) { /* what is there is looked at before */
		d->match = "\"cus_none.1.2026-08-27\"";
		d->expected = which == 1 ? MISSING : STALE | MISSING;
	}
	if (below(4) == 0)
		d->type = "application/merge-patch+json";
	if (below(3)) /* otherwise it changes nothing, which is a statement of its own */
		snprintf(d->body, sizeof(d->body), "{\"fullName\":\"%s\",\"metadata\":{\"%s\":%u}}", m, m, below(100));
}

static void
call_key_list(enum tenant_name who UNUSED, struct draft *d)
{
	d->version = NULL;
	strcpy(d->uri, "/api/v1/api-keys?limit=5");
}

static void
call_key_create(enum tenant_name who, struct draft *d)
{
	d->version = NULL;
	d->method = "POST";
	d->expected = MADE | CONFLICT; /* its own may have got a successor */
	strcpy(d->uri, "/api/v1/api-keys");
	snprintf(d->body, sizeof(d->body), "{\"name\":\"%s\"}", markers[who]);
}

static void
call_key_delete(enum tenant_name who, struct draft *d)
{
	bool own = below(2);

	d->version = NULL;
	d->method = "DELETE";
	d->expected = own ? OK | MISSING | CONFLICT : MISSING; /* its own may be deleted already, or the one in use */
	snprintf(d->uri, sizeof(d->uri), "/api/v1/api-keys/%s", pick(&sides[own ? who : another(who)].keys));
}

/* A customer of one's own, of another's by his id, or of both by his external id. */
static const char *
some_customer(enum tenant_name who, unsigned which)
{
	static char external[2][16];
	static bool second;

	if (which < 2)
		return pick(&sides[which == 0 ? another(who) : who].customers);
	second = !second;
	snprintf(external[second], sizeof(external[second]), "ext-%u", external_id());
	return external[second];
}

/* What is held of one, what was, and what becomes of it. */
static void
call_life(enum tenant_name who, struct draft *d)
{
	static const char *const verbs[] = { "archive", "restore", "history?limit=3", "export", "unmerge" };
	unsigned which = below(3), verb = below(COUNTOF(verbs));

	d->version = newest;
	d->method = verb == 2 || verb == 3 ? "GET" : "POST";
	d->expected = which == 0 ? MISSING : OK | MISSING | CONFLICT;
	uri(d, "/customers/%s/%s", some_customer(who, which), verbs[verb]);
}

static void
call_as_of(enum tenant_name who, struct draft *d)
{
	unsigned  which = below(3);
	char      now[32];
	time_t    s = time(NULL);
	struct tm tm;

	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&s, &tm));
	d->version = newest;
	d->expected = which == 0 ? MISSING : OK | MISSING;
	uri(d, "/customers/%s?asOf=%s", some_customer(who, which), now);
}

static void
call_merge(enum tenant_name who, struct draft *d)
{
	unsigned into = below(4), from = below(4);

	d->version = newest;
	d->method = "POST";
	d->expected = into == 0 || from == 0 ? MISSING | BAD : OK | MISSING | CONFLICT | BAD;
	uri(d, "/customers/%s/merge", some_customer(who, into));
	snprintf(d->body, sizeof(d->body), "{\"from\":\"%s\"}", some_customer(who, from));
}

static void
call_erase(enum tenant_name who, struct draft *d)
{
	unsigned which = below(3);

	d->version = newest;
	d->method = "DELETE";
	d->expected = which == 0 ? MISSING : OK | MISSING;
	uri(d, "/customers/%s", some_customer(who, which));
}

static void
call_key_rotate(enum tenant_name who, struct draft *d)
{
	bool own = below(2);

	d->version = newest;
	d->method = "POST";
	d->expected = own ? MADE | MISSING | CONFLICT : MISSING;
	uri(d, "/api-keys/%s/rotate", pick(&sides[own ? who : another(who)].keys));
	strcpy(d->body, "{\"graceHours\":100}");
}

/* ---- imports: nobody carries them out here */

static void
call_import_create(enum tenant_name who, struct draft *d)
{
	bool whole = below(2);

	d->version = newest;
	d->method = "POST";
	d->expected = MADE | CONFLICT; /* so many may be open */
	uri(d, "/imports%s", whole ? "?format=ndjson" : "");
	if (whole)
		snprintf(d->body, sizeof(d->body), "{\"email\":\"%s@b.co\"}\n", markers[who]);
	else
		strcpy(d->body, "{\"format\":\"csv\"}");
}

static void
call_import(enum tenant_name who, struct draft *d)
{
	static const char *const verbs[] = { "", "/results", "/start", "/cancel", "/parts/1" };
	unsigned which = below(3), verb = below(COUNTOF(verbs));

	d->version = newest;
	d->method = verb < 2 ? "GET" : verb == 4 ? "PUT" : "POST";
	d->expected = which == 0 ? MISSING : OK | MISSING | CONFLICT;
	uri(d, "/imports/%s%s", pick(&sides[which == 0 ? another(who) : who].imports), verbs[verb]);
	if (verb == 4)
		snprintf(d->body, sizeof(d->body), "email\n%s@b.co\n", markers[who]);
}

static void
call_import_list(enum tenant_name who UNUSED, struct draft *d)
{
	d->version = newest;
	uri(d, "/imports?limit=%u", 1 + below(5));
}

/* ---- plans: they have the same few codes in every environment */

/* A plan of one's own, of another's by its id, or of both by its code. */
static const char *
some_plan(enum tenant_name who, struct draft *d, unsigned expected)
{
	static char code[16];
	unsigned    which = below(4);

	d->expected = which == 0 ? MISSING : expected | MISSING; /* its own may be deleted */
	if (which < 2)
		return pick(&sides[which == 0 ? another(who) : who].plans);
	snprintf(code, sizeof(code), "code_%u", below(CODES));
	return code;
}

static void
call_plan_get(enum tenant_name who, struct draft *d)
{
	uri(d, "/plans/%s", some_plan(who, d, OK));
}

static void
call_plan_list(enum tenant_name who, struct draft *d)
{
	const char *cursor = sides[below(3) ? who : another(who)].cursor.text;

	uri(d, "/plans?limit=%u%s%s%s", 1 + below(4), below(2) ? "&includePrivate=1" : "", cursor[0] ? "&cursor=" : "", cursor);
}

static void
call_plan_create(enum tenant_name who, struct draft *d)
{
	const char *m = markers[who];
	unsigned    which = below(4);

	d->method = "POST";
	d->expected = MADE | CONFLICT | (which ? MISSING : 0);
	uri(d, "/plans");
	snprintf(d->body, sizeof(d->body), "{\"name\":\"%s\",\"code\":\"code_%u\",\"description\":\"%s\",\"isPublic\":%s,"
	    "\"metadata\":{\"%s\":1}", m, below(CODES), m, below(2) ? "true" : "false", m);
	if (which)
		snprintf(d->body + strlen(d->body), 64, ",\"planGroupId\":\"%s\"",
		    pick(&sides[which == 1 ? another(who) : who].groups));
	if (which == 1)
		d->expected = MISSING; /* it is looked for before the code is */
	strcat(d->body, "}");
}

static void
call_plan_update(enum tenant_name who, struct draft *d)
{
	const char *m = markers[who];

	d->method = below(2) ? "PATCH" : "PUT";
	uri(d, "/plans/%s", some_plan(who, d, OK | CONFLICT));
	if (below(3))
		snprintf(d->body, sizeof(d->body), "{\"name\":\"%s\",\"isFree\":%s,\"metadata\":{\"%s\":2}}", m,
		    below(8) ? "false" : "true", m);
}

static void
call_plan_delete(enum tenant_name who, struct draft *d)
{
	d->method = "DELETE";
	uri(d, "/plans/%s", some_plan(who, d, OK));
}

static void
call_price_create(enum tenant_name who, struct draft *d)
{
	static const char *const intervals[] = { "weekly", "monthly", "quarterly", "yearly", "one_time" };

	d->method = "POST";
	uri(d, "/plans/%s/prices", some_plan(who, d, MADE | CONFLICT));
	snprintf(d->body, sizeof(d->body), "{\"billingInterval\":\"%s\",\"price\":%u,\"isDefault\":%s,\"metadata\":{\"%s\":3}}",
	    intervals[below(5)], below(1000), below(2) ? "true" : "false", markers[who]);
}

static void
call_price(enum tenant_name who, struct draft *d)
{
	const char *plan = some_plan(who, d, OK | CONFLICT), *price = pick(&sides[below(3) ? who : another(who)].prices);
	unsigned    what = below(5);

	d->method = what == 0 ? "GET" : what == 1 ? "DELETE" : what == 2 ? "PUT" : "PATCH";
	uri(d, "/plans/%s/prices/%s%s", plan, price, what == 2 ? "/default" : "");
	if (what == 3)
		snprintf(d->body, sizeof(d->body), "{\"price\":%u,\"metadata\":{\"%s\":4}}", below(1000), markers[who]);
	if (what == 4 && below(2))
		strcpy(d->body, "{\"isDefault\":false}");
}

static void
call_group_create(enum tenant_name who, struct draft *d)
{
	d->method = "POST";
	d->expected = MADE;
	uri(d, "/plan-groups");
	snprintf(d->body, sizeof(d->body), "{\"name\":\"%s\"}", markers[who]);
}

static void
call_group(enum tenant_name who, struct draft *d)
{
	unsigned    which = below(3), what = below(9);
	const char *group = pick(&sides[which == 0 ? another(who) : who].groups);
	const char *plan = pick(&sides[below(3) ? who : another(who)].plans);

	d->expected = which == 0 ? MISSING : OK | MISSING | CONFLICT;
	d->method = what < 2 ? "GET" : what < 5 ? "POST" : what == 5 ? "PATCH" : what == 8 ? "PUT" : "DELETE";
	if (what < 2)
		uri(d, "/plan-groups/%s", group);
	else if (what < 5)
		uri(d, "/plan-groups/%s/plans", group);
	else if (what == 5)
		uri(d, "/plan-groups/%s", group);
	else if (what == 6)
		uri(d, "/plan-groups/%s/plans/%s", group, plan);
	else if (what == 8)
		uri(d, "/plan-groups/%s/plans/reorder", group);
	else
		uri(d, "/plan-groups/%s", below(3) ? group : "pgp_none");
	if (what >= 2 && what < 5)
		snprintf(d->body, sizeof(d->body), "{\"planId\":\"%s\"}", plan);
	else if (what == 5)
		snprintf(d->body, sizeof(d->body), "{\"description\":\"%s\"}", markers[who]);
	else if (what == 8) {
		d->expected |= BAD; /* it has others, or more */
		if (below(2))
			snprintf(d->body, sizeof(d->body), "{\"planIds\":[\"%s\"]}", plan);
		else
			snprintf(d->body, sizeof(d->body), "{\"planIds\":[\"code_%u\"]}", below(CODES));
	}
}

static void
call_group_list(enum tenant_name who, struct draft *d)
{
	const char *cursor = sides[below(3) ? who : another(who)].cursor.text;

	uri(d, "/plan-groups?limit=%u%s%s", 1 + below(4), cursor[0] ? "&cursor=" : "", cursor);
}

/* ---- subscriptions and invoices ---- */

static void
call_subscribe(enum tenant_name who, struct draft *d)
{
	unsigned    customer = below(6), plan = below(6);
	const char *m = markers[who];
	char        code[40];

	d->method = "POST";
	d->expected = customer == 0 ? MISSING : plan == 0 ? MISSING | CONFLICT : OK | MADE | MISSING | CONFLICT; /* he may be archived */
	uri(d, "/subscriptions");
	if (plan < 3)
		snprintf(code, sizeof(code), "\"planId\":\"%s\"", pick(&sides[plan == 0 ? another(who) : who].plans));
	else
		snprintf(code, sizeof(code), "\"planCode\":\"code_%u\"", below(CODES));
	snprintf(d->body, sizeof(d->body), "{\"customerId\":\"%s\",%s,\"name\":\"%s\",\"metadata\":{\"%s\":5}}", some_customer(who, customer),
	    code, m, m);
}

static void
call_subscription(enum tenant_name who, struct draft *d)
{
	static const char *const verbs[] = { "", "", "/cancel", "/uncancel", "/change-plan", "/change-plan", "/preview-change" };
	unsigned                 which = below(3), verb = below(COUNTOF(verbs));
	bool                     theirs = below(3) == 0;
	const char              *plan = pick(&sides[theirs ? another(who) : who].plans);

	d->method = verb < 2 ? "GET" : "POST";
	d->expected = which == 0 || (verb > 3 && theirs) ? MISSING : OK | MISSING | CONFLICT | BAD;
	uri(d, "/subscriptions/%s%s", pick(&sides[which == 0 ? another(who) : who].subscriptions), verbs[verb]);
	if (verb == 2)
		snprintf(d->body, sizeof(d->body), "{\"reason\":\"%s\",\"immediate\":%s}", markers[who], below(2) ? "true" : "false");
	else if (verb == 6)
		snprintf(d->body, sizeof(d->body), "{\"planId\":\"%s\"}", plan);
	else if (verb > 3)
		snprintf(d->body, sizeof(d->body), "{\"newPlanId\":\"%s\"}", plan);
	else if (verb == 3)
		strcpy(d->body, "{}");
}

static void
call_active(enum tenant_name who, struct draft *d)
{
	d->expected = OK;
	uri(d, "/subscriptions/active?customerId=%s", some_customer(who, below(4)));
}

static void
call_subscription_list(enum tenant_name who, struct draft *d)
{
	static const char *const states[] = { "active", "canceled", "pending_payment" };
	unsigned                 which = below(4);

	d->expected = OK;
	uri(d, "/subscriptions?limit=%u", 1 + below(4));
	if (below(2)) {
		d->expected = which == 0 ? MISSING : OK | MISSING;
		snprintf(d->uri + strlen(d->uri), 64, "&customerId=%s", some_customer(who, which));
	}
	if (below(2))
		snprintf(d->uri + strlen(d->uri), 64, "&status=%s", states[below(COUNTOF(states))]);
}

/* Not on the paths without a version. */
static void PRINTF(2, 3)
invoice_uri(struct draft *d, const char *fmt, ...)
{
	va_list ap;

	strcpy(d->uri, "/api/v1/invoices");
	va_start(ap, fmt);
	vsnprintf(d->uri + strlen(d->uri), 128, fmt, ap);
	va_end(ap);
}

static void
call_invoice(enum tenant_name who, struct draft *d)
{
	unsigned    which = below(3), what = below(4);
	const char *invoice = pick(&sides[which == 0 ? another(who) : who].invoices);

	d->expected = which == 0 ? MISSING : OK | MISSING | CONFLICT;
	if (what < 2) {
		invoice_uri(d, "/%s", invoice);
		return;
	}
	d->method = below(2) ? "PUT" : "PATCH";
	invoice_uri(d, "/%s/status", invoice);
	snprintf(d->body, sizeof(d->body), "{\"status\":\"%s\"}", what == 2 ? "void" : "paid");
}

static void
call_invoice_list(enum tenant_name who, struct draft *d)
{
	static const char *const states[] = { "outstanding", "paid", "void" };
	unsigned                 which = below(4);

	d->expected = OK;
	invoice_uri(d, "?limit=%u", 1 + below(4));
	if (below(3) == 0) {
		d->expected = which == 0 ? MISSING : OK | MISSING;
		snprintf(d->uri + strlen(d->uri), 64, "&customerId=%s", some_customer(who, which));
	}
	if (below(3) == 0)
		snprintf(d->uri + strlen(d->uri), 64, "&subscriptionId=%s", pick(&sides[below(2) ? who : another(who)].subscriptions));
	if (below(3) == 0)
		snprintf(d->uri + strlen(d->uri), 64, "&status=%s", states[below(COUNTOF(states))]);
}

static void
call_wrong(enum tenant_name who UNUSED, struct draft *d)
{
	d->expected = MISSING;
	uri(d, "/nothing/ext-%u", below(EXTERNAL_IDS));
}

static const struct kind {
	const char *name;
	unsigned    weight;
	void (*draft)(enum tenant_name who, struct draft *d);
} kinds[] = {
	{ "get own", 14, call_get_own },
	{ "get foreign", 14, call_get_foreign },
	{ "get by shared external id", 14, call_get_shared },
	{ "list", 14, call_list },
	{ "create", 14, call_create },
	{ "batch", 6, call_batch },
	{ "update", 14, call_update },
	{ "API key list", 3, call_key_list },
	{ "API key create", 2, call_key_create },
	{ "API key delete", 3, call_key_delete },
	{ "plan get", 8, call_plan_get },
	{ "plan list", 5, call_plan_list },
	{ "plan create", 12, call_plan_create },
	{ "plan update", 8, call_plan_update },
	{ "plan delete", 1, call_plan_delete },
	{ "price create", 10, call_price_create },
	{ "price", 10, call_price },
	{ "plan group create", 3, call_group_create },
	{ "plan group", 10, call_group },
	{ "plan group list", 3, call_group_list },
	{ "subscribe", 14, call_subscribe },
	{ "subscription", 10, call_subscription },
	{ "active subscription", 50, call_active },
	{ "subscription list", 8, call_subscription_list },
	{ "invoice", 8, call_invoice },
	{ "invoice list", 10, call_invoice_list },
	{ "find", 32, call_find },
	{ "export", 3, call_export },
	{ "duplicates", 4, call_duplicates },
	{ "life of a customer", 20, call_life },
	{ "customer as of", 4, call_as_of },
	{ "merge", 8, call_merge },
	{ "erase", 3, call_erase },
	{ "API key rotate", 2, call_key_rotate },
	{ "import create", 3, call_import_create },
	{ "import", 12, call_import },
	{ "import list", 2, call_import_list },
	{ "unknown path", 2, call_wrong },
};

/* ---- judging an answer ---- */

static void PRINTF(4, 5)
tell(unsigned *count, enum tenant_name who, const struct draft *d, const char *fmt, ...)
{
	va_list ap;

	if (++*count && told++ >= TOLD_MAX)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": tenant %d, %s %s %s\n    got %d %.*s\n", (int)who, d->method, d->uri, d->body, test_response.status,
	    STR_ARGS(body()));
}

/* The owner of a public id. One that was never seen is from now on the property of 'who'. */
static enum tenant_name
owner_of(const char *name, enum tenant_name who, bool *first)
{
	uint64_t at = 1469598103934665603u;

	for (size_t i = 0; i < NAME_BYTES; i++)
		at = (at ^ (unsigned char)name[i]) * 1099511628211u;
	for (at &= OWNERS - 1; owners[at].who; at = (at + 1) & (OWNERS - 1))
		if (memcmp(owners[at].name, name, NAME_BYTES) == 0) {
			*first = false;
			return owners[at].who - 1u;
		}
	memcpy(owners[at].name, name, NAME_BYTES);
	owners[at].who = (unsigned char)(who + 1);
	*first = true;
	return who;
}

static void
put(struct name *n, const char *text, size_t len)
{
	snprintf(n->text, sizeof(n->text), "%.*s", (int)len, text);
}

/* Every public id of the answer that was not in the request must be the sender's. */
static void
judge_names(enum tenant_name who, const struct draft *d, const char *prefix, struct ring *ring)
{
	struct str  text = body();
	const char *at = text.ptr, *end = text.ptr + text.len;
	struct id   id;

	while ((at = memmem(at, (size_t)(end - at), prefix, PREFIX_BYTES)) != NULL) {
		struct name found;
		bool        first;

		put(&found, at, (size_t)(end - at) < NAME_BYTES ? (size_t)(end - at) : NAME_BYTES);
		at += PREFIX_BYTES;
		if (!id_parse(str_of(prefix), str_of(found.text), &id) || strstr(d->uri, found.text))
			continue;
		if (owner_of(found.text, who, &first) != who)
			tell(&foreign, who, d, "%s belongs to somebody else", found.text);
		else if (first)
			ring->item[ring->made++ % RING] = found;
	}
}

static void
judge_text(enum tenant_name who, const struct draft *d, struct str text)
{
	for (enum tenant_name other = 0; other < TENANTS; other++)
		if (other != who && text.len && memmem(text.ptr, text.len, markers[other], strlen(markers[other])))
			tell(&foreign, who, d, "bytes of tenant %d", (int)other);
}

static void
keep_cursor(enum tenant_name who, const struct draft *d)
{
	struct side *s = &sides[who];
	struct str   cursor = at("nextCursor");
	const char  *filters = strstr(d->uri, "&cursor=");
	size_t       len = filters ? (size_t)(filters - d->uri) : strlen(d->uri);

	cursor = cursor.ptr ? (struct str) { cursor.ptr + 1, cursor.len - 2 } : STR("");
	if (d->version != newest)
		put(&s->cursor, cursor.ptr, cursor.len == NAME_BYTES ? cursor.len : 0);
	else if (cursor.len && len + strlen("&cursor=") + cursor.len < sizeof(s->next))
		snprintf(s->next, sizeof(s->next), "%.*s&cursor=%.*s", (int)len, d->uri, STR_ARGS(cursor));
}

static void
judge(enum tenant_name who, const struct draft *d)
{
	static const struct {
		int      status;
		unsigned bit;
	} statuses[] = { { 200, OK }, { 201, MADE }, { 404, MISSING }, { 409, CONFLICT }, { 400, BAD }, { 412, STALE } };
	unsigned   got = 0;

	for (size_t i = 0; i < COUNTOF(statuses); i++)
		if (statuses[i].status == test_response.status)
			got = statuses[i].bit;
	if (!(got & d->expected))
		tell(&wrong, who, d, "an unexpected answer");
	judge_text(who, d, body());
	for (size_t i = 0; i < test_response.headers; i++)
		judge_text(who, d, test_response.header[i].value);
	judge_names(who, d, "cus_", &sides[who].customers);
	judge_names(who, d, "key_", &sides[who].keys);
	judge_names(who, d, "pln_", &sides[who].plans);
	judge_names(who, d, "prc_", &sides[who].prices);
	judge_names(who, d, "pgp_", &sides[who].groups);
	judge_names(who, d, "sub_", &sides[who].subscriptions);
	judge_names(who, d, "inv_", &sides[who].invoices);
	judge_names(who, d, "imp_", &sides[who].imports);
	if (strstr(d->uri, "/customers?limit"))
		keep_cursor(who, d);
	if (got == OK && (strstr(d->uri, "ext-") || strstr(d->uri, "code_")))
		shared++; /* a row that the others may have under the same external id or code */
}

static void
send_draft(enum tenant_name who, const struct draft *d)
{
	SEND(who, d->method, d->uri, d->body, d->version, d->idem[0] ? d->idem : NULL, .match = d->match, .type = d->type);
	for (size_t i = 0; i < SQL_WORDS; i++)
		statements.word[i] |= test_facts.statements.word[i];
	judge(who, d);
	if (test_response.status == 200 && strcmp(d->method, "DELETE") == 0 && strstr(d->uri, "/customers/"))
		sides[who].repeats = 0; /* what was answered of the customer is gone */
}

static void
keep(struct side *s, const struct draft *d)
{
	struct repeat *r = &s->repeat[s->repeats++ % RING];

	free(r->answer);
	*r = (struct repeat) { *d, test_response.status, strndup(body().ptr, body().len) };
}

/* The same call with the same key: the same answer, also when the others use that key for calls of theirs. */
static void
send_again(enum tenant_name who)
{
	struct side         *s = &sides[who];
	const struct repeat *r = &s->repeat[below(s->repeats < RING ? s->repeats : RING)];
	struct str           answer;

	send_draft(who, &r->sent);
	answer = body();
	if (test_response.status != r->status || !str_eq(answer, str_of(r->answer)))
		tell(&wrong, who, &r->sent, "another answer than the first, %d %s", r->status, r->answer);
}

static void
send_random(void)
{
	static const char *const versions[] = { NULL, NULL, "2026-06-07", "2026-08-27" };
	enum tenant_name         who = below(TENANTS);
	struct draft             d = { .method = "GET", .version = versions[below(COUNTOF(versions))], .expected = OK };
	unsigned                 n = 0, all = 0, at;

	if (sides[who].repeats && below(12) == 0) {
		send_again(who);
		return;
	}
	for (size_t i = 0; i < COUNTOF(kinds); i++)
		all += kinds[i].weight;
	for (at = below(all); at >= kinds[n].weight;)
		at -= kinds[n++].weight;
	kinds[n].draft(who, &d);
	if (strcmp(d.method, "POST") == 0 || (d.method[0] == 'P' && below(2)))
		if (below(3) == 0 && !strstr(d.uri, "dry_run"))
			snprintf(d.idem, sizeof(d.idem), "idem-%u", sides[who].idem_next++);
	send_draft(who, &d);
	if (d.idem[0] && (test_response.status == 200 || test_response.status == 201))
		keep(&sides[who], &d);
}

int
main(int argc, char **argv)
{
	long    requests = argc > 1 ? strtol(argv[1], NULL, 10) : 20000;
	int64_t begun_ms = clock_mono_ms();

	cut = argc > 2 ? argv[2] : "";
	random_state = argc > 3 ? strtoull(argv[3], NULL, 10) : 20261121;
	owners = calloc(OWNERS, sizeof(*owners));
	app_test_begin();
	for (long i = 0; i < requests; i++)
		send_random();
	app_test_end();
	printf("statements");
	for (unsigned id = 0; id < SQL__COUNT; id++)
		if (statements.word[id / 64] >> id % 64 & 1)
			printf(" %s", sql_catalogue[id].name);
	printf("\nrequests %ld, conditions cut %u, on shared external ids %u, seconds %" PRId64 "\n", requests, cuts, shared,
	    (clock_mono_ms() - begun_ms) / 1000);
	printf("foreign %u, wrong %u\n", foreign, wrong);
	free(owners);
	return foreign || wrong;
}
