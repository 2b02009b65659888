/*
 * Every system call and every allocation of a request is made to fail once, one by one, in a real worker.
 *
 * A worker is forked, a FastCGI front asks it, and one call of one request fails: the n-th, in each way that it can.
 * Then: the answer is the right one, an honest error, or none at all; the worker lives, or has ended as it does without
 * memory; what the request would write is there as a whole or not at all, and not at all when the answer says that nothing
 * was done; and the same request, sent again, gets the right answer and is done once. No descriptor and no memory is
 * left behind.
 *
 * CLIENTELE_TORTURE=all tries every way of every call; otherwise each call fails in one of its ways. =NAME tries every
 * way too, but only for kinds with NAME in their name.
 */
#include "../app/app_test.h"
#include "base/clock.h"
#include "guard/harden.h"
#include "json/jread.h"
#include "memory.h"
#include "net/allow.h"
#include "worker/worker.h"
#include "tracer.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	REQUEST_TIMEOUT_MS = 2000,
	HANG_UP_MS = 200,
	LIMIT_MS = 3 * REQUEST_TIMEOUT_MS, /* then the watchdog would kill the worker */
	LIFE_MS = 10 * LIMIT_MS, /* for its start and for its end, where a sanitizer looks for leaks */
	RETRIES_MAX = 100,
	RETRY_PAUSE_MS = 25,
	BODY_MAX_BYTES = 4096,
	LEAKS = 8, /* in a row, of the same failure: more than connections to the database that may come back meanwhile */
	FAILURES_MAX = 20,
	STATE_BYTES = 400,
	BEFORE_MAX = 2,
};

struct sending {
	const char *method, *uri, *body;
	bool        idem; /* with the subject as Idempotency-Key */
};

