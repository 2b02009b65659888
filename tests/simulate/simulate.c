/*
 * Runs a worker in a simulated world, a process for each seed.
 *
 *	simulate [--seeds N] [--from S] [--jobs N] [--trace]
 */
#include "base/log.h"
#include "conf/conf.h"
#include "database.h"
#include "front.h"
#include "net/allow.h"
#include "shm/buckets.h"
#include "shm/stats.h"
#include "worker/worker.h"
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What all seeds come to, in memory that their processes share. */
static struct totals {
	_Atomic(uint64_t) seeds, simulated_us, turns, answered, refused, unanswered, rude, replayed, created, retried, statements, commits,
	    rollbacks, groups, grouped, bundled, batches, batched, cancels, faults, deadlocks, locks_timed_out, alone, connections;
} *totals;

static void
set(struct conf *conf, const char *key, int64_t value, const char *unit)
{
	struct buf err;
	char       text[32];

	buf_init(&err, 512);
	snprintf(text, sizeof(text), "%lld%s", (long long)value, unit);
	promise(conf_set(conf, key, text, &err), "%.*s", STR_ARGS(buf_view(&err)));
	buf_fini(&err);
}

static void
tell_to_leave(void *with UNUSED, int64_t n UNUSED)
{
	note("the worker is told to leave");
	front_told();
	raise(SIGTERM);
}

/* Looks whether all has been asked. */
static void
look(void *with, int64_t n)
{
	if (world.over)
		return;
	promise(world.now_us < 1800 * (int64_t)SECOND, "a request never ends: %s", front_stuck());
	if (!front_is_done()) {
		later(50 * MS, look, with, n);
		return;
	}
	database_heals();
	later(between(0, 3 * SECOND), tell_to_leave, NULL, 0);
}

static void
add_totals(void)
{
	struct database_counts *d = &database_counts;
	struct front_counts    *f = &front_counts;

	totals->seeds++;
	totals->simulated_us += (uint64_t)world.now_us;
	totals->turns += world.turns;
	totals->answered += f->answered;
	totals->refused += f->refused;
	totals->unanswered += f->unanswered;
	totals->rude += f->rude;
	totals->replayed += f->replayed;
	totals->created += f->created;
	totals->retried += f->retried;
	totals->statements += d->statements;
	totals->commits += d->commits;
	totals->rollbacks += d->rollbacks;
	totals->groups += d->groups;
	totals->grouped += d->grouped;
	totals->bundled += d->bundled;
	totals->batches += d->batches;
	totals->batched += d->batched;
	totals->cancels += d->cancels;
	totals->faults += d->faults;
	totals->deadlocks += d->deadlocks;
	totals->alone += d->alone;
	totals->locks_timed_out += d->locks_timed_out;
	totals->connections += d->connections;
}

static void
crashed(int signal_number)
{
	broken("the worker", 0, "signal %d", signal_number);
}

