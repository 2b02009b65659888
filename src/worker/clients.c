/* Connections of front servers, and the requests in them. */
#include "worker/clients.h"
#include "base/clock.h"
#include "base/log.h"
#include "call/share.h"
#include "db/lanes.h"
#include "net/allow.h"
#include "worker/reqlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	/* Between two lines of all workers about the same thing, which others can cause at will. */
	LOG_AGAIN_MS = 60 * 1000,
	/* For the database, names, files of libraries, and threads that cancel. */
	SPARE_DESCRIPTORS = 64,
	/* Between two kept connections that are left to other workers. */
	PART_EVERY_MS = 10,
	/* What is gathered of a request, from which on it waits while all have CLIENTS_BYTES. */
	LARGE_BYTES = 128 * 1024,
};

struct client {
	struct conn     conn; /* first: its source is what the poller gives back */
	struct clients *of;
	struct client  *next, **at; /* of all that are open */
	struct client  *next_waiting;
	struct hand    *hand;    /* the request in hand */
	bool            gone;    /* the other end has left */
	bool            half;    /* it sends no more, so the connection is not kept */
	bool            pending; /* something may be there to read that no event will tell */
	bool            queued;  /* it is in the list of those that wait for a place */
	bool            large;   /* it waits for room for more of what is gathered of it */
	bool            writes;  /* the poller tells when there is room */
	size_t          bytes;   /* that are counted in its clients' */
};

void
clients_init(struct clients *c)
{
	struct rlimit descriptors;

	c->most = SIZE_MAX;
	if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur != RLIM_INFINITY)
		c->most = descriptors.rlim_cur > 2 * SPARE_DESCRIPTORS
		    ? (size_t)descriptors.rlim_cur - SPARE_DESCRIPTORS : SPARE_DESCRIPTORS;
	c->waiting_end = &c->waiting;
	c->next_ms = INT64_MAX;
	hands_init(&c->hands, (size_t)c->h->conf->requests_in_hand);
}

/* ---- one connection ---- */

static void
open_client(struct clients *all, const struct peer *peer)
{
	struct client *c = must_alloc(sizeof(*c));

	conn_open(&c->conn, all->fcgi, peer);
	c->conn.source.kind = all->kind;
	c->of = all;
	c->next = all->first;
	c->at = &all->first;
	if (c->next)
		c->next->at = &c->next;
	all->first = c;
	all->count++;
	stats_add_client(all->stats, all->h->stats->shared, 1);
	if (c->conn.deadline_ms < all->next_ms)
		all->next_ms = c->conn.deadline_ms;
	if (!poller_add(all->poller, peer->fd, &c->conn.source,
		POLLER_READ | POLLER_LEFT | POLLER_EDGE)) {
		log_error("cannot watch a connection: %s", strerror(errno));
		conn_close(&c->conn);
	}
}

static void
count_bytes(struct client *c)
{
	size_t now = conn_bytes(&c->conn);

	c->of->bytes += now - c->bytes;
	c->bytes = now;
}

/* Once its connection is closed. It may still be among this turn's events, so it is freed later. */
static void
retire(struct client *c)
{
	struct clients *all = c->of;

	if (all->growing == c)
		all->growing = NULL;
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	all->count--;
	stats_add_client(all->stats, all->h->stats->shared, -1);
	all->bytes -= c->bytes;
	c->next = all->ended;
	all->ended = c;
}

/* What it has to read is read once there is a place for a request. */
static void
wait_for_place(struct client *c)
{
	struct clients *all = c->of;

	if (c->queued)
		return;
	c->queued = true;
	all->waiting_count++;
	c->next_waiting = NULL;
	*all->waiting_end = c;
	all->waiting_end = &c->next_waiting;
}

/* After its connection has changed its state. */
static void
follow(struct client *c)
{
	struct clients *all = c->of;
	bool            writes = c->conn.state == CONN_WRITING;

	count_bytes(c);
	if (c->conn.state == CONN_CLOSED) {
		retire(c);
		return;
	}
	if (writes != c->writes
	    && !poller_change(all->poller, c->conn.peer.fd, &c->conn.source,
		   POLLER_READ | POLLER_LEFT | POLLER_EDGE | (writes ? POLLER_WRITE : 0)))
		log_error("cannot watch a connection: %s", strerror(errno));
	c->writes = writes;
	if (c->conn.deadline_ms < all->next_ms)
		all->next_ms = c->conn.deadline_ms;
	if (c->conn.state == CONN_READING && c->pending)
		wait_for_place(c);
}

/* ---- one request ---- */