/* In texts, $ is the subject, a name that nothing else has, and @ the first id in the answer to what was done before. */
static const struct kind {
	const char       *name;
	enum tenant_name  who;
	struct sending    before; /* done in peace first; method NULL: nothing */
	struct sending    sending;
	int               status;
	bool              loose;  /* sent again it may be done again */
	bool              no_key; /* with an API key that nobody has */
	struct sending    then[BEFORE_MAX]; /* after 'before', also in peace */
} kinds[] = {
#define CUSTOMER "{\"email\":\"$@t.example\",\"id\":\"$\",\"fullName\":\"before\",\"metadata\":{\"a\":[1,2,3]}}"
#define CREATE { "POST", "/api/v1/customers", CUSTOMER, false }
#define CREATE_KEYED { "POST", "/api/v1/customers", CUSTOMER, true }
#define BATCH "{\"customers\":[{\"email\":\"$@t.example\",\"id\":\"$-1\"},{\"email\":\"?\"},{\"email\":\"$@t.example\",\"id\":\"$-2\"}," \
	"{\"email\":\"taken@t.example\",\"id\":\"taken\"}]}"
	{ "get by public id", ACME_LIVE, CREATE, { "GET", "/api/v1/customers/@" }, 200 },
	{ "get by external id", ACME_LIVE, CREATE, { "GET", "/api/v1/customers/$" }, 200 },
	{ "get what is not there", ACME_LIVE, { 0 }, { "GET", "/api/v1/customers/$" }, 404 },
	{ "list", OTHER_LIVE, { 0 }, { "GET", "/api/v1/customers?limit=3" }, 200 },
	{ "list, filtered", OTHER_LIVE, { 0 }, { "GET", "/api/v1/customers?isActive=true&search=fixed" }, 200 },
	{ "list by external id", OTHER_LIVE, { 0 }, { "GET", "/api/v1/customers?externalId=fixed-1" }, 200 },
	{ "create", ACME_LIVE, { 0 }, { "POST", "/api/v1/customers", "{\"email\":\"$@t.example\"}" }, 201, .loose = true },
	{ "create with external id", ACME_LIVE, { 0 }, CREATE, 201 },
	{ "create with key", ACME_LIVE, { 0 }, CREATE_KEYED, 201 },
	{ "create what exists, with key", ACME_LIVE, CREATE, CREATE_KEYED, 200 },
	{ "repeat of a key", ACME_LIVE, CREATE_KEYED, CREATE_KEYED, 201 },
	{ "key of another request", ACME_LIVE, CREATE_KEYED, { "POST", "/api/v1/customers", "{\"email\":\"o@t.example\"}", true }, 409 },
	{ "batch with key", ACME_LIVE, { 0 }, { "POST", "/api/v1/customers/batch", BATCH, true }, 200 },
	{ "batch", ACME_LIVE, { 0 }, { "POST", "/api/v1/customers/batch", BATCH }, 200 },
	{ "update", ACME_LIVE, CREATE, { "PATCH", "/api/v1/customers/$", "{\"fullName\":\"after\"}" }, 200, .loose = true },
	{ "update with key", ACME_LIVE, CREATE, { "PATCH", "/api/v1/customers/@", "{\"fullName\":\"after\"}", true }, 200 },
	{ "update of nothing, with key", ACME_LIVE, CREATE, { "PUT", "/api/v1/customers/@", "{}", true }, 200 },
	{ "update refused, with key", ACME_LIVE, CREATE, { "PATCH", "/api/v1/customers/@", "{\"externalId\":\"taken\"}", true }, 409 },
#define CHANGED .then = { { "PATCH", "/api/v1/customers/$", "{\"fullName\":\"other\"}", false } }
#define ARCHIVE { "POST", "/api/v1/customers/$/archive", "", false }
#define SECOND { "POST", "/api/v1/customers", "{\"email\":\"$@t.example\",\"id\":\"$-2\"}", false }
#define MERGE "{\"from\":\"$-2\"}"
	{ "archive with key", ACME_LIVE, CREATE, { "POST", "/api/v1/customers/@/archive", "", true }, 200 },
	{ "restore with key", ACME_LIVE, CREATE, { "POST", "/api/v1/customers/@/restore", "", true }, 200, .then = { ARCHIVE } },
	{ "merge with key", ACME_LIVE, CREATE, { "POST", "/api/v1/customers/$/merge", MERGE, true }, 200, .then = { SECOND } },
	{ "unmerge with key", ACME_LIVE, CREATE, { "POST", "/api/v1/customers/$-2/unmerge", "", true }, 200,
	    .then = { SECOND, { "POST", "/api/v1/customers/$/merge", MERGE, false } } },
	{ "erase with key", ACME_LIVE, CREATE, { "DELETE", "/api/v1/customers/@", NULL, true }, 200, CHANGED },
	{ "history", ACME_LIVE, CREATE, { "GET", "/api/v1/customers/$/history" }, 200, CHANGED },
	{ "API key create", ACME_LIVE, { 0 }, { "POST", "/api/v1/api-keys", "{\"name\":\"$\"}" }, 201, .loose = true },
	{ "API key create with key", ACME_LIVE, { 0 }, { "POST", "/api/v1/api-keys", "{\"name\":\"$\"}", true }, 201 },
	{ "API key list", OTHER_LIVE, { 0 }, { "GET", "/api/v1/api-keys" }, 200 },
	{ "API key delete", ACME_LIVE, { "POST", "/api/v1/api-keys", "{\"name\":\"$\"}" }, { "DELETE", "/api/v1/api-keys/@" }, 200,
	    .loose = true },
#define PLAN { "POST", "/api/v1/plans", "{\"name\":\"n\",\"code\":\"$\"}", false }
#define PRICES "/api/v1/plans/$/prices"
#define MONTHLY "{\"billingInterval\":\"monthly\",\"price\":1,\"isDefault\":true}"
	{ "plan get", ACME_LIVE, PLAN, { "GET", "/api/v1/plans/$" }, 200 },
	{ "plan list", OTHER_LIVE, { 0 }, { "GET", "/api/v1/plans?includePrivate=true" }, 200 },
	{ "plan create with key", ACME_LIVE, { 0 }, { "POST", "/api/v1/plans", "{\"name\":\"n\",\"code\":\"$\"}", true }, 201 },
	{ "plan update with key", ACME_LIVE, PLAN, { "PATCH", "/api/v1/plans/@", "{\"isFree\":true}", true }, 200 },
	{ "price create with key", ACME_LIVE, PLAN, { "POST", PRICES, MONTHLY, true }, 201 },
	{ "plan delete", ACME_LIVE, PLAN, { "DELETE", "/api/v1/plans/$" }, 200 },
#define SUBSCRIPTIONS "/api/v1/subscriptions"
#define INVOICES "/api/v1/invoices"
#define SUBSCRIPTION "{\"customerId\":\"$\",\"planCode\":\"fixed\"}"
#define SUBSCRIBE .then = { { "POST", SUBSCRIPTIONS, SUBSCRIPTION, false } }
#define FIND_INVOICE .then = { { "POST", SUBSCRIPTIONS, SUBSCRIPTION, false }, { "GET", INVOICES "?subscriptionId=@" } }
	{ "subscribe with key", ACME_LIVE, CREATE, { "POST", SUBSCRIPTIONS, SUBSCRIPTION, true }, 201 },
	{ "subscribe twice, with key", ACME_LIVE, CREATE, { "POST", SUBSCRIPTIONS, SUBSCRIPTION, true }, 409, SUBSCRIBE },
	{ "subscription active", ACME_LIVE, CREATE, { "GET", SUBSCRIPTIONS "/active?customerId=$" }, 200, SUBSCRIBE },
	{ "subscription list", ACME_LIVE, CREATE, { "GET", SUBSCRIPTIONS "?customerId=$" }, 200, SUBSCRIBE },
	{ "cancel with key", ACME_LIVE, CREATE, { "POST", SUBSCRIPTIONS "/@/cancel", "{}", true }, 200, SUBSCRIBE },
	{ "change of plan with key", ACME_LIVE, CREATE, { "POST", SUBSCRIPTIONS "/@/change-plan", "{\"newBillingInterval\":\"yearly\"}", true }, 200,
	    SUBSCRIBE },
	{ "invoice list", ACME_LIVE, CREATE, { "GET", INVOICES "?customerId=$" }, 200, SUBSCRIBE },
	{ "payment with key", ACME_LIVE, CREATE, { "PUT", INVOICES "/@/status", "{\"status\":\"paid\"}", true }, 200, FIND_INVOICE },
	{ "test clock get", ACME_SANDBOX, { 0 }, { "GET", "/api/v1/test-clock" }, 200 },
	{ "wrong API key", ACME_LIVE, { 0 }, { "GET", "/api/v1/customers" }, 401, .no_key = true },
	{ "wrong fields", ACME_LIVE, { 0 }, { "POST", "/api/v1/customers", "{\"email\":1,\"id\":[],\"timezone\":\"x\"}" }, 400 },
	{ "no JSON", ACME_LIVE, { 0 }, { "POST", "/api/v1/customers", "{\"email\":\"" }, 400 },
	{ "body too large", ACME_LIVE, { 0 }, { "POST", "/api/v1/customers", NULL }, 413 },
	{ "unknown path", ACME_LIVE, { 0 }, { "GET", "/api/customers/$/what" }, 404 },
	{ "wrong method", ACME_LIVE, { 0 }, { "DELETE", "/api/v1/customers" }, 405 },
	{ "OpenAPI document", ACME_LIVE, { 0 }, { "GET", "/api/v1/openapi.json" }, 200 },
};

