/* Simulated front servers, and what they were promised. */
#include "front.h"
#include "base/id.h"
#include "base/str.h"
#include "database.h"
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fastcgi.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FRONTS_MAX = 64,
	OPS_MAX = 1024,
	EXTERNALS = 10,
	KNOWN_MAX = 256,
	REQUEST_MAX = 96 * 1024,
	TRIES_MAX = 4,
	HALF_US = 20 * SECOND,
};

enum what { GET_EXTERNAL, GET_ID, LIST, SEARCH, CREATE, BATCH, UPDATE, WHATS };

/* How a request is sent, and its answer awaited. */
enum manner { POLITE, STALLS, LEAVES, HALF_CLOSES, READS_SLOWLY, SENDS_RUBBISH, SAYS_NOTHING, MANNERS };

static const char *const what_names[WHATS] = { "get by external id", "get by id", "list", "search", "create", "batch", "update" };
static const char *const manner_names[MANNERS] = { "", " and stalls", " and leaves", " and closes one half", " and reads slowly",
	" (rubbish)", " (nothing)" };

/* What a client wants done, once; it may ask again when it has a key. */
static struct op {
	enum what what;
	int       tenant, number;
	char      key[24];      /* or "" */
	char      external[24]; /* or "" */
	char      id[32];
	unsigned  count;        /* of a batch */
	unsigned  tries, open;
	bool      made;         /* acknowledged as created */
	bool      existed;
	bool      lost;         /* an attempt whose outcome is not known */
	bool      done;         /* no further attempt */
	char     *answer;       /* the first good one */
	int       status;
} ops[OPS_MAX];
static size_t ops_count;

static struct front {
	int         fd, far; /* far: the worker's end; -1: it has closed it */
	bool        open, accepted, keep, half, eof;
	unsigned    asked;   /* on this connection */
	struct op  *op;      /* in hand */
	enum manner manner;
	char        rid[24];
	unsigned    fcgi_id;
	char       *out;
	size_t      out_len, sent, parts;
	int64_t     begun_us, sent_us, answered_us;
	char       *in;
	size_t      in_len, in_room;
	bool        answered;
	unsigned    number;  /* of its events; older ones mean nothing */
} fronts[FRONTS_MAX];

static struct front_plan plan;
struct front_counts      front_counts;
static unsigned          asked;
static bool              told;
static int               by_far[4096]; /* 1 + front of a worker's descriptor */
static struct {
	unsigned front, number;
	int      far;
} queue[FRONTS_MAX * 64];
static unsigned          queue_first, queue_end;
static char              known[TENANTS][KNOWN_MAX][32]; /* ids that were acknowledged */
static unsigned          known_count[TENANTS];

static void think(void *with, int64_t n);
static void send_part(void *with, int64_t n);
static void leave(void *with, int64_t n);
static void take(struct front *f);

static long
number_of(const struct front *f)
{
	return f - fronts;
}

static void
soon(struct front *f, int64_t us, void (*act)(void *, int64_t))
{
	later(us, act, f, f->number);
}

/* ---- connections */