static int
run(uint64_t seed, bool trace, bool logs)
{
	static struct allow allow;
	static struct conf  conf;
	struct heritage     h;
	struct buf          err;
	struct front_plan   plan;
	unsigned            intensity;
	int64_t             timeout_ms, lock_ms, statement_ms;
	int                 code;

	world_begin(seed);
	world.trace = trace;
	signal(SIGABRT, crashed);
	signal(SIGSEGV, crashed);
	signal(SIGALRM, crashed);
	alarm(10);
	buf_init(&err, 512);
	log_init("worker", trace && logs ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	if (!(trace && logs) && !log_open("/dev/null", LOG_FORMAT_TEXT, &err))
		return 1;
	conf_init(&conf);
	intensity = happens(350) ? 0 : (unsigned)between(1, 12);
	timeout_ms = between(500, 8000);
	lock_ms = between(50, timeout_ms);
	statement_ms = between(200, timeout_ms);
	set(&conf, "request_timeout", timeout_ms, "ms");
	set(&conf, "lock_timeout", lock_ms, "ms");
	set(&conf, "statement_timeout", intensity ? statement_ms : timeout_ms, "ms");
	set(&conf, "requests_in_hand", happens(700) ? between(16, 128) : between(1, 8), "");
	set(&conf, "auth_cache_ttl", happens(500) ? 1000 : between(0, 1000), "ms");
	set(&conf, "tenant_share", happens(500) ? 100 : between(20, 100), "");
	set(&conf, "max_requests", happens(100) ? between(20, 100) : 0, "");
	promise(allow_parse("127.0.0.1", &allow, &err), "no network");
	plan = (struct front_plan) {
		.connections = (unsigned)(happens(300) ? between(1, 6) : between(6, 48)),
		.asks = (unsigned)between(20, 160),
		.rude = happens(500) ? 0 : (unsigned)between(20, 400),
		.kept = happens(300) ? 0 : happens(600) ? 1000 : (unsigned)between(0, 1000),
		.tcp = happens(300),
		.think_us = happens(500) ? between(50, 2 * MS) : between(1 * MS, 400 * MS),
		.listen_fd = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC),
		.healthy = intensity == 0,
	};
	world.scarce = intensity && happens(300);
	/*
	 * A key that is looked up and a write each have request_timeout, twice when they run again,
	 * and a second to be cancelled in; unless they wait for others to leave their places.
	 */
	if (conf.requests_in_hand >= plan.connections)
		plan.limit_us = (4 * timeout_ms + 3000) * MS;
	note("seed %llu: faults %u, %u connections, %u requests, rude %u, in hand %lld, request_timeout %lld ms, lock_timeout %lld ms",
	    (unsigned long long)seed, intensity, plan.connections, plan.asks, plan.rude, (long long)conf.requests_in_hand,
	    (long long)timeout_ms, (long long)lock_ms);
	heritage_init(&h);
	h.lanes = happens(700) ? 4 : (unsigned)between(1, 4);
	database_begin(intensity, 600 * (int64_t)SECOND, intensity == 0 && h.lanes == 4);
	front_begin(&plan);
	later(50 * MS, look, NULL, 0);
	if (happens(150))
		later(between(0, 4 * SECOND), tell_to_leave, NULL, 0);
	h.conf = &conf;
	h.allow = &allow;
	h.stats = stats_new(1);
	h.buckets = buckets_new();
	h.fd[HERITAGE_LISTEN] = plan.listen_fd;
	code = worker_run(&h);
	promise(code == 0 || !world.loops, "the worker ends with %d", code);
	note("the worker has left");
	world.over = true;
	database_heals();
	world_ends(); /* also what PostgreSQL was sent before its connection ended */
	front_judge();
	database_ends();
	accounts_are_even();
	add_totals();
	return 0;
}

/* One process a seed: what one leaves in memory is nothing to the next. */
static bool
run_all(uint64_t from, uint64_t seeds, uint64_t step, bool trace, bool logs)
{
	for (uint64_t seed = from; seed < from + seeds; seed += step) {
		int   status;
		pid_t child;

		fflush(NULL);
		child = fork();
		if (child == 0)
			_exit(run(seed, trace, logs));
		if (child == -1 || waitpid(child, &status, 0) != child || status != 0)
			return false;
	}
	return true;
}

static void
print_totals(double took_s)
{
	struct totals *t = totals;

#define N(member) (unsigned long long)t->member
	printf("%llu seeds, %.1f hours of simulated time in %.0f s\n", N(seeds), (double)t->simulated_us / 3.6e9, took_s);
	printf("requests: %llu answered (%llu of them refused, %llu replayed, %llu created), %llu asked again, %llu rude, %llu polite without an answer\n",
	    N(answered), N(refused), N(replayed), N(created), N(retried), N(rude), N(unanswered));
	printf("database: %llu statements, %llu commits, %llu rollbacks, %llu in %llu groups (%llu of them bundled), %llu in %llu batches\n", N(statements),
	    N(commits), N(rollbacks), N(grouped), N(groups), N(bundled), N(batched), N(batches));
	printf("faults: %llu, %llu connections, %llu cancellations, %llu locks waited for in vain, %llu deadlocks, %llu commits without the standby; turns: %llu\n", N(faults),
	    N(connections), N(cancels), N(locks_timed_out), N(deadlocks), N(alone), N(turns));
#undef N
}

int
main(int argc, char **argv)
{
	unsigned long long seeds = 1000, from = 1;
	bool               trace = false, logs = false;
	struct timespec    begun, ended;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
			seeds = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--from") == 0 && i + 1 < argc)
			from = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--trace") == 0)
			trace = true;
		else if (strcmp(argv[i], "--log") == 0)
			trace = logs = true;
		else {
			fprintf(stderr, "usage: simulate [--seeds N] [--from SEED] [--trace] [--log]\n");
			return 64;
		}
	}
	totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (totals == MAP_FAILED)
		return 71;
	clock_gettime(CLOCK_MONOTONIC, &begun);
	if (!run_all(from, seeds, 1, trace, logs))
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &ended);
	print_totals((double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
	return 0;
}
