/* A worker's connection to the database while it waits. */
#include "worker/link.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum {
	/* Who asks for room asks so often, so a question that is older has been answered. */
	WANTED_MS = 100,
	/* After connections were lost, or given up for others, for new ones to be there. */
	SETTLE_MS = 500,
	/* After connections were lost: somebody may lack one, whom no request here would reveal. */
	ALERT_MS = 10 * 1000,
	ALERT_LOOK_MS = 50,
	/* Without a connection: whether others have one by now. */
	ALONE_LOOK_MS = 500,
};

static void
note_change(void *with, bool connected)
{
	const struct link *l = with;

	stats_set_connected(l->shared, l->place, connected);
}

/* Whether a worker has a connection, or is about to have one for which another gave way. */
static bool
somebody_serves(const struct link *l)
{
	return stats_others_connected(l->shared, l->place)
	    || (db_trouble(app_db(l->app)) == DB_CONDITION_NO_ROOM
	        && clock_mono_ms() - word_get(&l->shared->disconnected_ms) < SETTLE_MS);
}

/* For a transaction in hand. */
static bool
ask_for_room(void *with)
{
	const struct link *l = with;
	int64_t            now = clock_mono_ms();

	/* Not at each look: the one who gives way needs a moment for it. */
	if (now - word_get(&l->shared->room_wanted_ms) >= WANTED_MS)
		word_set(&l->shared->room_wanted_ms, now);
	return somebody_serves(l);
}

void
link_init(struct link *l)
{
	l->epoch = db_epoch(app_db(l->app)) - 1;
	l->hooks = (struct db_hooks) { note_change, ask_for_room, l };
	db_set_hooks(app_db(l->app), &l->hooks);
}

static void
watch(const struct link *l, int operation, int fd, uint32_t events, uint32_t tag)
{
	struct epoll_event event = { .events = events, .data.u32 = tag };

	if (epoll_ctl(l->epoll_fd, operation, fd, &event) == -1 && errno != EEXIST)
		log_error("cannot watch a descriptor: %s", strerror(errno));
}

/*
 * Of the workers that wait on the socket one is woken for a connection, not all: with 64 of them
 * that alone took two thirds of the throughput.
 */
static void
set_listening(struct link *l, bool listens)
{
	if (listens != l->listens)
		watch(l, listens ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, l->listen_fd,
		    EPOLLIN | EPOLLEXCLUSIVE, l->listen_tag);
	l->listens = listens;
}

/* Whether a worker with a request wants the room of this one. The first to see it takes it. */
static bool
is_wanted(struct link *l)
{
	int64_t since = word_get(&l->shared->room_wanted_ms);

	return since && atomic_compare_exchange_strong(&l->shared->room_wanted_ms, &since, 0)
	    && clock_mono_ms() - since < WANTED_MS;
}

/* After a change: the descriptor is another one, which knows nothing of this epoll. */
static void
follow(struct link *l)
{
	struct db *db = app_db(l->app);

	l->epoch = db_epoch(db);
	app_note_database(l->app);
	if (db_is_connected(db))
		watch(l, EPOLL_CTL_ADD, db_socket(db), EPOLLIN, l->database_tag);
}

/* How long the worker may wait at most, when it takes requests. */
static int64_t
patience(struct link *l)
{
	if (!db_is_connected(app_db(l->app)))
		return ALONE_LOOK_MS;
	if (!l->lost_ms)
		return INT64_MAX;
	if (clock_mono_ms() - l->lost_ms >= ALERT_MS)
		l->lost_ms = 0;
	return ALERT_LOOK_MS;
}

int64_t
link_tend(struct link *l)
{
	struct db *db = app_db(l->app);
	bool       aside;

	if (db_is_connected(db) && is_wanted(l))
		db_give_way(db);
	/* Connecting may take seconds, so it is not tried while requests wait for this worker. */
	aside = !db_is_connected(db) && somebody_serves(l) && !db_connect(db);
	if (l->epoch != db_epoch(db))
		follow(l);
	set_listening(l, !aside);
	if (!aside)
		return patience(l);
	app_note_database(l->app); /* the reason may be another one now */
	return db_retry_ms(db);
}

void
link_look(struct link *l)
{
	if (db_look(app_db(l->app)))
		return;
	l->lost_ms = clock_mono_ms();
	(void)db_connect(app_db(l->app));
	app_note_database(l->app);
}

void
link_fini(struct link *l)
{
	db_set_hooks(app_db(l->app), NULL);
	stats_set_connected(l->shared, l->place, false);
}