/* What the worker has when the request comes. */
enum condition { WARM, RECONNECTS, COLD, CONDITIONS };
static const char *const conditions[CONDITIONS] = { "", ", connection lost", ", first request" };

static bool traced; /* system calls fail, else allocations */

static struct {
	struct tracer  tracer;
	pid_t          pid; /* 0: there is none */
	struct stats  *stats;
	struct conf    conf;
	struct allow   allow;
	struct buckets *buckets;
	char           path[64];
	int            listen_fd, log_fd;
} worker;

static struct front front;
static PGconn      *audit;
static char         subject[24], id[64], large[BODY_MAX_BYTES + 1000];
static unsigned     subjects, failures, points;
static int64_t      longest_ms;

static struct reference {
	char     state_before[STATE_BYTES], state_done[STATE_BYTES];
	char    *body; /* masked */
	unsigned calls;
	long     number[TRACER_CALLS_MAX];
} ref;

static struct tally {
	unsigned calls, faults, right, error, none, cut, ended, replayed;
} tally, total;

/* ---- saying what is wrong ---- */

static void NORETURN
bail_out(const char *why)
{
	printf("Bail out! %s\n", why);
	exit(1);
}

/* The end of the worker's log, which the next call overwrites. */
static char *
log_tail(void)
{
	static char log[2000];
	off_t       end = lseek(worker.log_fd, 0, SEEK_END);
	ssize_t     n = pread(worker.log_fd, log, sizeof(log) - 1, end > (off_t)sizeof(log) ? end - (off_t)sizeof(log) + 1 : 0);

	log[n > 0 ? n : 0] = '\0';
	return log;
}

static void PRINTF(1, 2)
wrong(const char *fmt, ...)
{
	va_list ap;

	failures++;
	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n#   answer %d%s: %.*s\n", front.status, front.whole ? "" : ", not whole", STR_ARGS(front.body));
	for (char *line = strtok(log_tail(), "\n"); line; line = strtok(NULL, "\n"))
		printf("#   log %s\n", line);
	fflush(stdout);
	if (failures >= FAILURES_MAX)
		bail_out("too many failures");
}

/* ---- the worker ---- */

static void
run_worker(int ready_fd)
{
	struct heritage h;
	struct buf      err;

	heritage_init(&h);
	h.conf = &worker.conf;
	h.allow = &worker.allow;
	h.stats = worker.stats;
	h.buckets = worker.buckets;
	h.fd[HERITAGE_LISTEN] = worker.listen_fd;
	h.fd[HERITAGE_READY] = ready_fd;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(worker.log_fd, STDERR_FILENO);
	if (traced)
		tracer_me();
	memory_join();
	harden_process();
	log_init("worker", LOG_LEVEL_INFO);
	buf_init(&err, 256);
	if (!log_open("stderr", LOG_FORMAT_TEXT, &err)) /* which is another one now */
		exit(99);
	exit(worker_run(&h));
}

/* It has no request, and its loop waits; one that has died has not come to wait. */
static bool
worker_idle(void)
{
	const struct stats_slot *slot = stats_slot(worker.stats, 0);

	return atomic_load(&slot->state) == STATS_STATE_IDLE && atomic_load(&slot->turn_ms) == 0;
}

/*
 * The worker has ended, with this status of waitpid(). One abort is allowed, that of libfcgi, which asserts that it
 * gets memory: nothing of the request has been done by then.
 */
