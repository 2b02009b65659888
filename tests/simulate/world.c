/* The world: time, chance, readiness, threads. */
#include "world.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/offload.h"
#include "base/poller.h"
#include "fcgi/conn.h"
#include "guard/sandbox.h"
#include "worker/hand.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	EVENTS_MAX = 8192,
	/* A worker that turns so often with nothing to do, and no time passing, spins. */
	IDLE_TURNS_MAX = 2000,
	TURNS_MAX = 400 * 1000,
	KEPT_LINES = 60,
	LINE_BYTES = 160,
};

/* When the world began: any time, but not 0. */
static const int64_t begun_mono_us = INT64_C(5000) * SECOND;
static const int64_t begun_wall_us = INT64_C(1790000000) * SECOND;

struct world world;
int64_t      account[ACCOUNT__COUNT];

static struct event {
	int64_t  at_us;
	uint64_t number;
	void   (*act)(void *with, int64_t n);
	void    *with;
	int64_t  n;
} events[EVENTS_MAX]; /* a heap */
static size_t   events_count;
static uint64_t events_made;
static uint64_t state;
static int64_t  ahead_us; /* of the thread that runs */
static bool     thread_runs;
static char     kept[KEPT_LINES][LINE_BYTES]; /* the last lines of the trace */
static uint64_t kept_count;

/* ---- chance */

