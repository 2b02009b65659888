/* A worker's connection to the database while it waits. */
#include "worker/link.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

enum {
	/* Who asks for room asks so often, so a question that is older has been answered. */
	WANTED_MS = 100,
	/* After connections were lost, or given up for others, for new ones to be there. */
	SETTLE_MS = 500,
	/* Nobody takes more connections than one for so long after somebody had none. */
	LACKED_MS = 2500,
	/* After connections were lost: somebody may lack one, whom no request here would reveal. */
	ALERT_MS = 10 * 1000,
	ALERT_LOOK_MS = 50,
	/* Without a descriptor or memory for one more connection of a front server. */
	PAUSE_MS = 50,
	/* Without a connection: whether others have one by now. */
	ALONE_LOOK_MS = 500,
};

static void
note_change(void *with)
{
	struct link *l = with;
	bool         connected = lanes_connected(l->lanes) > 0;

	word_set(&l->stats->lanes, lanes_connected(l->lanes));
	if (!connected && lanes_trouble(l->lanes) == DB_CONDITION_NO_ROOM)
		word_set(&l->shared->room_lacked_ms, clock_mono_ms());
	app_note_database(l->app);
	if (l->connected && !connected)
		l->lost_ms = clock_mono_ms();
	if (l->connected != connected)
		stats_set_connected(l->shared, l->place, connected);
	l->connected = connected;
}

/* Whether a worker has a connection, or is about to have one for which another gave way. */
static bool
somebody_serves(const struct link *l)
{
	return stats_others_connected(l->shared, l->place)
	    || (db_trouble(app_db(l->app)) == DB_CONDITION_NO_ROOM
	        && clock_mono_ms() - word_get(&l->shared->disconnected_ms) < SETTLE_MS);
}

static bool
may_grow(void *with)
{
	const struct link *l = with;

	return clock_mono_ms() - word_get(&l->shared->room_lacked_ms) > LACKED_MS;
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

static void
count_sent(void *with, unsigned members, bool group)
{
	const struct link *l = with;

	stats_count(&l->stats->event[STATS_EVENT_BATCHES]);
	word_add(&l->stats->event[STATS_EVENT_BATCHED], members);
	if (!group)
		return;
	stats_count(&l->stats->event[STATS_EVENT_GROUPS]);
	word_add(&l->stats->event[STATS_EVENT_GROUPED], members);
}

static void
count_parted(void *with, unsigned members)
{
	const struct link *l = with;

	word_add(&l->stats->event[STATS_EVENT_PARTED], members);
}

bool
link_init(struct link *l, const struct conf *conf, unsigned kind)
{
	l->hooks = (struct lanes_hooks) { note_change, ask_for_room, may_grow, count_sent,
		count_parted, l };
	l->lanes = lanes_new(conf, l->poller, kind, l->most, &l->hooks);
	if (!l->lanes)
		return false;
	lanes_adopt(l->lanes, app_db(l->app));
	return true;
}

/*
 * Of the workers that wait on the socket one is woken for a connection, not all: with 64 of them
 * that alone took two thirds of the throughput.
 */
static void
set_listening(struct link *l, bool listens)
{
	if (listens == l->listens)
		return;
	if (!listens)
		poller_remove(l->poller, l->listen_fd);
	else if (!poller_add(l->poller, l->listen_fd, l->listen_source,
		     POLLER_READ | POLLER_EXCLUSIVE))
		log_error("cannot watch the listening socket: %s", strerror(errno));
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

/* How long the worker may wait at most, when it takes requests. */
static int64_t
patience(struct link *l)
{
	if (!l->connected)
		return ALONE_LOOK_MS;
	if (!l->lost_ms)
		return INT64_MAX;
	if (clock_mono_ms() - l->lost_ms >= ALERT_MS)
		l->lost_ms = 0;
	return ALERT_LOOK_MS;
}

/* Brings the watched descriptors in line; how long the worker may wait for anything else. */
static int64_t
tend(struct link *l, bool has_room)
{
	bool    wanted = l->connected && is_wanted(l);
	int64_t retry_ms;

	if (wanted || (l->connected && !may_grow(l)))
		(void)lanes_give_way(l->lanes, wanted);
	l->aside = !l->connected && somebody_serves(l);
	if (!l->connected)
		lanes_want(l->lanes);
	set_listening(l, !l->aside && has_room);
	retry_ms = lanes_retry_ms(l->lanes);
	if (l->aside)
		return retry_ms;
	return l->connected || patience(l) < retry_ms ? patience(l) : retry_ms;
}

int64_t
link_tend(struct link *l, bool has_room)
{
	int64_t pause = l->pause_ms - clock_mono_ms(), most = tend(l, has_room && pause <= 0);

	return pause > 0 && pause < most ? pause : most;
}

void
link_pause(struct link *l)
{
	l->pause_ms = clock_mono_ms() + PAUSE_MS;
}

void
link_stop(struct link *l)
{
	set_listening(l, false);
}

void
link_fini(struct link *l)
{
	lanes_free(l->lanes);
	stats_set_connected(l->shared, l->place, false);
}