/* How many there are in hand, for the scoreboard. */
static void
note_taken(const struct clients *all)
{
	uint32_t before = word_get(&all->stats->in_hand), now = (uint32_t)all->hands.taken;

	word_set(&all->stats->in_hand, now);
	if (!before != !now)
		stats_enter(all->stats, now ? STATS_STATE_HANDLING : STATS_STATE_IDLE);
}

/* So many requests wait in kept connections that as many in the listen queue would be too many. */
static bool
is_crowded(const struct clients *all)
{
	const struct conf *conf = all->h->conf;

	return conf->queue_shed
	    && (int64_t)all->waiting_count * 100 >= conf->listen_backlog * conf->queue_shed;
}

/* Why a request is not to be begun, as a sentence for its sender, or NULL. */
static const char *
why_refused(struct clients *all, const struct request *req)
{
	const struct conf *conf = all->h->conf;
	struct stats_slot *stats = all->stats;

	/* Times of another host's clock are good enough to look at, not to act on. */
	if (conf->queue_timeout_ms && req->peer->same_host
	    && req->queue_us > conf->queue_timeout_ms * 1000) {
		stats_count(&stats->event[STATS_EVENT_EXPIRED]);
		if (queue_turn(&all->h->stats->shared->logged_expired_ms, LOG_AGAIN_MS))
			log_warn("refusing requests with 503: they have waited longer than "
				 "queue_timeout (%lld ms)", (long long)conf->queue_timeout_ms);
		return "The request has waited too long for its turn. Nothing was done; try again.";
	}
	if (is_crowded(all)) {
		if (queue_turn(&all->h->stats->shared->logged_crowded_ms, LOG_AGAIN_MS))
			log_warn("refusing requests with 503: %zu wait in kept connections of this "
				 "worker", all->waiting_count);
	} else if (!queue_sheds(all->queue, conf->queue_shed, req->waited)) {
		return NULL;
	}
	stats_count(&stats->event[STATS_EVENT_SHED]);
	return "The service has more requests than it can answer. Nothing was done; try again.";
}

static void
count_answer(struct stats_slot *stats, const struct facts *facts, int status, int64_t took_us)
{
	stats_count(&stats->requests);
	stats_count(&stats->answered[facts->route][status / 100 % STATS_CLASSES]);
	stats_observe(&stats->took[facts->route], took_us);
	if (facts->db_trips) {
		stats_observe(&stats->database, facts->db_us);
		stats_observe(&stats->lane, facts->lane_us);
	}
	if (facts->replayed)
		stats_count(&stats->event[STATS_EVENT_REPLAYED]);
	if (facts->over_share)
		stats_count(&stats->event[STATS_EVENT_OVER_SHARE]);
	if (facts->evicted)
		stats_count(&stats->event[STATS_EVENT_EVICTED]);
	if (facts->error == ERR_RATE_LIMITED && !facts->over_share)
		stats_count(&stats->event[STATS_EVENT_LIMITED]);
	word_set(&stats->last_route, facts->route);
	word_set(&stats->last_status, (uint32_t)status);
	word_set(&stats->last_us, took_us);
}

/* What is left of a request: figures, and a line in the log. */
static void
record(struct clients *all, const struct hand *h)
{
	struct stats_slot  *stats = all->stats;
	const struct facts *facts = &h->facts;
	int64_t             took_us = clock_mono_us() - h->begun_us;

	if (facts->left)
		stats_count(&stats->event[STATS_EVENT_CANCELLED]);
	else
		count_answer(stats, facts, h->res.status, took_us);
	if (facts->over_share && queue_turn(&all->h->stats->shared->logged_share_ms, LOG_AGAIN_MS))
		log_warn("refusing requests with 429: their environment has its share of the "
			 "workers (tenant_share) while others want some");
	if (reqlog_write(all->h->conf, &h->req, &h->res, facts, took_us))
		stats_count(&stats->event[STATS_EVENT_SLOW]);
}

/*
 * Whether a connection may be kept. One now and then is not while other workers have clearly fewer,
 * as after the start of a new one: the front server makes another one then, which that one takes.
 */
static bool
may_keep(struct clients *all)
{
	int64_t now;

	if (all->left <= 1 || all->leaving)
		return false;
	if (!stats_is_crowded(all->stats, all->h->stats->shared))
		return true;
	now = clock_mono_ms();
	if (now - all->parted_ms < PART_EVERY_MS)
		return true;
	all->parted_ms = now;
	return false;
}