static void
bury(int status)
{
	static const char assertion[] = ": Malloc: Assertion";

	worker.pid = 0;
	tally.ended++;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(log_tail(), assertion))
		return;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_DEFECT)
		wrong("the worker ended with %s %d", WIFSIGNALED(status) ? "signal" : "code",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void
nap(int ms)
{
	nanosleep(&(struct timespec) { .tv_nsec = ms * 1000000L }, NULL);
}

static void
start_worker(void)
{
	int  status, ready[2];
	char byte;

	stats_begin(stats_slot(worker.stats, 0));
	if (pipe(ready) == -1 || ftruncate(worker.log_fd, 0) == -1)
		exit(99);
	fflush(stdout);
	worker.pid = fork();
	if (worker.pid == 0)
		run_worker(ready[1]);
	close(ready[1]);
	if (traced && tracer_start(&worker.tracer, worker.pid, LIFE_MS, &status) != TRACER_IDLE)
		bail_out("the worker does not start");
	while (!traced && read(ready[0], &byte, 1) != 1)
		if (errno != EINTR)
			bail_out("the worker does not start");
	close(ready[0]);
	worker.tracer.limit_ms = LIMIT_MS;
}

/* False: it did not end by this signal in time. */
static bool
bury_worker(int signal, int *status)
{
	bool in_time = true;

	if (traced)
		in_time = tracer_bury(&worker.tracer, signal, LIFE_MS, status);
	else {
		kill(worker.pid, signal);
		while (waitpid(worker.pid, status, 0) == -1 && errno == EINTR)
			continue;
	}
	worker.pid = 0;
	return in_time;
}

static void
stop_worker(const char *name)
{
	int status;

	if (worker.pid == 0)
		return;
	if (!bury_worker(SIGTERM, &status))
		wrong("%s: told to leave, the worker is still there after %d ms, and was killed", name, LIFE_MS);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		wrong("%s: told to leave, the worker ends with status %x", name, (unsigned)status);
}

static unsigned
descriptors(void)
{
	char     path[32];
	unsigned n = 0;
	DIR     *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)worker.pid);
	d = opendir(path);
	for (; d && readdir(d); n++)
		continue;
	if (d)
		closedir(d);
	return n;
}

/* ---- requests ---- */

static const char *
text(const char *fmt)
{
	static struct buf out[3];
	static unsigned   turn;
	struct buf       *b = &out[turn++ % COUNTOF(out)];

	if (!fmt)
		return NULL;
	buf_fini(b);
	buf_init(b, 1 << 16);
	for (; *fmt; fmt++)
		buf_str(b, *fmt == '$' ? str_of(subject) : *fmt == '@' && fmt[1] != 't' ? str_of(id) : (struct str) { fmt, 1 });
	buf_add(b, "", 1);
	return b->ptr;
}

static void
new_subject(void)
{
	snprintf(subject, sizeof(subject), "t%07u", ++subjects);
}

/* Waits for the end of a request whose allocations may fail. */
static enum tracer_end
watch(int *status)
{
	int64_t end = clock_mono_ms() + LIMIT_MS;

	while (!front_read(&front, 100) || !worker_idle()) {
		if (waitpid(worker.pid, status, WNOHANG) == worker.pid)
			return TRACER_ENDED;
		if (clock_mono_ms() > end)
			return TRACER_HANGS;
		sched_yield();
	}
	return TRACER_IDLE;
}

/* Sends it; the call 'at' fails (0: none does). False when the worker has ended. */
static bool
send_one(const struct kind *k, const struct sending *s, unsigned at, unsigned variant)
{
	struct wire    wire = { s->method, text(s->uri), text(s->body), test_key[k->who], s->idem ? subject : NULL };
	int64_t        begun_ms = clock_mono_ms();
	enum tracer_end end;
	int            status;

	if (!s->body && strcmp(s->method, "POST") == 0)
		wire.body = large;
	if (k->no_key)
		wire.key = "ck_live_0000000000000000000000000000000000000000";
	if (worker.pid == 0)
		start_worker();
	if (!traced) {
		/* It may not have come to wait yet. */
		while (!worker_idle())
			sched_yield();
		memory_arm(at);
	}
	if (!front_send(&front, worker.path, &wire))
		bail_out("cannot connect");
	end = traced ? tracer_request(&worker.tracer, &front, at, variant, &status) : watch(&status);
	if (!traced)
		worker.tracer.calls = memory_disarm();
	if (clock_mono_ms() - begun_ms > longest_ms)
		longest_ms = clock_mono_ms() - begun_ms;
	if (end == TRACER_HANGS) {
		wrong("%s: no end after %d ms: call %u, %s", k->name, LIMIT_MS, at, worker.tracer.what);
		bury_worker(SIGKILL, &status);
		return false;
	}
	if (end == TRACER_ENDED) {
		bury(status);
		/* It may have ended before it accepted the connection, which then waits for the next worker. */
		if (!front_read(&front, HANG_UP_MS))
			front_leave(&front);
		return false;
	}
	return true;
}

/* Sends it until the service has recovered from what was made to fail before. */
static void
repeat(const struct kind *k, const struct sending *s)
{
	int tries = 0;

	while ((!send_one(k, s, 0, 0) || front.status == 503) && tries++ < RETRIES_MAX)
		nap(RETRY_PAUSE_MS);
}

static void
do_one_before(const struct kind *k, const struct sending *s)
{
	static const char member[] = "\"id\":\"";
	const char       *at;

	repeat(k, s);
	if (front.status / 100 != 2 || (at = strstr(front.body.ptr, member)) == NULL)
		wrong("%s: what comes before it fails", k->name);
	else
		snprintf(id, sizeof(id), "%.*s", (int)strcspn(at + strlen(member), "\""), at + strlen(member));
}

static void
do_before(const struct kind *k)
{
	id[0] = '\0';
	if (k->before.method)
		do_one_before(k, &k->before);
	for (size_t i = 0; i < BEFORE_MAX && k->then[i].method; i++)
		do_one_before(k, &k->then[i]);
}

