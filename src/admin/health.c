/* Whether the service can do its work. */
#include "admin/health.h"
#include "base/arena.h"
#include "db/db.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	LOOK_EVERY_MS = 2000,
	LOOKS_OF_A_CONNECTION = 3,
	/* After so long no news is bad news: libpq resolves names and cancels without a bound. */
	STALE_MS = 6000,
	STOP_MS = 200,
	FOUND_WHY_BYTES = 512, /* of db_check() */
};

const char *const health_names[HEALTH__COUNT] = {
#define CHECK(name, wire) [HEALTH_##name] = wire,
	HEALTH_CHECKS(CHECK)
#undef CHECK
};

struct health {
	const struct conf *conf;
	pthread_t         thread;
	pthread_mutex_t   lock; /* for all below */
	pthread_cond_t    woken;
	bool              stopping;
	enum db_condition found;
	char              why[FOUND_WHY_BYTES];
	int64_t           looked_ms; /* when it was found; 0: never yet */
};

static struct timespec
after_ms(int64_t ms)
{
	struct timespec when;

	clock_gettime(CLOCK_MONOTONIC, &when);
	when.tv_sec += ms / 1000;
	when.tv_nsec += ms % 1000 * 1000000;
	if (when.tv_nsec >= 1000000000) {
		when.tv_sec++;
		when.tv_nsec -= 1000000000;
	}
	return when;
}

static void *
keep_looking(void *arg)
{
	struct health *h = arg;
	struct db     *db = db_new(h->conf, DB_WATCH);
	bool           stopping = false;

	for (unsigned looks = 1; !stopping; looks++) {
		struct arena      arena;
		struct timespec   next;
		char              why[FOUND_WHY_BYTES] = "";
		enum db_condition found;

		if (looks % LOOKS_OF_A_CONNECTION == 0)
			db_disconnect(db);
		arena_init(&arena);
		found = db_check(db, &arena, why, sizeof(why));
		arena_fini(&arena);

		pthread_mutex_lock(&h->lock);
		h->found = found;
		memcpy(h->why, why, sizeof(why));
		h->looked_ms = clock_mono_ms();
		next = after_ms(LOOK_EVERY_MS);
		while (!h->stopping
		    && pthread_cond_timedwait(&h->woken, &h->lock, &next) != ETIMEDOUT)
			;
		stopping = h->stopping;
		pthread_mutex_unlock(&h->lock);
	}
	db_free(db);
	return NULL;
}

struct health *
health_start(const struct conf *c)
{
	struct health     *h = must_alloc(sizeof(*h));
	pthread_condattr_t monotonic;

	h->conf = c;
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&h->woken, &monotonic);
	pthread_condattr_destroy(&monotonic);
	errno = pthread_create(&h->thread, NULL, keep_looking, h);
	if (errno == 0)
		return h;
	free(h);
	return NULL;
}

/* Which check a condition is a matter of. */
static const enum health_check check_of[DB_CONDITION__COUNT] = {
	[DB_CONDITION_FIT] = HEALTH__COUNT,
	[DB_CONDITION_READ_ONLY] = HEALTH_WRITES,
	[DB_CONDITION_NO_ROOM] = HEALTH_DATABASE,
	[DB_CONDITION_REFUSED] = HEALTH_DATABASE,
	[DB_CONDITION_UNREACHABLE] = HEALTH_DATABASE,
	[DB_CONDITION_UNFIT] = HEALTH_SCHEMA,
};

/* The last look as it counts now; why is said when it is not FIT. */
static enum db_condition
judge(const struct health *h, char *why, size_t size)
{
	int64_t age_ms = clock_mono_ms() - h->looked_ms;

	if (h->looked_ms == 0)
		snprintf(why, size, "it has not been asked yet");
	else if (age_ms > STALE_MS)
		snprintf(why, size, "it has not answered for %jd s", (intmax_t)(age_ms / 1000));
	else {
		snprintf(why, size, "%s", h->why);
		return h->found;
	}
	return DB_CONDITION_UNREACHABLE;
}

void
health_read(struct health *h, struct tally *t, struct health_report *out)
{
	const size_t      size = HEALTH_WHY_BYTES;
	char              why[FOUND_WHY_BYTES];
	enum db_condition found;

	*out = (struct health_report) { .ready = true };
	pthread_mutex_lock(&h->lock);
	found = judge(h, why, sizeof(why));
	pthread_mutex_unlock(&h->lock);
	/* Workers that are in go on, and none is here that has not found the schema fit. */
	if (check_of[found] != HEALTH__COUNT
	    && !((found == DB_CONDITION_NO_ROOM || found == DB_CONDITION_REFUSED)
	        && t->figure[FIGURE_CONNECTED] > 0))
		snprintf(out->why[check_of[found]], size, "%s%s",
		    found == DB_CONDITION_READ_ONLY ? "read-only: " : "", why);
	if (out->why[HEALTH_DATABASE][0]) {
		snprintf(out->why[HEALTH_SCHEMA], size, "unknown without the database");
		snprintf(out->why[HEALTH_WRITES], size, "unknown without the database");
	}
	if (t->figure[FIGURE_SERVING] == 0)
		snprintf(out->why[HEALTH_WORKERS], size, "no worker is serving");
	if (!t->figure[FIGURE_LISTENING])
		snprintf(out->why[HEALTH_SOCKET], size, "the file of the listen socket is gone, or "
			 "another's; the log says more");
	if (t->figure[FIGURE_STOPPING])
		snprintf(out->why[HEALTH_DRAINING], size, "the service is stopping");
	for (size_t i = 0; i < HEALTH__COUNT; i++)
		out->ready = out->ready && !out->why[i][0];
	t->figure[FIGURE_READY] = out->ready;
	t->figure[FIGURE_DATABASE] =
	    found != DB_CONDITION_UNREACHABLE && found != DB_CONDITION_REFUSED;
	t->condition = found;
}

bool
health_stop(struct health *h)
{
	struct timespec until;

	pthread_mutex_lock(&h->lock);
	h->stopping = true;
	pthread_cond_signal(&h->woken);
	pthread_mutex_unlock(&h->lock);
	until = after_ms(STOP_MS);
	if (pthread_clockjoin_np(h->thread, NULL, CLOCK_MONOTONIC, &until) != 0)
		return false;
	pthread_cond_destroy(&h->woken);
	pthread_mutex_destroy(&h->lock);
	free(h);
	return true;
}