/* On the request's fiber. */
static void
answer(struct hand *h)
{
	struct client  *c = h->client;
	struct clients *all = c->of;

	app_handle(all->app, h->db, &h->req, &h->res, &h->facts);
	h->facts.left |= c->gone;
	if (h->facts.left)
		conn_close(&c->conn);
	else {
		/* Before: whoever has the answer finds the request. */
		reqlog_keep(all->h->requests, &h->req, &h->res, &h->facts,
		    clock_mono_us() - h->begun_us);
		conn_answer(&c->conn, &h->res, may_keep(all) && !c->half);
	}
	record(all, h);
	c->hand = NULL;
	follow(c);
	stats_done(all->stats, h->number);
	app_after(all->app);
	if (all->left > 0)
		all->left--;
	h->next = all->done;
	all->done = h;
}

static void
begin(struct client *c, struct hand *h)
{
	struct clients    *all = c->of;
	struct stats_slot *stats = all->stats;

	if (c->conn.reused)
		stats_count(&stats->event[STATS_EVENT_REUSED]);
	if (h->req.queue_us >= 0)
		stats_observe(&stats->queued, h->req.queue_us);
	h->req.waited = all->waited;
	h->req.hand = h->number;
	h->req.since_ms = h->begun_us / 1000;
	stats_do(stats, h->number, h->req.since_ms, STATS_NO_ROUTE, STR(""));
	note_taken(all);
	h->req.refused = why_refused(all, &h->req);
	h->client = c;
	h->work = answer;
	h->db = db_share(app_db(all->app), &h->arena);
	c->hand = h;
	if (hand_begin(h))
		return;
	log_error("no memory for the stack of a request");
	conn_close(&c->conn);
	c->hand = NULL;
	retire(c);
	stats_done(stats, h->number);
	hand_put(&all->hands, h);
	note_taken(all);
}

/* ---- reading ---- */

/*
 * Whether there is no room for more of a large request. One of them always has some: else all that
 * is gathered could be of requests none of which comes to its end.
 */
static bool
must_wait(struct client *c)
{
	struct clients *all = c->of;

	if (c->bytes < LARGE_BYTES || all->bytes < CLIENTS_BYTES)
		return false;
	if (!all->growing)
		all->growing = c;
	return all->growing != c;
}

static void
read_client(struct client *c)
{
	struct clients *all = c->of;
	struct hand    *h;
	enum conn_read  got;

	c->large = must_wait(c);
	if (c->large && c->gone) {
		log_debug("dropping a part of a request: its sender has left");
		stats_count(&all->stats->event[STATS_EVENT_USELESS]);
		conn_close(&c->conn);
		follow(c);
		return;
	}
	h = c->large ? NULL : hand_take(&all->hands);
	if (!h) {
		wait_for_place(c);
		return;
	}
	c->pending = false;
	h->begun_us = clock_mono_us();
	got = conn_read(&c->conn, &h->req);
	if (got != CONN_MORE && all->growing == c)
		all->growing = NULL;
	if (got == CONN_REQUEST && !c->gone) {
		begin(c, h);
		return;
	}
	hand_put(&all->hands, h);
	if (got == CONN_REQUEST) {
		log_debug("dropping a request: its sender has left");
		stats_count(&all->stats->event[STATS_EVENT_ABANDONED]);
		conn_close(&c->conn);
	} else if (got == CONN_USELESS) {
		log_debug("a connection without a request");
		stats_count(&all->stats->event[STATS_EVENT_USELESS]);
	}
	follow(c);
}

void
clients_event(struct clients *all, struct source *source, unsigned is)
{
	struct client *c = (struct client *)source;

	(void)all;
	c->half |= (is & POLLER_LEFT) != 0;
	c->gone |= is & POLLER_ENDED || (is & POLLER_LEFT && c->conn.peer.leaves);
	switch (c->conn.state) {
	case CONN_READING:
		read_client(c);
		break;
	case CONN_RUNNING:
		c->pending |= (is & POLLER_READ) != 0;
		if (c->gone && c->hand)
			lanes_left(c->hand->db);
		break;
	case CONN_WRITING:
	case CONN_ENDING:
		c->pending |= (is & POLLER_READ) != 0;
		conn_go_on(&c->conn);
		follow(c);
		break;
	case CONN_CLOSED:
		break; /* earlier in this turn */
	}
}

bool
clients_has_room(struct clients *all)
{
	int64_t now;

	if (all->hands.taken == all->hands.max || all->waiting || all->bytes >= CLIENTS_BYTES
	    || all->count >= all->most)
		return false;
	if (!stats_is_crowded(all->stats, all->h->stats->shared)) {
		all->yielded_ms = 0;
		return true;
	}
	now = clock_mono_ms();
	if (!all->yielded_ms)
		all->yielded_ms = now;
	if (now - all->yielded_ms < CLIENTS_YIELD_MS)
		return false;
	all->yielded_ms = 0; /* for one turn */
	return true;
}

