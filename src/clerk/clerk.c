/* The clerk's loop: which job is due, and what came of it. */
#include "clerk/clerk.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/told.h"
#include "clerk/job.h"
#include "guard/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
	FAILED_MAX_MS = 60 * 1000, /* before a job that failed is tried again */
	ASIDE_MAX_MS = 1000,       /* after a thing that was set aside, before the next one */
	UNFIT_MAX_MS = 10 * 1000,  /* before a database that is not fit is looked at again */
	LOG_AGAIN_MS = 60 * 1000,  /* between two lines of a job about the same thing */
	WHY_BYTES = 512,           /* of db_check() */
	OTHERS_MAX = 8,            /* so that it goes on, however busy the database is */
};

/* Where a job stands. */
struct work {
	int64_t due_ms;
	int64_t backoff_ms;      /* the last pause after a failure; 0: it did not fail */
	int64_t behind_since_wall_ms; /* 0: it is not */
	int64_t mark;            /* of struct turn */
	unsigned alone;
	int64_t done;            /* since the last line of the log */
	int64_t told_ms;         /* when that was; 0: never */
	int64_t complained_ms;   /* the same for a failure */
};

struct clerk {
	const struct conf  *conf;
	struct stats_clerk *stats;
	struct db          *db;
	struct arena        arena;
	struct work         work[STATS_JOB__COUNT];
	int                 signal_fd, lifeline_fd;
	unsigned            epoch;       /* db_epoch() when the database was found fit */
	int64_t             look_ms;     /* when one that was not fit is to be looked at again */
	int64_t             look_pause_ms;
	char                why[WHY_BYTES]; /* what the log has about that */
};

/* Half the interval to one and a half, so that the turns of several clerks do not coincide. */
static int64_t
about(int64_t ms)
{
	unsigned char jitter;

	hash_random(&jitter, sizeof(jitter));
	return ms / 2 + ms * jitter / 256;
}

/* ---- whether the database will do */

static void
note_database(const struct clerk *c)
{
	word_set(&c->stats->db, db_is_connected(c->db) ? STATS_DB_CONNECTED
	    : db_trouble(c->db) == DB_CONDITION_NO_ROOM ? STATS_DB_NO_ROOM : STATS_DB_AWAY);
}

/* Of a database that cannot be reached the log has a line already. */
static void
find_unfit(struct clerk *c, enum db_condition found, const char *why)
{
	bool told = strcmp(c->why, why) == 0;

	c->look_pause_ms = backoff_after(c->look_pause_ms, UNFIT_MAX_MS);
	c->look_ms = clock_mono_ms() + c->look_pause_ms;
	if (!told && (found == DB_CONDITION_UNFIT || found == DB_CONDITION_READ_ONLY))
		log_error("nothing is done for now: %s", why);
	memcpy(c->why, why, sizeof(c->why));
	db_disconnect(c->db); /* settings of roles count from the next connection on */
}

/* Each connection is looked at once: it may lead to another server, or have another schema. */
static bool
is_fit(struct clerk *c)
{
	char              why[WHY_BYTES] = "";
	enum db_condition found;

	if (clock_mono_ms() < c->look_ms || !db_connect(c->db))
		return false;
	if (c->epoch == db_epoch(c->db))
		return true;
	found = db_check(c->db, &c->arena, why, sizeof(why));
	arena_reset(&c->arena);
	if (found != DB_CONDITION_FIT) {
		find_unfit(c, found, why);
		return false;
	}
	c->epoch = db_epoch(c->db);
	c->look_ms = c->look_pause_ms = 0;
	c->why[0] = '\0';
	return true;
}

/* ---- one step of a job */

static void
tell(struct work *w, enum stats_job job)
{
	int64_t now = clock_mono_ms();

	if (w->done == 0 || (w->told_ms && now - w->told_ms < LOG_AGAIN_MS))
		return;
	log_info("%s: %jd", stats_job_whats[job], (intmax_t)w->done);
	w->told_ms = now;
	w->done = 0;
}

/*
 * After a full step the next one may follow at once, but what is late already can wait: the clerk
 * takes no more of the database than each of the others that it is busy with.
 */
static int64_t
pause_after(enum stats_job job, const struct turn *t, int64_t spent_us)
{
	int64_t others = t->others < OTHERS_MAX ? t->others : OTHERS_MAX;

	return t->full ? jobs[job].again_ms + others * spent_us / 1000 : about(jobs[job].every_ms);
}

static void
take_result(struct clerk *c, enum stats_job job, const struct turn *t, int64_t spent_us)
{
	struct work *w = &c->work[job];

	/* When all things fail, and not this one alone, that is seen one by one. */
	w->backoff_ms = t->failed ? backoff_after(w->backoff_ms, ASIDE_MAX_MS) : 0;
	w->due_ms = clock_mono_ms() + pause_after(job, t, spent_us) + w->backoff_ms;
	w->behind_since_wall_ms = t->behind_ms > 0 ? clock_wall_ms() - t->behind_ms : 0;
	w->done += t->done;
	word_add(&c->stats->done[job], (uint64_t)t->done);
	word_add(&c->stats->failed[job], (uint64_t)t->failed);
	if (t->looked)
		word_set(&c->stats->set_aside, t->aside);
	if (!t->full)
		tell(w, job);
}