static uint64_t
next(void)
{
	uint64_t z = state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

uint64_t
chance(uint64_t below)
{
	return below ? next() % below : 0;
}

bool
happens(unsigned in_a_thousand)
{
	return chance(1000) < in_a_thousand;
}

int64_t
between(int64_t least, int64_t most)
{
	return least + (int64_t)chance((uint64_t)(most - least + 1));
}

void
world_begin(uint64_t seed)
{
	world.seed = seed;
	world.now_us = 1; /* 0 is never */
	state = seed * UINT64_C(0xD1342543DE82EF95) + 1;
}

/* ---- what is seen */

void
note(const char *fmt, ...)
{
	char   *line = kept[kept_count++ % KEPT_LINES];
	va_list ap;
	int     n = snprintf(line, LINE_BYTES, "%10.3f ms  ", (double)time_us() / 1000);

	va_start(ap, fmt);
	vsnprintf(line + n, (size_t)(LINE_BYTES - n), fmt, ap);
	va_end(ap);
	if (world.trace)
		fprintf(stderr, "%s\n", line);
}

void
broken(const char *file, int line, const char *fmt, ...)
{
	va_list  ap;
	uint64_t from = kept_count > KEPT_LINES ? kept_count - KEPT_LINES : 0;

	for (uint64_t i = from; i < kept_count && !world.trace; i++)
		fprintf(stderr, "%s\n", kept[i % KEPT_LINES]);
	fprintf(stderr, "seed %llu is broken at %.3f ms (%s:%d): ", (unsigned long long)world.seed,
	    (double)time_us() / 1000, file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nscripts/simulate --trace --seeds 1 --from %llu shows all of it\n",
	    (unsigned long long)world.seed);
	_exit(1);
}

/* ---- events */

static bool
is_before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

static void
swap(size_t a, size_t b)
{
	struct event e = events[a];

	events[a] = events[b];
	events[b] = e;
}

void
later(int64_t us, void (*act)(void *with, int64_t n), void *with, int64_t n)
{
	size_t at = events_count++;

	promise(at < EVENTS_MAX, "too many events");
	events[at] = (struct event) { time_us() + (us > 0 ? us : 0), events_made++, act, with, n };
	for (; at && is_before(&events[at], &events[(at - 1) / 2]); at = (at - 1) / 2)
		swap(at, (at - 1) / 2);
}

static struct event
take_event(void)
{
	struct event first = events[0];
	size_t       at = 0;

	events[0] = events[--events_count];
	for (;;) {
		size_t least = at, left = 2 * at + 1;

		for (size_t i = left; i < left + 2 && i < events_count; i++)
			if (is_before(&events[i], &events[least]))
				least = i;
		if (least == at)
			return first;
		swap(at, least);
		at = least;
	}
}

bool
world_is_quiet(void)
{
	return events_count == 0;
}

/* Goes on to the next event, but not beyond this time; false: there was none before it. */
static bool
go_on(int64_t until_us)
{
	struct event e;

	if (!events_count || events[0].at_us > until_us) {
		if (until_us != INT64_MAX && until_us > world.now_us)
			world.now_us = until_us;
		return false;
	}
	e = take_event();
	if (e.at_us > world.now_us)
		world.now_us = e.at_us;
	e.act(e.with, e.n);
	return true;
}

/* ---- clocks */

bool
in_thread(void)
{
	return thread_runs;
}

void
thread_waits(int64_t us)
{
	ahead_us += us;
}

int64_t
time_us(void)
{
	return world.now_us + (thread_runs ? ahead_us : 0);
}

int64_t __wrap_clock_mono_ms(void);
int64_t __wrap_clock_mono_us(void);
int64_t __wrap_clock_mono_ns(void);
int64_t __wrap_clock_wall_ms(void);
int64_t __wrap_clock_wall_us(void);
void    __wrap_hash_random(void *out, size_t bytes);

int64_t
__wrap_clock_mono_us(void)
{
	return begun_mono_us + time_us();
}

int64_t
__wrap_clock_mono_ms(void)
{
	return __wrap_clock_mono_us() / 1000;
}

int64_t
__wrap_clock_mono_ns(void)
{
	return __wrap_clock_mono_us() * 1000;
}

int64_t
__wrap_clock_wall_us(void)
{
	return begun_wall_us + time_us();
}

int64_t
__wrap_clock_wall_ms(void)
{
	return __wrap_clock_wall_us() / 1000;
}

void
__wrap_hash_random(void *out, size_t bytes)
{
	unsigned char *to = out;

	while (bytes--)
		*to++ = (unsigned char)next();
}

/* ---- threads */

struct offload {
	void (*work)(void *with);
	void (*discard)(void *with);
	void  *with;
	int    wake_fd;
	bool   done, left;
};

static void
end_work(void *given, int64_t n UNUSED)
{
	struct offload *o = given;
	uint64_t        one = 1;

	if (o->left) {
		o->discard(o->with);
		account[ACCOUNT_WORK]--;
		free(o);
		return;
	}
	o->done = true;
	promise(write(o->wake_fd, &one, sizeof(one)) == sizeof(one), "a thread wakes nobody");
}

static void
do_work(void *given, int64_t n UNUSED)
{
	struct offload *o = given;

	thread_runs = true;
	ahead_us = 0;
	o->work(o->with);
	thread_runs = false;
	later(ahead_us, end_work, o, 0);
}

struct offload *
offload_start(void (*work)(void *with), void *with, void (*discard)(void *with), int wake_fd)
{
	struct offload *o;

	if (world.scarce && happens(3))
		return NULL;
	o = calloc(1, sizeof(*o));
	*o = (struct offload) { work, discard, with, wake_fd, false, false };
	account[ACCOUNT_WORK]++;
	later(happens(30) ? between(1, 1500 * MS) : between(1, 2 * MS), do_work, o, 0);
	return o;
}

bool
offload_is_done(const struct offload *o)
{
	return o->done;
}

void
offload_end(struct offload *o)
{
	o->left = true;
	if (!o->done)
		return;
	account[ACCOUNT_WORK]--;
	free(o);
}

/* ---- readiness */

int
poller_new(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

static bool
control(int poller, int operation, int fd, struct source *source, unsigned wants)
{
	struct epoll_event event = { .data.ptr = source };

	event.events = (wants & POLLER_READ ? EPOLLIN : 0u) | (wants & POLLER_WRITE ? EPOLLOUT : 0u)
	    | (wants & POLLER_LEFT ? EPOLLRDHUP : 0u) | (wants & POLLER_EDGE ? EPOLLET : 0u);
	return epoll_ctl(poller, operation, fd, &event) == 0;
}

bool
poller_add(int poller, int fd, struct source *source, unsigned wants)
{
	return control(poller, EPOLL_CTL_ADD, fd, source, wants);
}

bool
poller_change(int poller, int fd, struct source *source, unsigned wants)
{
	return control(poller, EPOLL_CTL_MOD, fd, source, wants);
}

void
poller_remove(int poller, int fd)
{
	(void)control(poller, EPOLL_CTL_DEL, fd, NULL, 0);
}

static unsigned
translate(uint32_t is)
{
	return (is & EPOLLIN ? POLLER_READ : 0u) | (is & EPOLLOUT ? POLLER_WRITE : 0u)
	    | (is & EPOLLRDHUP ? POLLER_LEFT : 0u)
	    | (is & (EPOLLHUP | EPOLLERR) ? POLLER_ENDED : 0u);
}

/* In any order, because the system promises none. */
static size_t
tell(int poller, struct poller_event out[POLLER_EVENTS_MAX])
{
	struct epoll_event found[POLLER_EVENTS_MAX];
	int                n = epoll_wait(poller, found, POLLER_EVENTS_MAX, 0);

	for (int i = 0; i < n; i++) {
		size_t other = chance((uint64_t)i + 1);

		out[i] = out[other];
		out[other] = (struct poller_event) { found[i].data.ptr, translate(found[i].events) };
	}
	return n > 0 ? (size_t)n : 0;
}

size_t
poller_wait(int poller, struct poller_event out[POLLER_EVENTS_MAX], int64_t wait_ms)
{
	int64_t until_us = wait_ms < 0 ? INT64_MAX : world.now_us + wait_ms * MS;
	size_t  n;

	world.loops = true;
	/* What the turn before took; rarely the system has had no processor for the worker. */
	world.now_us += happens(2) ? between(1, 300 * MS) : between(2, 60);
	promise(world.now_us < 3600 * (int64_t)SECOND, "the worker does not come to an end");
	promise(++world.turns < TURNS_MAX, "the worker does not come to an end");
	while ((n = tell(poller, out)) == 0)
		if (!go_on(until_us)) {
			promise(until_us != INT64_MAX, "the worker waits for what never comes");
			break;
		}
	world.idle_turns = n == 0 && wait_ms == 0 ? world.idle_turns + 1 : 0;
	promise(world.idle_turns < IDLE_TURNS_MAX, "the worker spins");
	return n;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int wait_ms);
int __real_poll(struct pollfd *fds, nfds_t n, int wait_ms);

int
__wrap_poll(struct pollfd *fds, nfds_t n, int wait_ms)
{
	int64_t until_us = wait_ms < 0 ? INT64_MAX : world.now_us + wait_ms * (int64_t)MS;
	int     ready;

	promise(!wait_ms || in_thread() || !world.loops, "the loop waits outside its poller");
	while ((ready = __real_poll(fds, n, 0)) == 0 && wait_ms) {
		if (in_thread()) {
			thread_waits(wait_ms * (int64_t)MS);
			break;
		}
		if (!go_on(until_us))
			break;
	}
	return ready;
}

/* ---- front servers' sockets */

int     __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t n, int flags);
ssize_t __real_send(int fd, const void *bytes, size_t n, int flags);
int     __wrap_close(int fd);
int     __real_close(int fd);
int     __wrap_shutdown(int fd, int how);
int     __real_shutdown(int fd, int how);

int
__wrap_accept4(int fd UNUSED, struct sockaddr *address, socklen_t *len, int flags UNUSED)
{
	struct sockaddr_storage from = { .ss_family = AF_UNIX };
	int                     got = front_accept(&from);

	if (got >= 0) {
		memcpy(address, &from, *len < sizeof(from) ? *len : sizeof(from));
		return got;
	}
	errno = -got;
	return -1;
}

ssize_t
__wrap_send(int fd, const void *bytes, size_t n, int flags)
{
	ssize_t taken = __real_send(fd, bytes, n, flags);

	front_sent(fd);
	return taken;
}

int
__wrap_shutdown(int fd, int how)
{
	int status = __real_shutdown(fd, how);

	front_sent(fd);
	return status;
}

int
__wrap_close(int fd)
{
	front_closed(fd);
	return __real_close(fd);
}

/* ---- what a test has no use for */

bool __wrap_db_url_check(const char *key, const char *url, struct buf *err);
int  __wrap_sandbox_lift(enum sandbox_kind kind, int fd);
void __wrap_sandbox_enter(const struct sandbox *s);

bool
__wrap_db_url_check(const char *key UNUSED, const char *url UNUSED, struct buf *err UNUSED)
{
	return true;
}

int
__wrap_sandbox_lift(enum sandbox_kind kind UNUSED, int fd)
{
	return fd;
}

void
__wrap_sandbox_enter(const struct sandbox *s UNUSED)
{
}

/* ---- accounts */

struct fiber *__wrap_fiber_new(void (*work)(void *with), void *with);
struct fiber *__real_fiber_new(void (*work)(void *with), void *with);
void          __wrap_fiber_free(struct fiber *f);
void          __real_fiber_free(struct fiber *f);
struct hand  *__wrap_hand_take(struct hands *h);
struct hand  *__real_hand_take(struct hands *h);
void          __wrap_hand_put(struct hands *all, struct hand *h);
void          __real_hand_put(struct hands *all, struct hand *h);
void          __wrap_conn_open(struct conn *c, struct fcgi *f, const struct peer *peer);
void          __real_conn_open(struct conn *c, struct fcgi *f, const struct peer *peer);
void          __wrap_conn_fini(struct conn *c);
void          __real_conn_fini(struct conn *c);

struct fiber *
__wrap_fiber_new(void (*work)(void *with), void *with)
{
	struct fiber *f = world.scarce && happens(2) ? NULL : __real_fiber_new(work, with);

	account[ACCOUNT_FIBER] += f != NULL;
	return f;
}

void
__wrap_fiber_free(struct fiber *f)
{
	account[ACCOUNT_FIBER]--;
	__real_fiber_free(f);
}

struct hand *
__wrap_hand_take(struct hands *h)
{
	struct hand *taken = __real_hand_take(h);

	account[ACCOUNT_HAND] += taken != NULL;
	return taken;
}

void
__wrap_hand_put(struct hands *all, struct hand *h)
{
	account[ACCOUNT_HAND]--;
	__real_hand_put(all, h);
}

void
__wrap_conn_open(struct conn *c, struct fcgi *f, const struct peer *peer)
{
	account[ACCOUNT_CONN]++;
	__real_conn_open(c, f, peer);
}

void
__wrap_conn_fini(struct conn *c)
{
	account[ACCOUNT_CONN]--;
	__real_conn_fini(c);
}

void
world_ends(void)
{
	while (go_on(INT64_MAX))
		;
}

void
accounts_are_even(void)
{
	static const char *const names[ACCOUNT__COUNT] = {
		[ACCOUNT_FIBER] = "fibers", [ACCOUNT_HAND] = "hands",
		[ACCOUNT_CONN] = "connections of front servers", [ACCOUNT_RESULT] = "results",
		[ACCOUNT_DATABASE] = "connections to the database", [ACCOUNT_WORK] = "threads",
	};

	for (size_t i = 0; i < ACCOUNT__COUNT; i++)
		promise(account[i] == 0, "%lld %s are left over", (long long)account[i], names[i]);
}