/* ---- the database ---- */

static const char *
ask(const char *query, const char *environment)
{
	static char  out[STATE_BYTES];
	const char  *values[] = { subject, environment };
	PGresult    *res = PQexecParams(audit, query, environment ? 2 : 0, NULL, values, NULL, NULL, 0);

	if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
		bail_out(PQerrorMessage(audit));
	snprintf(out, sizeof(out), "%s", PQntuples(res) ? PQgetvalue(res, 0, 0) : "");
	PQclear(res);
	return out;
}

/* What there is of the subject, as text. */
static void
state(const struct kind *k, char out[STATE_BYTES])
{
	static const char query[] =
	    "WITH mine AS MATERIALIZED (SELECT * FROM customer WHERE environment_id = $2::uuid AND email = $1 || '@t.example') "
	    "SELECT format('%s customers, %s created, %s updated, %s after, %s archived, %s merged, %s moves, %s records, %s API keys, %s revoked, %s plans, %s free,"
	    " %s deleted, %s prices, %s subscriptions, %s canceled, %s to be, %s yearly, period %s, %s invoices, %s paid, %s deeds, %s bills',"
	    " (SELECT count(*) FROM mine),"
	    " (SELECT count(*) FROM event e JOIN mine m ON e.customer_id = m.id WHERE e.type = 'customer.created'),"
	    " (SELECT count(*) FROM event e JOIN mine m ON e.customer_id = m.id WHERE e.type = 'customer.updated'),"
	    " (SELECT count(*) FROM mine WHERE full_name = 'after'),"
	    " (SELECT count(*) FROM mine WHERE archived_at IS NOT NULL),"
	    " (SELECT count(*) FROM mine WHERE merged_into IS NOT NULL),"
	    " (SELECT count(*) FROM event e JOIN mine m ON e.customer_id = m.id"
	    " WHERE e.type IN ('customer.archived', 'customer.restored', 'customer.merged', 'customer.unmerged')),"
	    " (SELECT count(*) FROM idempotency_key WHERE environment_id = $2::uuid AND key = $1),"
	    " (SELECT count(*) FROM api_key WHERE environment_id = $2::uuid AND name = $1),"
	    " (SELECT count(*) FROM api_key WHERE environment_id = $2::uuid AND name = $1 AND revoked_at IS NOT NULL),"
	    " (SELECT count(*) FROM plan WHERE environment_id = $2::uuid AND code = $1),"
	    " (SELECT count(*) FROM plan WHERE environment_id = $2::uuid AND code = $1 AND is_free),"
	    " (SELECT count(*) FROM plan WHERE environment_id = $2::uuid AND code = $1 AND deleted_at IS NOT NULL),"
	    " (SELECT count(*) FROM plan_price r JOIN plan p ON p.id = r.plan_id WHERE p.environment_id = $2::uuid AND p.code = $1),"
	    " (SELECT count(*) FROM subscription s JOIN mine m ON s.environment_id = m.environment_id AND s.customer_id = m.id),"
	    " (SELECT count(*) FROM subscription s JOIN mine m ON s.environment_id = m.environment_id AND s.customer_id = m.id WHERE s.status = 'canceled'),"
	    " (SELECT count(*) FROM subscription s JOIN mine m ON s.environment_id = m.environment_id AND s.customer_id = m.id WHERE s.cancel_at IS NOT NULL),"
	    " (SELECT count(*) FROM subscription s JOIN mine m ON s.environment_id = m.environment_id AND s.customer_id = m.id WHERE s.step = 'yearly'),"
	    " (SELECT sum(s.period_index) FROM subscription s JOIN mine m ON s.environment_id = m.environment_id AND s.customer_id = m.id),"
	    " (SELECT count(*) FROM invoice i JOIN mine m ON i.environment_id = m.environment_id AND i.customer_id = m.id),"
	    " (SELECT count(*) FROM invoice i JOIN mine m ON i.environment_id = m.environment_id AND i.customer_id = m.id WHERE i.status = 'paid'),"
	    " (SELECT count(*) FROM event e JOIN mine m ON e.customer_id = m.id WHERE e.type LIKE 'subscription.%' OR e.type LIKE 'payment.%'),"
	    " (SELECT count(*) FROM event e JOIN mine m ON e.customer_id = m.id WHERE e.type LIKE 'invoice.%'))";
	char environment[ID_UUID_BYTES + 1] = "";

	id_uuid(&test_environment[k->who], environment);
	snprintf(out, STATE_BYTES, "%s", ask(query, environment));
}