/* A database that is away has its own line. */
static void
take_failure(struct clerk *c, enum stats_job job, const struct turn *t)
{
	struct work *w = &c->work[job];
	int64_t      now = clock_mono_ms();

	stats_count(&c->stats->failed[job]);
	/* The next step is about something else if it begins elsewhere. */
	if (t->mark != w->mark)
		w->backoff_ms = 0;
	w->backoff_ms = backoff_after(w->backoff_ms, FAILED_MAX_MS);
	if (w->behind_since_wall_ms == 0)
		w->behind_since_wall_ms = clock_wall_ms();
	w->due_ms = now + w->backoff_ms;
	if (db_is_connected(c->db)
	    && (w->complained_ms == 0 || now - w->complained_ms >= LOG_AGAIN_MS)) {
		log_error("no %s for now: %s", stats_job_whats[job], t->log);
		w->complained_ms = now;
	}
}

static void
step(struct clerk *c, enum stats_job job)
{
	struct turn t = {
		.db = c->db,
		.arena = &c->arena,
		.conf = c->conf,
		.mark = c->work[job].mark,
		.alone = c->work[job].alone,
	};
	int64_t begun_us = clock_mono_us();

	if (jobs[job].step(&t))
		take_result(c, job, &t, clock_mono_us() - begun_us);
	else
		take_failure(c, job, &t);
	c->work[job].mark = t.mark;
	c->work[job].alone = t.alone;
	arena_reset(&c->arena);
}

/* ---- the loop */

/* Since when something has been due, for the scoreboard: also what could not be tried. */
static void
show(const struct clerk *c)
{
	int64_t now = clock_mono_ms(), wall = clock_wall_ms(), since = 0;

	for (size_t i = 0; i < STATS_JOB__COUNT; i++) {
		const struct work *w = &c->work[i];
		int64_t            own = w->behind_since_wall_ms;

		if (own == 0 && w->due_ms < now)
			own = wall - (now - w->due_ms);
		if (own != 0 && (since == 0 || own < since))
			since = own;
	}
	word_set(&c->stats->behind_since_wall_ms, since);
	note_database(c);
}

static int64_t
next_due_ms(const struct clerk *c)
{
	int64_t due = INT64_MAX;

	for (size_t i = 0; i < STATS_JOB__COUNT; i++)
		due = c->work[i].due_ms < due ? c->work[i].due_ms : due;
	return due;
}

/*
 * One step of each job that is due, so that none waits for the end of another. A connection that
 * was lost is made again before it is needed.
 */
static void
work(struct clerk *c)
{
	for (size_t i = 0; i < STATS_JOB__COUNT && is_fit(c); i++)
		if (clock_mono_ms() >= c->work[i].due_ms)
			step(c, (enum stats_job)i);
	show(c);
}

/* The ms until there may be something to do. */
static int64_t
patience(const struct clerk *c)
{
	int64_t now = clock_mono_ms();
	int64_t until = db_is_connected(c->db) ? next_due_ms(c) : now + db_retry_ms(c->db);

	until = c->look_ms > until ? c->look_ms : until;
	return until > now ? until - now : 0;
}

/* False when it is time to leave. */
static bool
wait_for_work(struct clerk *c)
{
	struct pollfd fds[] = {
		{ .fd = c->signal_fd, .events = POLLIN },
		{ .fd = c->lifeline_fd, .events = POLLIN },
		{ .fd = db_socket(c->db), .events = POLLIN },
	};
	int64_t ms = patience(c);

	poll(fds, COUNTOF(fds), ms < INT32_MAX ? (int)ms : INT32_MAX);
	if (fds[1].revents || !told_stay(c->signal_fd))
		return false;
	if (fds[2].revents)
		(void)db_look(c->db);
	return true;
}

static void
loop(struct clerk *c)
{
	int64_t now = clock_mono_ms();

	for (size_t i = 0; i < STATS_JOB__COUNT; i++)
		c->work[i].due_ms = now + 1;
	c->epoch = db_epoch(c->db) - 1;
	do
		work(c);
	while (wait_for_work(c));
	for (size_t i = 0; i < STATS_JOB__COUNT; i++) {
		c->work[i].told_ms = 0;
		tell(&c->work[i], (enum stats_job)i);
	}
}

/* Whoever has a socket says what the sandbox lacks. */
static void
confine(const struct heritage *h)
{
	static _Atomic(uint32_t) logged = 1;

	sandbox_enter(&(struct sandbox) {
	    .kind = SANDBOX_CLERK,
	    .conf = h->conf,
	    .listen_fd = -1,
	    .refused = &h->stats->clerk->refused,
	    .logged = &logged,
	});
}

int
clerk_run(const struct heritage *h)
{
	struct clerk c = {
		.conf = h->conf,
		.stats = h->stats->clerk,
		.signal_fd = told_open(true),
		.lifeline_fd = h->fd[HERITAGE_LIFELINE],
	};

	if (c.signal_fd == -1) {
		log_error("cannot start: %s", strerror(errno));
		return EXIT_OS;
	}
	stats_begin_clerk(c.stats);
	arena_init(&c.arena);
	c.db = db_new(c.conf, DB_CLERK);
	(void)db_connect(c.db); /* libraries load what they need for it */
	note_database(&c);
	confine(h);
	loop(&c);
	db_free(c.db);
	arena_fini(&c.arena);
	close(c.signal_fd);
	return 0;
}