bool
clients_accept(struct clients *all)
{
	struct sockaddr_storage address;
	socklen_t               len = sizeof(address);
	struct peer             peer;
	int fd = accept4(all->h->fd[HERITAGE_LISTEN], (struct sockaddr *)&address, &len,
	    SOCK_CLOEXEC);

	if (fd == -1 && errno == ECONNABORTED)
		return true;
	if (fd == -1 && errno == EAGAIN)
		return false;
	if (fd == -1) {
		/* EMFILE and its kin pass; the connection stays in the queue. */
		log_error("accept: %s", strerror(errno));
		all->choked = true;
		return false;
	}
	if (!allow_has(all->h->allow, &address)) {
		if (queue_turn(&all->h->stats->shared->logged_stranger_ms, LOG_AGAIN_MS))
			log_warn("refusing connections: their addresses are not in listen_allow");
		stats_count(&all->stats->event[STATS_EVENT_USELESS]);
		close(fd);
		return true;
	}
	stats_count(&all->stats->event[STATS_EVENT_ACCEPTED]);
	peer_init(&peer, fd, &address);
	open_client(all, &peer);
	/* It may have waited for long, and no event will tell what was before it was watched. */
	all->first->gone = peer_has_left(&peer);
	if (all->first->conn.state == CONN_CLOSED)
		retire(all->first);
	else
		read_client(all->first);
	return true;
}

/* ---- a turn ---- */

bool
clients_settle(struct clients *all)
{
	struct hand *h;
	bool         more = false;

	while ((h = all->done)) {
		all->done = h->next;
		hand_put(&all->hands, h);
		note_taken(all);
	}
	for (size_t n = all->waiting_count; n > 0 && all->hands.taken < all->hands.max; n--) {
		struct client *c = all->waiting;

		all->waiting = c->next_waiting;
		if (!all->waiting)
			all->waiting_end = &all->waiting;
		c->queued = false;
		all->waiting_count--;
		if (c->conn.state == CONN_READING) {
			read_client(c);
			more |= !c->queued;
		}
	}
	for (struct client **at = &all->ended; *at;) {
		struct client *c = *at;

		if (c->queued) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		conn_fini(&c->conn);
		free(c);
	}
	return more;
}

/* While all places are taken: a tenant that has more than its share of them gives one up. */
static int64_t
make_room(struct clients *all, int64_t now_ms)
{
	int place;

	if (all->hands.taken < all->hands.max)
		return INT64_MAX;
	if (now_ms - all->made_room_ms >= SHARE_HELD_MS / 3) {
		all->made_room_ms = now_ms;
		place = share_overstayer(all->share, now_ms);
		if (place != -1)
			lanes_cut(all->hands.all[place]->db);
	}
	return now_ms + SHARE_HELD_MS / 3;
}

int64_t
clients_tick(struct clients *all, int64_t now_ms)
{
	int64_t next = INT64_MAX, room_ms = make_room(all, now_ms);

	if (now_ms < all->next_ms)
		return all->next_ms < room_ms ? all->next_ms : room_ms;
	for (struct client *c = all->first, *following; c; c = following) {
		following = c->next;
		if (c->queued && !c->large)
			continue; /* it is the worker that is late */
		if (conn_late(&c->conn, now_ms)) {
			log_debug("a connection without a request");
			stats_count(&all->stats->event[STATS_EVENT_USELESS]);
		}
		if (c->conn.state == CONN_CLOSED && !c->hand)
			retire(c);
		else if (c->conn.deadline_ms < next)
			next = c->conn.deadline_ms;
	}
	all->next_ms = next;
	return next < room_ms ? next : room_ms;
}

void
clients_leave(struct clients *all)
{
	all->leaving = true;
}

void
clients_close_idle(struct clients *all)
{
	for (struct client *c = all->first, *following; c; c = following) {
		following = c->next;
		if (c->conn.state != CONN_READING || c->conn.begun || c->queued)
			continue;
		conn_close(&c->conn);
		retire(c);
	}
}

bool
clients_busy(const struct clients *all)
{
	return all->hands.taken > 0;
}

void
clients_fini(struct clients *all)
{
	while (all->first) {
		conn_close(&all->first->conn);
		retire(all->first);
	}
	for (struct client *c = all->ended; c; c = c->next)
		c->queued = false;
	clients_settle(all);
	hands_fini(&all->hands);
}