/* Things that must never be, whatever failed. */
static void
audit_all(void)
{
	static const char *const queries[][2] = {
		{ "customers without exactly one event of their making",
		    "SELECT count(*) FROM (SELECT c.id FROM customer c LEFT JOIN event e ON e.customer_id = c.id AND e.type = 'customer.created'"
		    " GROUP BY c.id HAVING count(e.id) <> 1) bad" },
		{ "events without their customer, who was not erased",
		    "SELECT count(*) FROM event e WHERE NOT EXISTS (SELECT FROM customer c WHERE c.id = e.customer_id)"
		    " AND NOT EXISTS (SELECT FROM event x WHERE x.customer_id = e.customer_id AND x.type = 'customer.erased')" },
		{ "customers who were erased, and have not exactly one event of that",
		    "SELECT count(*) FROM (SELECT e.customer_id FROM event e WHERE e.type = 'customer.erased' GROUP BY e.customer_id"
		    " HAVING count(*) > 1 OR EXISTS (SELECT FROM customer c WHERE c.id = e.customer_id)) bad" },
		{ "plans whose prices have not one default",
		    "SELECT count(*) FROM (SELECT plan_id FROM plan_price WHERE deleted_at IS NULL GROUP BY plan_id"
		    " HAVING count(*) FILTER (WHERE is_default) <> 1) bad" },
		{ "customers with two live subscriptions",
		    "SELECT count(*) FROM (SELECT customer_id FROM subscription WHERE status <> 'canceled' GROUP BY environment_id, customer_id"
		    " HAVING count(*) > 1) bad" },
		{ "invoices without exactly one event of their making",
		    "SELECT count(*) FROM (SELECT i.id FROM invoice i LEFT JOIN event e ON e.invoice_id = i.id AND e.type = 'invoice.created'"
		    " GROUP BY i.environment_id, i.id HAVING count(e.id) <> 1) bad" },
		{ "numbers of invoices that are missing",
		    "SELECT coalesce(sum(n.last - (SELECT count(*) FROM invoice i WHERE i.environment_id = n.environment_id)), 0) FROM invoice_counter n" },
		{ "invoices that are not the sum of their lines",
		    "SELECT count(*) FROM invoice i WHERE i.subtotal <> (SELECT sum(l.amount) FROM invoice_line l WHERE l.invoice_id = i.id)" },
		{ "transactions left open",
		    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'" },
	};

	for (size_t i = 0; i < COUNTOF(queries); i++) {
		const char *n = ask(queries[i][1], NULL);

		printf("%sok %u - %s: %s\n", strcmp(n, "0") == 0 ? "" : "not ", ++points, queries[i][0], n);
		failures += strcmp(n, "0") != 0;
	}
}

/* ---- judging ---- */

static bool
is_json(struct str s)
{
	static const struct jlimits limits = { 64, 200000 };
	struct jread_error          why;
	struct jdoc                 doc;

	arena_reset(&test_arena);
	return jread_parse(&test_arena, s, &limits, &doc, &why);
}

/*
 * Makes one letter of all letters and digits: everything else is the same in two answers to a request. When the worker
 * has run a batch again by itself, what its first run has made is "existing" in the answer.
 */
static char *
masked(struct str s)
{
	static const char existing[] = "\"existing\"", created[] = "\"created\"";
	char             *out = strndup(s.ptr, s.len);

	for (char *p = out; (p = strstr(p, existing)) != NULL; p += strlen(created)) {
		memcpy(p, created, strlen(created));
		memmove(p + strlen(created), p + strlen(existing), strlen(p + strlen(existing)) + 1);
	}
	for (char *p = out; *p; p++)
		if (isalnum((unsigned char)*p))
			*p = 'x';
	return out;
}

static bool
is_right(const struct kind *k)
{
	char *body_masked = masked(front.body);
	bool  same = strcmp(body_masked, ref.body) == 0;

	free(body_masked);
	/* When the worker has run a create again by itself, it finds what its first run has made. */
	return front.whole && same && (front.status == k->status || (k->status == 201 && front.status == 200));
}

/* A call by which answers leave, or that watches for their reader: after half of one there is nothing to say instead. */
static bool
is_for_sending(const char *call)
{
	static const char *const names[] = { "write", "send", "epoll_ctl" };

	for (size_t i = 0; i < COUNTOF(names); i++)
		if (strncmp(call, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void
judge(const struct kind *k, const char *condition, unsigned at, const char *before)
{
	const char *what = traced ? worker.tracer.what : "allocation";
	char        after[STATE_BYTES];
	bool        right = is_right(k), nothing;

	state(k, after);
	nothing = strcmp(after, before) == 0;
	if (right) {
		tally.right++;
		/* A refusal is right without its record, too: it changes nothing. */
		if (strcmp(after, ref.state_done) != 0 && !(k->status >= 400 && nothing))
			wrong("%s%s, call %u (%s): answered as done, but there are %s", k->name, condition, at, what, after);
	} else if (front.whole && front.status >= 500 && is_json(front.body)) {
		tally.error++;
		if (memmem(front.body.ptr, front.body.len, "Nothing was done", 16) && !nothing)
			wrong("%s%s, call %u (%s): nothing was done, it says, but there are %s", k->name, condition, at, what, after);
	} else if (front.whole) {
		wrong("%s%s, call %u (%s): not the answer to this", k->name, condition, at, what);
	} else if (front.raw.len == 0) {
		tally.none++;
	} else {
		tally.cut++;
		/* Out of memory while the rest of a large answer waits for its reader: the worker ends. */
		if (traced ? !is_for_sending(what) : worker.pid != 0)
			wrong("%s%s, call %u (%s): half an answer", k->name, condition, at, what);
	}
	if (!nothing && strcmp(after, ref.state_done) != 0)
		wrong("%s%s, call %u (%s): half done: %s, not %s", k->name, condition, at, what, after, ref.state_done);
}

/* The same request again, until the service has recovered. */
static void
send_again(const struct kind *k, const char *condition, unsigned at)
{
	const char *what = traced ? worker.tracer.what : "allocation";
	char        after[STATE_BYTES], cause[64];

	snprintf(cause, sizeof(cause), "%s", what);
	repeat(k, &k->sending);
	state(k, after);
	if (k->loose && strcmp(k->sending.method, "DELETE") == 0 && front.status == 404)
		return;
	if (!is_right(k))
		wrong("%s%s, after call %u (%s): sent again it gets a wrong answer", k->name, condition, at, cause);
	else if (!k->loose && strcmp(after, ref.state_done) != 0)
		wrong("%s%s, after call %u (%s): sent again there are %s", k->name, condition, at, cause, after);
	if (memmem(front.head.ptr, front.head.len, "Idempotent-Replayed", 19))
		tally.replayed++;
}

/* ---- one kind of request ---- */

static void
set_up(enum condition condition)
{
	if (condition == COLD) {
		stop_worker("set-up");
		start_worker();
	} else if (condition == RECONNECTS) {
		ask("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = 'clientele'"
		    " AND datname = current_database()", NULL);
	}
}

/* In peace: what it answers and leaves behind, and how many calls it takes. */
static void
learn(const struct kind *k, enum condition condition)
{
	for (int i = 0; i < 3; i++) { /* the first ones warm up */
		new_subject();
		do_before(k);
		state(k, ref.state_before);
		if (i == 2)
			set_up(condition);
		send_one(k, &k->sending, 0, 0);
		free(ref.body);
		ref.body = masked(front.body);
		state(k, ref.state_done);
		if (front.status != k->status || !front.whole || !is_json(front.body))
			wrong("%s%s: not the answer that was expected", k->name, conditions[condition]);
	}
	ref.calls = worker.tracer.calls;
	memcpy(ref.number, worker.tracer.number, sizeof(ref.number));
	tally.calls = ref.calls;
}

/* What the worker holds. */
struct held {
	long descriptors, memory;
};

static struct held
held(void)
{
	return (struct held) { descriptors(), traced ? 0 : memory_live() };
}

/* Whether it has so many descriptors or blocks of memory more. */
static bool
has_grown(struct held from, struct held to, long by)
{
	return to.descriptors - from.descriptors >= by || to.memory - from.memory >= by;
}

/* False when the worker holds more afterwards; *from: what it held before. */
static bool
fail_call(const struct kind *k, enum condition condition, unsigned at, unsigned variant, struct held *from)
{
	char     before[STATE_BYTES];
	unsigned ended = tally.ended;

	if (worker.pid == 0 && condition == WARM) { /* as warm as the others */
		new_subject();
		do_before(k);
		send_one(k, &k->sending, 0, 0);
	}
	new_subject();
	do_before(k);
	state(k, before);
	/* With a connection, as afterwards: an idle worker makes a new one as soon as one is lost. */
	*from = held();
	set_up(condition);
	worker.tracer.fired = false;
	send_one(k, &k->sending, at, variant);
	if (traced ? !worker.tracer.fired : worker.tracer.calls < at)
		return true; /* this time it took fewer calls */
	tally.faults++;
	judge(k, conditions[condition], at, before);
	send_again(k, conditions[condition], at);
	return ended != tally.ended || condition == COLD || !has_grown(*from, held(), 1);
}

/*
 * A leak grows with each failure. What is lost only once may be something that is made when it is first needed, and what
 * is there after each of them, but not more and more of it, goes a moment later.
 */
static void
fail_and_count(const struct kind *k, enum condition condition, unsigned at, unsigned variant)
{
	struct held first = { 0 }, before;

	for (int i = 0; i < LEAKS; i++) {
		if (fail_call(k, condition, at, variant, &before))
			return;
		if (i == 0)
			first = before;
	}
	/* Meanwhile it sees who has left; where it may not know, it gives them a moment (fcgi/conn.c). */
	for (int i = 0; i < LEAKS || (i < RETRIES_MAX && has_grown(first, held(), LEAKS)); i++) {
		repeat(&kinds[0], &kinds[0].sending);
		if (i >= LEAKS)
			nap(RETRY_PAUSE_MS);
	}
	if (has_grown(first, held(), LEAKS))
		wrong("%s%s, call %u: %s lost each time", k->name, conditions[condition], at,
		    traced ? "a descriptor is" : "memory or a descriptor is");
}

static void
torture(const struct kind *k, enum condition condition, bool all)
{
	unsigned before = failures;

	tally = (struct tally) { 0 };
	learn(k, condition);
	for (unsigned at = 1; at <= ref.calls; at++) {
		unsigned ways = traced ? tracer_variants(ref.number[at - 1]) : 1;

		if (all)
			for (unsigned way = 0; way < ways; way++)
				fail_and_count(k, condition, at, way);
		else if (ways)
			fail_and_count(k, condition, at, at + (unsigned)(k - kinds));
	}
	stop_worker(k->name); /* where a sanitizer would report leaks */
	printf("%sok %u - %s: %s%s: %u calls, %u failed: %u right, %u honest errors, %u without an answer, %u cut off, %u ended; again: %u replayed\n",
	    failures == before ? "" : "not ", ++points, traced ? "system calls" : "allocations", k->name, conditions[condition],
	    tally.calls, tally.faults, tally.right, tally.error, tally.none, tally.cut, tally.ended, tally.replayed);
	fflush(stdout);
	total.calls += tally.calls;
	total.faults += tally.faults;
	total.right += tally.right;
	total.error += tally.error;
	total.none += tally.none;
	total.cut += tally.cut;
	total.ended += tally.ended;
	total.replayed += tally.replayed;
}

/* Lost connections and first requests: of the kinds that differ in what they do then. */
static bool
wanted(const struct kind *k, enum condition condition, bool all)
{
	return condition == WARM || all || k == &kinds[0] || strcmp(k->name, "create with key") == 0
	    || strcmp(k->name, "update") == 0;
}

static void
torture_all(const char *what)
{
	bool all = what != NULL;

	if (what && strcmp(what, "all") == 0)
		what = NULL;
	total = (struct tally) { 0 };
	longest_ms = 0;
	for (enum condition condition = 0; condition < CONDITIONS; condition++)
		for (size_t i = 0; i < COUNTOF(kinds); i++)
			if (what ? strstr(kinds[i].name, what) != NULL : wanted(&kinds[i], condition, all))
				torture(&kinds[i], condition, all);
	printf("# %s: %u calls, %u failures put in: %u answered right, %u honest errors, %u without an answer, %u cut off; "
	    "%u workers ended; %u answers replayed; the longest took %" PRId64 " ms\n",
	    traced ? "system calls" : "allocations", total.calls, total.faults, total.right, total.error, total.none, total.cut,
	    total.ended, total.replayed, longest_ms);
}

/* ---- all of it ---- */

static void
set_up_all(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char               folder[] = "/tmp/torture.XXXXXX";
	struct buf         err;

	app_test_begin();
	SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"taken@t.example\",\"id\":\"taken\"}");
	for (int i = 1; i <= 5; i++) /* what the lists list */
		SEND(OTHER_LIVE, "POST", "/api/v1/customers",
		    arena_fmt(&test_kept, "{\"email\":\"fixed%d@t.example\",\"id\":\"fixed-%d\"}", i, i).ptr);
	SEND(ACME_LIVE, "POST", "/api/v1/plans", "{\"name\":\"Fixed\",\"code\":\"fixed\"}");
	SEND(ACME_LIVE, "POST", "/api/v1/plans/fixed/prices", "{\"billingInterval\":\"monthly\",\"price\":1000}");
	SEND(ACME_LIVE, "POST", "/api/v1/plans/fixed/prices", "{\"billingInterval\":\"yearly\",\"price\":9000}");
	app_free(test_app);
	test_app = NULL;
	audit = PQconnectdb("");
	/* So that subscriptions begin at once. */
	ask("INSERT INTO billing_setting (environment_id, collection) SELECT environment_id, 'invoice' FROM plan WHERE code = 'fixed'", NULL);
	ask("CREATE INDEX IF NOT EXISTS torture_event ON event (customer_id)", NULL);
	ask("CREATE INDEX IF NOT EXISTS torture_customer ON customer (email)", NULL);
	memory_init();
	buf_init(&err, 256);
	conf_init(&worker.conf);
	free(worker.conf.database_url);
	worker.conf.database_url = strdup(arena_fmt(&test_kept, "%s&connect_timeout=2", getenv("CLIENTELE_TEST_SERVE_URL")).ptr);
	worker.conf.request_timeout_ms = REQUEST_TIMEOUT_MS;
	worker.conf.statement_timeout_ms = REQUEST_TIMEOUT_MS / 2;
	worker.conf.lock_timeout_ms = REQUEST_TIMEOUT_MS / 4;
	worker.conf.body_max_bytes = BODY_MAX_BYTES;
	if (!allow_parse("", &worker.allow, &err) || !mkdtemp(folder))
		exit(99);
	worker.buckets = buckets_new();
	worker.stats = stats_new(1);
	snprintf(worker.path, sizeof(worker.path), "%s/socket", folder);
	memcpy(address.sun_path, worker.path, strlen(worker.path));
	worker.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(worker.listen_fd, (struct sockaddr *)&address, sizeof(address)) == -1 || listen(worker.listen_fd, 16) == -1)
		exit(99);
	worker.log_fd = open("/tmp", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	memset(large, 'x', sizeof(large) - 1);
	front_init(&front);
}

int
main(void)
{
	const char *what = getenv("CLIENTELE_TORTURE");

	set_up_all();
	tracer_spares_memory = !memory_can_fail(); /* a sanitizer ends the process when its own mmap() fails */
	for (int turn = 0; turn < 2; turn++) {
		traced = turn == 0;
		if (traced ? tracer_can() : memory_can_fail())
			torture_all(what && *what ? what : NULL);
		else
			printf("ok %u - %s # SKIP %s\n", ++points, traced ? "system calls" : "allocations",
			    traced ? "the registers of this machine are not known" : "a sanitizer has an allocator of its own");
	}
	audit_all();
	printf("1..%u\n", points);
	unlink(worker.path);
	*strrchr(worker.path, '/') = '\0';
	rmdir(worker.path);
	return failures != 0;
}