int
front_accept(struct sockaddr_storage *address)
{
	struct front *f;
	uint64_t      one;
	size_t        at;

	if (queue_first == queue_end)
		return -EAGAIN;
	if (world.scarce && happens(5))
		return -EMFILE;
	(void)!read(plan.listen_fd, &one, sizeof(one));
	at = queue_first++ % COUNTOF(queue);
	f = &fronts[queue[at].front];
	address->ss_family = plan.tcp ? AF_INET : AF_UNIX;
	if (plan.tcp)
		((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (f->number != queue[at].number)
		return queue[at].far; /* it has left already */
	f->accepted = true;
	by_far[f->far] = (int)number_of(f) + 1;
	note("front %ld: accepted as %d", number_of(f), f->far);
	return f->far;
}

static void
open_front(struct front *f)
{
	int      pair[2];
	uint64_t one = 1;

	promise(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "no sockets: %s", strerror(errno));
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	*f = (struct front) { .fd = pair[0], .far = pair[1], .open = true, .number = f->number + 1, .in = f->in, .in_room = f->in_room };
	f->keep = happens(plan.kept);
	promise(pair[1] < (int)COUNTOF(by_far), "too many descriptors");
	queue[queue_end % COUNTOF(queue)].front = (unsigned)number_of(f);
	queue[queue_end % COUNTOF(queue)].number = f->number;
	queue[queue_end++ % COUNTOF(queue)].far = pair[1];
	(void)!write(plan.listen_fd, &one, sizeof(one));
}

/* An attempt ends without an answer. */
static void
give_up(struct front *f, const char *why)
{
	struct op *op = f->op;

	f->op = NULL;
	if (!op)
		return;
	op->open--;
	if (f->answered)
		return;
	note("front %ld: %s has no answer: %s", number_of(f), f->rid, why);
	op->lost = true;
	if (f->manner == POLITE)
		front_counts.unanswered++;
	promise(f->manner != POLITE || !plan.healthy || told, "a request has no answer: %s", why);
}

static void
close_front(struct front *f, const char *why)
{
	give_up(f, why);
	if (!f->open)
		return;
	close(f->fd);
	f->open = false;
	f->number++;
	free(f->out);
	f->out = NULL;
	soon(f, between(1, plan.think_us), think);
}

static void
leave(void *with, int64_t n)
{
	struct front *f = with;

	if (n != f->number || !f->open || (f->manner != LEAVES && f->manner != SAYS_NOTHING))
		return; /* it has gone on to another request */
	note("front %ld: leaves", number_of(f));
	close_front(f, "it has left");
}

/* The worker has ended a connection. */
static void
notice_end(void *with, int64_t n)
{
	struct front *f = with;

	if (n != f->number || !f->open)
		return;
	take(f);
	/* libfcgi may have closed it, which nobody tells. */
	if (n == f->number && f->open && f->op && f->manner == SENDS_RUBBISH && !world.over)
		soon(f, SECOND, notice_end);
}

void
front_closed(int fd)
{
	if (fd >= 0 && fd < (int)COUNTOF(by_far) && by_far[fd]) {
		struct front *f = &fronts[by_far[fd] - 1];

		by_far[fd] = 0;
		if (f->far == fd && f->open) {
			f->far = -1;
			soon(f, between(5, 60), notice_end);
		}
	}
}

void
front_sent(int fd)
{
	if (fd >= 0 && fd < (int)COUNTOF(by_far) && by_far[fd]) {
		struct front *f = &fronts[by_far[fd] - 1];

		if (f->far != fd || !f->open)
			return;
		f->answered_us = world.now_us;
		soon(f, f->manner == READS_SLOWLY ? between(1 * MS, 200 * MS) : between(5, 60), notice_end);
	}
}

/* ---- requests */

static char *
put_record(char *at, int type, unsigned id, const char *bytes, size_t n)
{
	const char head[8] = { 1, (char)type, (char)(id >> 8), (char)id, (char)(n >> 8), (char)n };

	memcpy(at, head, sizeof(head));
	if (n)
		memcpy(at + sizeof(head), bytes, n);
	return at + sizeof(head) + n;
}

static size_t
put_pair(char *at, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value), head = 0;

	at[head++] = (char)n;
	if (v < 128) {
		at[head++] = (char)v;
	} else {
		at[head++] = (char)(0x80 | v >> 24);
		at[head++] = (char)(v >> 16);
		at[head++] = (char)(v >> 8);
		at[head++] = (char)v;
	}
	memcpy(at + head, name, n);
	memcpy(at + head + n, value, v);
	return head + n + v;
}

static size_t
put_customer(char *at, size_t room, const struct op *op, unsigned n)
{
	int len = snprintf(at, room, "{\"email\":\"t%dm%dn%u@x.test\",\"fullName\":\"name %d\"", op->tenant, op->number, n, op->number);

	if (op->external[0] && !op->count)
		len += snprintf(at + len, room - (size_t)len, ",\"externalId\":\"%s\"", op->external);
	else if (op->external[0])
		len += snprintf(at + len, room - (size_t)len, ",\"externalId\":\"%s-%u\"", op->external, n);
	if (op->number % 7 == 0) {
		len += snprintf(at + len, room - (size_t)len, ",\"metadata\":{\"a\":\"");
		memset(at + len, 'm', 12000 / (op->count ? op->count : 1));
		len += 12000 / (op->count ? (int)op->count : 1);
		len += snprintf(at + len, room - (size_t)len, "\"}");
	}
	return (size_t)len + (size_t)snprintf(at + len, room - (size_t)len, "}");
}

static size_t
put_body(char *at, size_t room, const struct op *op)
{
	size_t len = 0;

	switch (op->what) {
	case CREATE:
		return put_customer(at, room, op, 0);
	case UPDATE:
		return (size_t)snprintf(at, room, "{\"fullName\":\"renamed %d\"}", op->number);
	case BATCH:
		len = (size_t)snprintf(at, room, "{\"customers\":[");
		for (unsigned i = 0; i < op->count; i++) {
			if (i)
				at[len++] = ',';
			len += put_customer(at + len, room - len, op, i);
		}
		return len + (size_t)snprintf(at + len, room - len, "]}");
	case GET_EXTERNAL:
	case GET_ID:
	case LIST:
	case SEARCH:
	case WHATS:
		break;
	}
	return 0;
}

static void
make_request(struct front *f)
{
	static char      params[4096], body[REQUEST_MAX];
	const struct op *op = f->op;
	char             uri[200], length[16], begin[8] = { 0, FCGI_RESPONDER, (char)(f->keep ? FCGI_KEEP_CONN : 0) };
	const char      *method = op->what < CREATE ? "GET" : op->what == UPDATE ? "PUT" : "POST";
	size_t           n = 0, len = put_body(body, sizeof(body), op);
	char            *at;

	snprintf(uri, sizeof(uri), "/v1/customers%s%s%s", op->what == BATCH ? "/batch" : op->what == LIST ? "?limit=100" : op->what == SEARCH
	    ? "?search=x.test" : op->what == CREATE ? "" : "/", op->what == GET_ID ? op->id : op->what == GET_EXTERNAL || op->what == UPDATE
	    ? op->external : "", "");
	snprintf(length, sizeof(length), "%zu", len);
	n += put_pair(params + n, "REQUEST_METHOD", method);
	n += put_pair(params + n, "REQUEST_URI", uri);
	n += put_pair(params + n, "CONTENT_LENGTH", length);
	n += put_pair(params + n, "HTTP_X_API_KEY", tenants[op->tenant].api_key);
	n += put_pair(params + n, "HTTP_X_REQUEST_ID", f->rid);
	if (op->key[0])
		n += put_pair(params + n, "HTTP_IDEMPOTENCY_KEY", op->key);
	if (op->what == SEARCH)
		n += put_pair(params + n, "HTTP_COMMET_VERSION", "2026-05-12");
	f->fcgi_id = happens(900) ? 1 : (unsigned)between(2, 65535);
	f->out = malloc(len + len / 8 + n + 512);
	at = put_record(f->out, FCGI_BEGIN_REQUEST, f->fcgi_id, begin, sizeof(begin));
	at = put_record(at, FCGI_PARAMS, f->fcgi_id, params, n);
	at = put_record(at, FCGI_PARAMS, f->fcgi_id, NULL, 0);
	for (size_t from = 0, step; from < len; from += step) {
		step = len - from < 16000 ? len - from : 16000;
		at = put_record(at, FCGI_STDIN, f->fcgi_id, body + from, step);
	}
	at = put_record(at, FCGI_STDIN, f->fcgi_id, NULL, 0);
	f->out_len = (size_t)(at - f->out);
	if (f->manner == SENDS_RUBBISH)
		for (int i = 0; i < 20; i++)
			f->out[chance(f->out_len)] = (char)chance(256);
	if (f->manner == SAYS_NOTHING)
		f->out_len = 0;
	if (f->manner == STALLS)
		f->out_len = 1 + chance(f->out_len - 1);
}

static struct op *
new_op(void)
{
	struct op *op = &ops[ops_count];

	*op = (struct op) { .what = (enum what)chance(WHATS), .tenant = (int)chance(TENANTS), .number = (int)ops_count };
	if (op->what == BATCH && !happens(400))
		op->what = CREATE;
	ops_count++;
	promise(ops_count < OPS_MAX, "too many requests");
	if (op->what == GET_ID && !known_count[op->tenant])
		op->what = LIST;
	if (op->what == GET_ID)
		snprintf(op->id, sizeof(op->id), "%s", known[op->tenant][chance(known_count[op->tenant])]);
	if (op->what == BATCH)
		op->count = (unsigned)between(1, 8);
	if (op->what == GET_EXTERNAL || op->what == UPDATE || (op->what >= CREATE && happens(500)))
		snprintf(op->external, sizeof(op->external), "e%d", (int)chance(EXTERNALS));
	else if (op->what >= CREATE && happens(500))
		snprintf(op->external, sizeof(op->external), "own%d", op->number);
	if (op->what >= CREATE && happens(750))
		snprintf(op->key, sizeof(op->key), "key-%d", op->number);
	return op;
}

/* A new one, or one with a key once more: perhaps while the first is still under way. */
static struct op *
choose_op(void)
{
	for (int i = 0; i < 3 && ops_count && happens(350); i++) {
		struct op *op = &ops[ops_count - 1 - chance(ops_count < 12 ? ops_count : 12)];

		if (op->key[0] && !op->done && op->tries < TRIES_MAX) {
			front_counts.retried++;
			return op;
		}
	}
	return new_op();
}

static void
ask(struct front *f)
{
	f->op = choose_op();
	f->op->tries++;
	f->op->open++;
	f->manner = happens(plan.rude) ? (enum manner)chance(MANNERS) : POLITE;
	if (f->manner == SENDS_RUBBISH || f->manner == SAYS_NOTHING) {
		/* Its bytes may mean anything, so nothing of it is an op. */
		f->op->tries--;
		f->op->open--;
		f->op = &(struct op) { 0 };
		static struct op rubbish = { .what = LIST, .tenant = TENANTS - 1, .number = -1 };
		f->op = &rubbish;
		rubbish.open++;
	}
	front_counts.rude += f->manner != POLITE;
	snprintf(f->rid, sizeof(f->rid), "rid-%u", asked);
	asked++;
	f->asked++;
	f->answered = f->half = false;
	f->in_len = f->sent = 0;
	f->begun_us = world.now_us;
	f->sent_us = 0;
	make_request(f);
	f->parts = happens(700) ? 1 : (size_t)between(2, 6);
	if (f->manner == READS_SLOWLY && f->far != -1) {
		int small = 4608;

		setsockopt(f->far, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	}
	note("front %ld: asks %s: tenant %d, %s %s%s, key '%s'%s", number_of(f), f->rid, f->op->tenant, what_names[f->op->what],
	    f->op->external, f->op->id, f->op->key, manner_names[f->manner]);
	/* A kept connection may be silent for as long as it likes. */
	if (f->manner == SAYS_NOTHING && f->asked > 1)
		soon(f, between(1 * MS, 3 * SECOND), leave);
	send_part(f, f->number);
}

static void
send_part(void *with, int64_t n)
{
	struct front *f = with;
	size_t        most;
	ssize_t       taken;

	if (n != f->number || !f->open || f->sent == f->out_len)
		return;
	most = f->parts > 1 ? 1 + chance(f->out_len - f->sent) : f->out_len - f->sent;
	f->parts -= f->parts > 1;
	taken = send(f->fd, f->out + f->sent, most, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (taken == -1 && errno != EAGAIN) {
		take(f);
		if (f->open && n == f->number)
			close_front(f, "it cannot be sent");
		return;
	}
	f->sent += taken > 0 ? (size_t)taken : 0;
	if (f->sent < f->out_len) {
		soon(f, happens(800) ? between(5, 5 * MS) : between(5 * MS, f->manner == POLITE ? 60 * MS : 900 * MS), send_part);
		return;
	}
	f->sent_us = world.now_us;
	if (f->manner == SENDS_RUBBISH)
		soon(f, SECOND, notice_end);
	if (f->manner == LEAVES)
		soon(f, happens(700) ? between(0, 10 * MS) : between(0, 4 * SECOND), leave);
	if (f->manner == HALF_CLOSES) {
		f->half = true;
		shutdown(f->fd, SHUT_WR);
	}
}

static void
think(void *with, int64_t n)
{
	struct front *f = with;

	if (n != f->number || f->op || world.over)
		return;
	if (asked >= plan.asks) {
		if (f->open)
			close_front(f, "");
		return;
	}
	if (f->open && f->keep && happens(30)) {
		close_front(f, "");
		return;
	}
	if (!f->open && told)
		return; /* others answer */
	if (!f->open)
		open_front(f);
	ask(f);
}

/* ---- answers */

static bool
has(const char *in, const char *what)
{
	return strstr(in, what) != NULL;
}

static size_t
committed(const struct op *op, unsigned n, int64_t by_us, struct customer_seen *out)
{
	char   email[DATABASE_TEXT];
	size_t count = 0;

	snprintf(email, sizeof(email), "t%dm%dn%u@x.test", op->tenant, op->number, n);
	for (size_t i = 0; i < database_customers(); i++) {
		struct customer_seen seen;

		if (!database_customer(i, &seen) || strcmp(seen.email, email) != 0 || seen.committed_us > by_us)
			continue;
		promise(seen.tenant == op->tenant, "%s is a customer of another tenant", email);
		count++;
		*out = seen;
	}
	return count;
}

static void
check_tenant(const struct op *op, const char *body)
{
	for (const char *at = body; (at = strstr(at, "@x.test")); at++) {
		const char *from = at;
		int         tenant = -1;

		while (from > body && from[-1] != '"')
			from--;
		promise(sscanf(from, "t%dm", &tenant) == 1 && tenant == op->tenant, "an answer to tenant %d has a row of tenant %d", op->tenant,
		    tenant);
	}
}

static void
learn_id(const struct op *op, const char *body)
{
	const char *at = strstr(body, "\"cus_");
	unsigned    n = known_count[op->tenant];

	if (!at || n == KNOWN_MAX)
		return;
	snprintf(known[op->tenant][n], 32, "%.*s", (int)strcspn(at + 1, "\""), at + 1);
	known_count[op->tenant]++;
}

/* An answer that something was done. */
static void
check_done(struct front *f, struct op *op, int status, const char *body)
{
	struct customer_seen seen;
	char                 text[80];

	if (op->key[0] && op->answer)
		promise(op->status == status && strcmp(op->answer, body) == 0, "one key has two answers: %d %s and %d %s", op->status,
		    op->answer, status, body);
	if (op->key[0] && !op->answer) {
		op->answer = strdup(body);
		op->status = status;
	}
	switch (op->what) {
	case CREATE:
		if (status == 201) {
			op->made = true;
			promise(committed(op, 0, f->answered_us, &seen) == 1, "%s is acknowledged, and there are %zu of it", f->rid,
			    committed(op, 0, f->answered_us, &seen));
			snprintf(text, sizeof(text), "\"t%dm%dn0@x.test\"", op->tenant, op->number);
			promise(has(body, text), "%s: the answer is about another customer: %s", f->rid, body);
			front_counts.created++;
			learn_id(op, body);
		} else {
			op->existed = true;
			promise(op->external[0], "%s exists, and has no external id", f->rid);
		}
		if (op->external[0]) {
			snprintf(text, sizeof(text), "\"%s\"", op->external);
			promise(has(body, text), "%s: the answer has another external id: %s", f->rid, body);
		}
		break;
	case UPDATE:
		snprintf(text, sizeof(text), "\"renamed %d\"", op->number);
		promise(has(body, text), "%s: the answer to an update has other values: %s", f->rid, body);
		break;
	case BATCH:
		op->made = true;
		break;
	case GET_EXTERNAL:
		snprintf(text, sizeof(text), "\"%s\"", op->external);
		promise(has(body, text), "%s: the answer is about another customer: %s", f->rid, body);
		break;
	case GET_ID:
		snprintf(text, sizeof(text), "\"%s\"", op->id);
		promise(has(body, text), "%s: the answer is about another customer: %s", f->rid, body);
		break;
	case LIST:
	case SEARCH:
	case WHATS:
		break;
	}
	op->done |= op->tries >= 2 && happens(300);
}

/* Nothing is missing that was there before it was asked. */
static void
check_missing(const struct front *f, const struct op *op)
{
	for (size_t i = 0; i < database_customers(); i++) {
		struct customer_seen seen;

		if (database_customer(i, &seen) && seen.tenant == op->tenant && seen.committed_us < f->begun_us)
			promise(strcmp(seen.external_id, op->external) != 0 || !op->external[0], "%s: 404, and it is there", f->rid);
	}
	promise(op->what != GET_ID, "%s: 404, and it was acknowledged", f->rid);
}

static void
check_answer(struct front *f, const char *head, const char *body, size_t body_len)
{
	struct op  *op = f->op;
	int         status = 0;
	size_t      length = 0;
	const char *at = strstr(head, "Content-Length: ");
	char        text[64];
	int64_t     took_us = f->answered_us - f->sent_us;

	promise(sscanf(head, "Status: %d", &status) == 1 && at && sscanf(at, "Content-Length: %zu", &length) == 1, "%s: no status, no length",
	    f->rid);
	promise(length == body_len, "%s: %zu bytes of %zu", f->rid, body_len, length);
	note("front %ld: %s is answered %d after %.3f ms%s", number_of(f), f->rid, status, (double)took_us / 1000,
	    status >= 500 ? strstr(body, "\"message\"") : "");
	front_counts.answered++;
	if (f->manner == SENDS_RUBBISH)
		return;
	snprintf(text, sizeof(text), "X-Request-Id: %s\r\n", f->rid);
	promise(has(head, text), "%s: an answer to another request: %s", f->rid, head);
	promise(f->sent_us, "%s: an answer to half a request", f->rid);
	check_tenant(op, body);
	if (took_us > front_counts.longest_us)
		front_counts.longest_us = took_us;
	promise(!plan.limit_us || took_us <= plan.limit_us, "%s: the answer %d took %.0f ms, and %.0f are allowed", f->rid, status,
	    (double)took_us / 1000, (double)plan.limit_us / 1000);
	front_counts.replayed += has(head, "Idempotent-Replayed");
	if (status < 300) {
		check_done(f, op, status, body);
	} else if (status == 404) {
		check_missing(f, op);
	} else {
		promise(status == 409 || status == 429 || status == 503 || status == 500, "%s: %d %s", f->rid, status, body);
		promise(!plan.healthy || status != 500, "%s: %d %s", f->rid, status, body);
		front_counts.refused++;
		if (status != 409)
			promise(has(body, "Nothing was done") != (has(body, "utcome is unknown") || has(body, "may have been")), "%s: was it done? %s",
			    f->rid, body);
		op->lost |= !has(body, "Nothing was done") && status != 409;
	}
}

/* Takes the records of an answer apart; false: it is not whole yet. */
static bool
read_answer(struct front *f)
{
	static char text[4 * 1024 * 1024];
	size_t      at = 0, n = 0;
	bool        ended = false;

	while (at + 8 <= f->in_len) {
		const unsigned char *head = (const unsigned char *)f->in + at;
		size_t               len = (size_t)head[4] << 8 | head[5];

		if (at + 8 + len + head[6] > f->in_len)
			break;
		promise(f->manner == SENDS_RUBBISH || (unsigned)(head[2] << 8 | head[3]) == f->fcgi_id, "%s: a record of another request", f->rid);
		if (head[1] == FCGI_STDOUT) {
			promise(!ended && n + len < sizeof(text), "%s: output behind the end", f->rid);
			memcpy(text + n, head + 8, len);
			n += len;
		} else if (head[1] == FCGI_END_REQUEST) {
			promise(!ended, "%s is answered twice", f->rid);
			ended = true;
		} else {
			promise(head[1] == FCGI_STDERR && len == 0 && ended, "%s: a record of type %d", f->rid, head[1]);
			f->keep = false; /* it is about to be closed */
		}
		at += 8 + len + head[6];
	}
	if (!ended)
		return false;
	text[n] = '\0';
	{
		char *body = strstr(text, "\r\n\r\n");

		promise(body, "%s: no end of the headers", f->rid);
		body[2] = '\0';
		check_answer(f, text, body + 4, n - (size_t)(body + 4 - text));
	}
	return true;
}

/* Nobody can ask anything more on a connection that was half closed. */
static void
is_closed(void *with, int64_t n)
{
	const struct front *f = with;

	promise(n != f->number || !f->open, "front %ld: it has closed one half, has its answer, and the worker keeps the other half", number_of(f));
}

static void
take(struct front *f)
{
	size_t  most = f->manner == READS_SLOWLY ? (size_t)between(1, 20000) : SIZE_MAX;
	ssize_t n = 0;
	bool    more = false;

	while (most && !f->eof) {
		if (f->in_room < f->in_len + 65536)
			f->in = realloc(f->in, f->in_room += 256 * 1024);
		n = recv(f->fd, f->in + f->in_len, most < 65536 ? most : 65536, MSG_DONTWAIT);
		if (n <= 0)
			break;
		f->in_len += (size_t)n;
		most -= most == SIZE_MAX ? 0 : (size_t)n;
		more = most == 0;
	}
	if (n == 0 || (n == -1 && errno != EAGAIN))
		f->eof = true;
	if (f->op && !f->answered && read_answer(f)) {
		struct op *op = f->op;

		f->answered = true;
		f->op = NULL;
		op->open--;
		free(f->out);
		f->out = NULL;
		if (!f->eof && f->half)
			soon(f, HALF_US, is_closed);
		else if (!f->eof && f->keep && f->far != -1)
			soon(f, between(1, plan.think_us), think);
	} else if (!f->op && f->in_len && f->asked && !f->eof) {
		/* The worker may add a record of nothing, and then it closes. */
		promise(f->answered, "an answer that nobody has asked for");
	}
	if (more)
		soon(f, between(1 * MS, 300 * MS), notice_end);
	if (f->eof)
		close_front(f, f->sent_us ? "the worker has ended the connection" : "the worker did not wait for all of it");
}

void
front_begin(const struct front_plan *given)
{
	plan = *given;
	for (unsigned i = 0; i < plan.connections; i++) {
		fronts[i].far = -1;
		soon(&fronts[i], between(0, plan.think_us * 4), think);
	}
	for (int i = 0; i < TENANTS; i++)
		for (int k = 0; k < EXTERNALS / 2; k++) {
			char external[16], email[32];

			snprintf(external, sizeof(external), "e%d", k);
			snprintf(email, sizeof(email), "t%dm-%dn0@x.test", i, k + 1);
			database_plant(i, external, email);
		}
}

bool
front_is_done(void)
{
	if (asked < plan.asks)
		return false;
	for (unsigned i = 0; i < plan.connections; i++)
		if (fronts[i].op)
			return false;
	return true;
}

const char *
front_stuck(void)
{
	for (unsigned i = 0; i < plan.connections; i++)
		if (fronts[i].op)
			return fronts[i].rid;
	return "";
}

void
front_told(void)
{
	told = true;
}

void
front_judge(void)
{
	for (unsigned i = 0; i < plan.connections; i++) {
		struct front *f = &fronts[i];

		if (!f->open)
			continue;
		promise(!f->accepted || f->far == -1, "front %u: the worker has left, and its connection is open", i);
		if (f->manner == READS_SLOWLY)
			f->manner = HALF_CLOSES; /* there is no more time to be slow in */
		if (f->accepted)
			take(f);
		else
			f->op = NULL; /* another worker takes it */
	}
	for (size_t i = 0; i < ops_count; i++) {
		struct op           *op = &ops[i];
		struct customer_seen seen;

		for (unsigned n = 0; (op->what == CREATE || op->what == BATCH) && n < (op->count ? op->count : 1); n++) {
			size_t count = committed(op, n, INT64_MAX, &seen);

			promise(count <= 1, "op %zu was done %zu times", i, count);
			if (op->what == CREATE && op->made)
				promise(count == 1, "op %zu was acknowledged and is gone", i);
			else if (!op->lost && !op->made)
				promise(count == 0, "op %zu was done, and its client was told that it was not", i);
		}
	}
}
