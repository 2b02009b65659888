/* Lanes: the connections of a worker that holds many requests at once. */
#include "db/lanes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/offload.h"
#include "base/sort.h"
#include "db/bundle.h"
#include "db/lane.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	/* A request's wait for the connection of another worker, and between its tries. */
	ROOM_WAIT_MS = 5000,
	ROOM_LOOK_MS = 20,
	ALERT_MS = 1000, /* after a loss, other connections are looked at before they are used */
};

const char *const lane_class_names[LANE__CLASSES] = { "read", "slow", "write" };

/* The first one is connected before all others. */
static const enum lane_class classes[LANES] = { LANE_READ, LANE_WRITE, LANE_SLOW, LANE_WRITE };

enum seat_state {
	SEAT_CLOSED,
	SEAT_CONNECTING,
	SEAT_IDLE,
	SEAT_BUSY,
	SEAT_CANCELLING, /* idle, but a cancellation may still be under way */
	SEAT_ENDING,     /* to be closed once it is: a pooler forgets it with the connection */
};

/* A lane's place. */
struct seat {
	struct source   source; /* first: what the poller gives back */
	struct lanes   *lanes;
	enum lane_class class;
	enum seat_state state;
	struct lane     lane;
	struct lane    *coming;  /* that a thread connects */
	struct offload *work;    /* connecting or cancelling; NULL: neither */
	int64_t         work_ms; /* when that began */
	struct wait    *first;   /* the batch, in the order in which it was sent */
	struct wait    *reader;  /* whose answers come next */
	unsigned        members;
	int64_t         begun_ms; /* of the batch */
	bool            held;    /* members send, and it leaves when all have */
	bool            broken;  /* the connection is of no more use */
	bool            blocked; /* not all was sent; the poller tells when there is room */
	bool            failed;  /* a member of the group did */
	bool            has_more; /* members have something to send once they have read, */
	unsigned        met;     /* and so many have */
	bool            sends_more;
	enum group_end  group;
	struct bind     locks;   /* of the group */
};

struct waits {
	struct wait *first, **end;
	size_t       length;
};

struct lanes {
	const struct conf        *conf;
	int                       poller;
	const struct lanes_hooks *hooks;
	struct source             wake_source;
	int                       wake_fd; /* of threads that are done */
	unsigned                  count; /* of seats */
	struct seat               seat[LANES];
	struct waits              queue[LANE__CLASSES];
	unsigned                  connected;
	struct seat              *last;    /* that could not be connected, or was given up */
	int64_t                   next_ms; /* of lanes_tick() */
	bool                      warm;    /* a connection for writes was made beforehand */
	int64_t                   lost_ms; /* when a connection was last lost; 0: never */
	uint64_t                  last_tenant; /* of the last transaction, */
	int64_t                   mixed_ms; /* and when it was another one than before; 0: never */
	uint64_t                  served;   /* the tenant that the SLOW lane served last */
};

/* ---- waits ---- */

static void
append(struct waits *q, struct wait *w)
{
	w->next = NULL;
	*q->end = w;
	q->end = &w->next;
	q->length++;
}

/* Takes out what *at points to. */
static struct wait *
take_at(struct waits *q, struct wait **at)
{
	struct wait *w = *at;

	*at = w->next;
	if (!*at)
		q->end = at;
	q->length--;
	return w;
}

static void
take_out(struct waits *q, const struct wait *w)
{
	for (struct wait **at = &q->first; *at; at = &(*at)->next)
		if (*at == w) {
			take_at(q, at);
			return;
		}
}

/* The fiber goes on, and finds that it gets no lane. */
static void
refuse(struct wait *w)
{
	w->state = WAIT_REFUSED;
	fiber_resume(w->fiber);
}

/* ---- seats ---- */

static bool
is_connected(const struct seat *s)
{
	return s->state >= SEAT_IDLE && s->state != SEAT_ENDING;
}

static void
note_change(struct lanes *l)
{
	l->connected = 0;
	for (size_t i = 0; i < l->count; i++)
		l->connected += is_connected(&l->seat[i]);
	l->hooks->changed(l->hooks->with);
}

static void
close_seat(struct seat *s)
{
	if (s->broken)
		s->lanes->lost_ms = clock_mono_ms();
	if (s->work)
		offload_end(s->work); /* a cancellation */
	s->work = NULL;
	if (s->lane.conn)
		poller_remove(s->lanes->poller, PQsocket(s->lane.conn));
	lane_close(&s->lane);
	s->state = SEAT_CLOSED;
	s->broken = s->blocked = false;
	note_change(s->lanes);
}

static void
open_seat(struct seat *s)
{
	s->state = SEAT_IDLE;
	if (!poller_add(s->lanes->poller, PQsocket(s->lane.conn), &s->source, POLLER_READ)) {
		log_error("cannot watch a connection to the database: %s", strerror(errno));
		close_seat(s);
	}
	note_change(s->lanes);
}

static void
connect_lane(void *lane)
{
	lane_attempt(lane);
}

static void
discard_lane(void *given)
{
	struct lane *lane = given;

	lane_close(lane);
	free(lane);
}

static void
connect_seat(struct seat *s)
{
	s->coming = must_alloc(sizeof(*s->coming));
	*s->coming = s->lane;
	s->work_ms = clock_mono_ms();
	s->work = offload_start(connect_lane, s->coming, discard_lane, s->lanes->wake_fd);
	if (s->work) {
		s->state = SEAT_CONNECTING;
		s->lanes->next_ms = 0;
		return;
	}
	free(s->coming);
	s->lane.next_try_ms = clock_mono_ms() + ROOM_LOOK_MS;
	log_error("cannot start a thread that connects to the database");
}

static void
seat_was_connected(struct seat *s)
{
	s->lane = *s->coming;
	free(s->coming);
	s->coming = NULL;
	s->state = SEAT_CLOSED;
	lane_settle(&s->lane, s->lanes->connected > 0);
	if (s->lane.conn) {
		open_seat(s);
	} else {
		s->lanes->last = s;
		note_change(s->lanes);
	}
}

/* ---- cancelling ---- */

static void
run_cancel(void *how)
{
	char text[256];

	(void)PQcancel(how, text, sizeof(text));
	PQfreeCancel(how);
}

static void
keep_nothing(void *how UNUSED)
{
}

void
lanes_cancel(struct db *db)
{
	struct seat *s = db->wait.seat;
	PGcancel    *how;

	if (s->work || !(how = PQgetCancel(s->lane.conn)))
		return;
	s->work_ms = clock_mono_ms();
	s->work = offload_start(run_cancel, how, keep_nothing, s->lanes->wake_fd);
	if (!s->work)
		PQfreeCancel(how);
}

/* Ends the statement of the only transaction in hand, so that the connection can be used again. */
static void
cut_short(struct db *db, bool *why)
{
	*why = true;
	lanes_cancel(db);
	db->deadline_ms = clock_mono_ms() + CANCEL_GRACE_MS;
	db->lanes->next_ms = 0;
}

/* ---- a batch ---- */

static void
end_batch(struct seat *s)
{
	s->reader = NULL;
	if (s->broken && s->work) {
		poller_remove(s->lanes->poller, PQsocket(s->lane.conn));
		s->state = SEAT_ENDING;
		note_change(s->lanes);
	} else if (s->broken || !lane_is_usable(&s->lane))
		close_seat(s);
	else
		s->state = s->work ? SEAT_CANCELLING : SEAT_IDLE;
}

static void send_rest(struct seat *s);

/* All members of the group have read: each sends what follows from that. */
static void
send_more(struct seat *s)
{
	s->met = 0;
	s->sends_more = true;
	s->reader = s->first;
	s->held = true;
	lane_hold(&s->lane);
	for (struct wait *w = s->first, *next; w; w = next) {
		next = w->next;
		fiber_resume(w->fiber);
	}
	lane_release();
	s->held = false;
	if (s->state == SEAT_BUSY)
		send_rest(s);
	while (s->state == SEAT_BUSY && s->broken && s->reader)
		fiber_resume(s->reader->fiber);
}

/* Fibers go on as far as there are answers for them. */
static void
run_readers(struct seat *s)
{
	struct wait *w;

	while ((w = s->reader)) {
		if (!s->broken && PQisBusy(s->lane.conn))
			return;
		fiber_resume(w->fiber);
		if (s->reader == w)
			return;
	}
	if (s->state == SEAT_BUSY && s->group == GROUP_OPEN && s->first && s->met == s->members)
		send_more(s);
	/* The group has ended, for better or worse. */
	while (s->state == SEAT_BUSY && s->group != GROUP_OPEN && (w = s->first))
		fiber_resume(w->fiber);
}

static void
send_rest(struct seat *s)
{
	int  unsent = PQflush(s->lane.conn);
	bool blocked = unsent == 1;

	s->broken |= unsent == -1;
	if (blocked != s->blocked
	    && !poller_change(s->lanes->poller, PQsocket(s->lane.conn), &s->source,
		   POLLER_READ | (blocked ? POLLER_WRITE : 0)))
		s->broken = true;
	s->blocked = blocked;
}

/* Has each member send its statements, in order. */
static void
start_batch(struct seat *s)
{
	struct lanes *l = s->lanes;

	s->state = SEAT_BUSY;
	s->begun_ms = clock_mono_ms();
	s->reader = s->first;
	s->group = GROUP_OPEN;
	s->met = 0;
	s->sends_more = false;
	l->hooks->sent(l->hooks->with, s->members, s->first->grouped);
	s->failed = false;
	s->held = s->members > 1;
	if (s->held)
		lane_hold(&s->lane);
	for (struct wait *w = s->first, *next; w; w = next) {
		next = w->next;
		w->seat = s;
		w->state = WAIT_SENDING;
		fiber_resume(w->fiber);
	}
	lane_release();
	s->held = false;
	if (s->state == SEAT_BUSY) {
		send_rest(s);
		if (s->broken)
			run_readers(s);
	}
	l->next_ms = 0;
}

/* A pooler takes the answer to a Sync for the end of what was sent. */
static bool
goes_together(const struct seat *s)
{
	return s->lanes->conf->prepared_statements && !s->lane.pooled;
}

/* Whether it waits for the lock of its idempotency key: no other may be behind it then. */
static bool
waits_for_twin(const struct tx *tx)
{
	return sql_catalogue[tx->step[0].id].marks & SQL_MARK_TWIN;
}

static bool
must_be_alone(const struct wait *w)
{
	return w->tx->then || w->db->slow || waits_for_twin(w->tx);
}

/* Takes as many as may go together out of a queue, from its first one on. */
static void
fill_batch(struct seat *s, struct waits *q)
{
	struct wait **end = &s->first, **at = &q->first;

	s->members = 0;
	while (*at && s->members < (goes_together(s) ? LANE_BATCH_MAX : 1)) {
		struct wait *w = *at;

		if (s->members && (must_be_alone(w) || !w->tx->reads))
			break;
		take_at(q, at);
		w->next = NULL;
		w->grouped = false;
		*end = w;
		end = &w->next;
		s->members++;
		if (must_be_alone(w) || !w->tx->reads)
			break;
	}
}

/* ---- groups ---- */

static size_t
bytes_of(const struct tx *tx)
{
	size_t bytes = 0;

	for (size_t i = 0; i < tx->steps; i++)
		for (int k = 0; k < tx->step[i].bind.n; k++)
			bytes += (size_t)tx->step[i].bind.length[k];
	return bytes;
}

static bool
fits_group(struct wait *const *members, size_t n, const struct wait *w)
{
	for (size_t i = 0; i < n; i++) {
		const struct tx *tx = members[i]->tx;

		if (tx->group_lock == w->tx->group_lock
		    || (tx->group_order.ptr && str_eq(tx->group_order, w->tx->group_order)))
			return false;
	}
	return true;
}

static int
by_order(const void *a, const void *b)
{
	const struct id *e = (*(struct wait *const *)a)->tx->group_environment;
	const struct id *f = (*(struct wait *const *)b)->tx->group_environment;
	struct str x = (*(struct wait *const *)a)->tx->group_order;
	struct str y = (*(struct wait *const *)b)->tx->group_order;
	size_t     least = x.len < y.len ? x.len : y.len;
	int        order = memcmp(e->b, f->b, ID_BYTES);

	if (order == 0 && least)
		order = memcmp(x.ptr, y.ptr, least);
	return order ? order : (x.len > y.len) - (x.len < y.len);
}

static int
by_lock(const void *a, const void *b)
{
	int64_t x = (*(struct wait *const *)a)->tx->group_lock;
	int64_t y = (*(struct wait *const *)b)->tx->group_lock;

	return (x > y) - (x < y);
}

static void
bind_locks(struct seat *s, struct wait **members, size_t n)
{
	struct wait *spare[LANE_GROUP_MAX];
	struct str   cells[LANE_GROUP_MAX];
	char         numbers[LANE_GROUP_MAX][8];

	sort(members, n, sizeof(*members), by_lock, spare);
	for (size_t i = 0; i < n; i++) {
		bind_put_i64(numbers[i], members[i]->tx->group_lock);
		cells[i] = (struct str) { numbers[i], sizeof(numbers[i]) };
	}
	bind_init(&s->locks, members[0]->tx->arena, sql_catalogue[SQL_GROUP_LOCK].nparams);
	bind_array(&s->locks, BIND_I64, cells, n);
}

/* Members that can send their statements as one are neighbours, because of the order. */
static void
make_bundles(struct wait *const *members, size_t n)
{
	for (size_t first = 0, end; first < n; first = end) {
		for (end = first + 1; end < n; end++)
			if (!bundle_takes(members[first]->tx, members[end]->tx))
				break;
		for (size_t i = first; i < end && end - first >= LANE_BUNDLE_MIN; i++) {
			members[i]->bundled = end - first;
			members[i]->place = i - first;
			members[i]->leader = members[first];
		}
	}
}

/* A group from the first of the queue on; false: the first one finds no company. */
static bool
fill_group(struct seat *s, struct waits *q)
{
	struct wait *members[LANE_GROUP_MAX], *spare[LANE_GROUP_MAX], **end = &s->first;
	size_t       n = 0, bytes = 0;

	if (!q->first->tx->group || !goes_together(s) || q->length < 2)
		return false;
	for (struct wait *w = q->first; w && n < LANE_GROUP_MAX; w = w->next) {
		size_t more = w->tx->group ? bytes_of(w->tx) : SIZE_MAX;

		if (more > LANE_GROUP_BYTES - bytes || !fits_group(members, n, w))
			continue;
		bytes += more;
		members[n++] = w;
	}
	if (n < 2)
		return false;
	for (size_t i = 0; i < n; i++)
		take_out(q, members[i]);
	bind_locks(s, members, n);
	sort(members, n, sizeof(*members), by_order, spare);
	s->has_more = false;
	for (size_t i = 0; i < n; i++) {
		s->has_more |= members[i]->tx->then != NULL;
		members[i]->next = NULL;
		members[i]->grouped = true;
		members[i]->last = i == n - 1;
		*end = members[i];
		end = &members[i]->next;
	}
	make_bundles(members, n);
	s->members = (unsigned)n;
	return true;
}

bool
lanes_turn(struct db *db)
{
	struct wait *w = &db->wait;

	w->state = WAIT_READING;
	while (w->seat->reader != w && !w->seat->broken)
		fiber_suspend();
	return !w->seat->broken;
}

const struct bind *
lanes_locks(const struct db *db)
{
	const struct seat *s = db->wait.seat;

	return s->first == &db->wait ? &s->locks : NULL;
}

bool
lanes_group_has_more(const struct db *db)
{
	return db->wait.seat->has_more;
}

bool
lanes_group_meet(struct db *db, bool ok, bool lost)
{
	struct wait *w = &db->wait;
	struct seat *s = w->seat;

	lost |= !lanes_turn(db); /* also where it has nothing to read */
	s->failed |= !ok;
	if (lost && s->group == GROUP_OPEN)
		s->group = GROUP_LOST;
	s->broken |= lost; /* no member has another turn, or sends anything more */
	s->met++;
	if (s->reader == w)
		s->reader = w->next;
	w->state = WAIT_GROUP;
	while (!s->sends_more && s->group == GROUP_OPEN)
		fiber_suspend();
	return s->group == GROUP_OPEN && !s->failed;
}

void
lanes_group_spoil(struct db *db)
{
	db->wait.seat->broken = true;
	db->wait.seat->group = GROUP_UNDONE;
}

enum group_end
lanes_group_end(struct db *db, bool ok, bool lost)
{
	struct wait *w = &db->wait;
	struct seat *s = w->seat;

	lost |= !lanes_turn(db);
	s->failed |= !ok;
	if (lost && s->group == GROUP_OPEN)
		s->group = GROUP_LOST;
	else if (w->last && s->group == GROUP_OPEN)
		s->group = s->failed ? GROUP_UNDONE : GROUP_DONE;
	if (w->last && s->group == GROUP_UNDONE)
		s->lanes->hooks->parted(s->lanes->hooks->with, s->members);
	if (s->reader == w)
		s->reader = w->next;
	w->state = WAIT_GROUP;
	while (s->group == GROUP_OPEN)
		fiber_suspend();
	return s->group;
}

/* ---- tenants ---- */

static void
note_tenant(struct lanes *l, uint64_t tenant)
{
	if (!tenant)
		return;
	if (l->last_tenant && l->last_tenant != tenant)
		l->mixed_ms = clock_mono_ms();
	l->last_tenant = tenant;
}

static bool
is_held_by(const struct seat *s, uint64_t tenant, int64_t now)
{
	return s->state == SEAT_BUSY && s->members == 1 && s->first->db->tenant == tenant
	    && now - s->begun_ms >= LANE_HELD_MS;
}

/* Whether the tenant holds so many connections for writes that it gets no further one. */
static bool
has_share(const struct lanes *l, uint64_t tenant, int64_t now)
{
	size_t lanes = 0, held = 0, most;

	if (!tenant || l->conf->tenant_share == 100 || !l->mixed_ms
	    || now - l->mixed_ms >= LANE_KNOWN_MS)
		return false;
	for (size_t i = 0; i < l->count; i++) {
		lanes += l->seat[i].class == LANE_WRITE;
		held += l->seat[i].class == LANE_WRITE && is_held_by(&l->seat[i], tenant, now);
	}
	most = lanes * (size_t)l->conf->tenant_share / 100;
	return held >= (most ? most : 1);
}

/* Puts one whose turn it is first; false: there is none. */
static bool
choose_first(struct lanes *l, enum lane_class class)
{
	struct waits *q = &l->queue[class];
	int64_t       now = clock_mono_ms();
	struct wait **at;

	for (at = &q->first; *at; at = &(*at)->next)
		if (class == LANE_SLOW ? (*at)->db->tenant != l->served
				       : !has_share(l, (*at)->db->tenant, now))
			break;
	if (!*at && class != LANE_SLOW)
		return false;
	if (*at && at != &q->first) {
		struct wait *w = take_at(q, at);

		w->next = q->first;
		q->first = w;
		q->length++;
	}
	if (class == LANE_SLOW)
		l->served = q->first->db->tenant;
	return true;
}

/*
 * While others wait for a connection for writes, and none is idle: the last of a tenant that has
 * had more than its share of them for a while. NULL: there is none.
 */
static struct seat *
overstayer(struct lanes *l, int64_t now)
{
	struct seat *last = NULL;

	for (size_t i = 0; i < l->count; i++) {
		struct seat *s = &l->seat[i];
		bool         others = false;
		uint64_t     tenant;

		if (s->class != LANE_WRITE || s->state == SEAT_CLOSED)
			continue;
		if (s->state != SEAT_BUSY || s->members != 1)
			return NULL;
		tenant = s->first->db->tenant;
		if (s->first->db->meter.cut || !is_held_by(s, tenant, now)
		    || !has_share(l, tenant, now))
			return NULL;
		for (const struct wait *w = l->queue[LANE_WRITE].first; w; w = w->next)
			others |= w->db->tenant != tenant;
		if (!others)
			return NULL;
		if (!last || s->begun_ms > last->begun_ms)
			last = s;
	}
	return last;
}

/* ---- a transaction's way ---- */

static enum lane_class
class_of(const struct db *db, const struct tx *tx)
{
	if (db->slow)
		return LANE_SLOW;
	return tx->reads && !waits_for_twin(tx) ? LANE_READ : LANE_WRITE;
}

bool
lanes_take(struct db *db, const struct tx *tx)
{
	int64_t      begun_us = clock_mono_us();
	struct wait *w = &db->wait;

	*w = (struct wait) {
		.state = WAIT_QUEUED,
		.since_us = begun_us,
		.class = class_of(db, tx),
		.db = db,
		.fiber = fiber_current(),
		.tx = tx,
	};
	note_tenant(db->lanes, db->tenant);
	append(&db->lanes->queue[w->class], w);
	while (w->state == WAIT_QUEUED)
		fiber_suspend();
	db->meter.lane_us += clock_mono_us() - begun_us;
	if (w->state == WAIT_REFUSED) {
		w->state = WAIT_NONE;
		return false;
	}
	db->lane = &w->seat->lane;
	return true;
}

void
lanes_leave(struct db *db)
{
	struct wait *w = &db->wait;
	struct seat *s = w->seat;

	if (s->reader == w)
		s->reader = w->next;
	for (struct wait **at = &s->first; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			break;
		}
	w->state = WAIT_NONE;
	w->seat = NULL;
	db->lane = NULL;
	if (--s->members == 0)
		end_batch(s);
}

bool
lanes_wait(struct db *db)
{
	struct seat *s = db->wait.seat;

	if (!s->held)
		send_rest(s);
	if (!s->broken && clock_mono_ms() < db->deadline_ms)
		fiber_suspend();
	return !s->broken && clock_mono_ms() < db->deadline_ms;
}

bool
lanes_is_broken(const struct db *db)
{
	return db->wait.seat->broken;
}

void
lanes_break(struct db *db)
{
	db->wait.seat->broken = true;
}

/* Ends its transaction, if there is one that can be ended; why: the member of the meter for it. */
static void
end_early(struct db *db, bool *why, bool whatever)
{
	struct wait *w = &db->wait;
	bool         alone = w->seat && w->seat->members == 1;

	*why |= whatever || alone || w->state == WAIT_QUEUED;
	if (w->state == WAIT_QUEUED) {
		take_out(&db->lanes->queue[w->class], w);
		refuse(w);
	} else if (alone) {
		cut_short(db, why);
	}
}

void
lanes_left(struct db *db)
{
	if (!db->meter.left)
		end_early(db, &db->meter.left, true);
}

void
lanes_cut(struct db *db)
{
	if (!db->meter.left && !db->meter.cut)
		end_early(db, &db->meter.cut, false);
}

/* ---- who gets which lane ---- */

/* Whether the class has a connection, or is about to have one. */
static bool
has_own(const struct lanes *l, enum lane_class class)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->seat[i].class == class && l->seat[i].state != SEAT_CLOSED)
			return true;
	return false;
}

/* A connection that can be used now; that of another class where its own cannot be made. */
static struct seat *
idle_seat(struct lanes *l, enum lane_class class)
{
	bool own = has_own(l, class);

	for (size_t i = 0; i < l->count; i++)
		if (l->seat[i].state == SEAT_IDLE && (l->seat[i].class == class || !own))
			return &l->seat[i];
	return NULL;
}

/* One more connection for a class whose connections are all in use. */
static void
grow(struct lanes *l, enum lane_class class)
{
	struct seat *closed = NULL;

	for (size_t i = 0; i < l->count; i++) {
		struct seat *s = &l->seat[i];

		if (s->state == SEAT_CONNECTING && (s->class == class || !l->connected))
			return;
		if (s->state == SEAT_CLOSED && !closed && (s->class == class || !l->connected))
			closed = s;
	}
	if (!closed || (l->connected && !l->hooks->may_grow(l->hooks->with)))
		return;
	if (lane_retry_ms(l->connected ? &closed->lane : &l->last->lane) == 0)
		connect_seat(closed);
}

static bool
is_connecting(const struct lanes *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->seat[i].state == SEAT_CONNECTING)
			return true;
	return false;
}

/* Whether one is connecting, or will be able to once a cancellation is over. */
static bool
is_coming(const struct lanes *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->seat[i].state == SEAT_ENDING)
			return true;
	return is_connecting(l);
}

/* Whether it may wait for another process to give a connection up. */
static bool
waits_for_room(struct lanes *l, struct wait *w, int64_t now)
{
	struct lane *lane = &l->last->lane;

	if (lane->trouble != DB_CONDITION_NO_ROOM || !w->db->peer)
		return false;
	if (!w->room_ms)
		w->room_ms = now + ROOM_WAIT_MS;
	if (now >= w->room_ms || !l->hooks->ask_for_room(l->hooks->with))
		return false;
	if (lane->next_try_ms > now + ROOM_LOOK_MS)
		lane->next_try_ms = now + ROOM_LOOK_MS;
	l->next_ms = 0;
	return true;
}

/* There is no connection, and none is being made. */
static void
refuse_all(struct lanes *l, struct waits *q)
{
	int64_t now = clock_mono_ms();

	for (struct wait **at = &q->first; *at;) {
		if (waits_for_room(l, *at, now)) {
			at = &(*at)->next;
		} else {
			refuse(take_at(q, at));
			at = &q->first; /* its fiber may have come back with another one */
		}
	}
}

/*
 * A server that ends one connection often ends all of them, a moment apart: a transaction that was
 * lost with one shall not run again on the next that is about to end.
 */
static bool
still_works(struct seat *s)
{
	int64_t lost_ms = s->lanes->lost_ms;

	if (lost_ms && clock_mono_ms() - lost_ms < ALERT_MS && !lane_look(&s->lane))
		return false;
	return lane_is_usable(&s->lane);
}

/* At deadlines, shares and back-offs of those that wait. */
static void
look_soon(struct lanes *l)
{
	int64_t soon = clock_mono_ms() + ROOM_LOOK_MS;

	l->next_ms = soon < l->next_ms ? soon : l->next_ms;
}

static void
flush_class(struct lanes *l, enum lane_class class)
{
	struct waits *q = &l->queue[class];
	struct seat  *s;

	if (!has_own(l, class))
		grow(l, class);
	while (q->first && (s = idle_seat(l, class))) {
		if (!still_works(s)) {
			close_seat(s);
			continue;
		}
		if (class != LANE_READ && !choose_first(l, class))
			break;
		if (!fill_group(s, q))
			fill_batch(s, q);
		start_batch(s);
	}
	if (!q->first)
		return;
	grow(l, class);
	if (!l->connected && !is_coming(l))
		refuse_all(l, q);
	look_soon(l);
}

/* Of these classes (bits) the one whose first has waited longest; LANE__CLASSES: nobody waits. */
static enum lane_class
longest_waiting(const struct lanes *l, unsigned of)
{
	enum lane_class found = LANE__CLASSES;

	for (enum lane_class c = 0; c < LANE__CLASSES; c++) {
		const struct wait *first = of & 1u << c ? l->queue[c].first : NULL;

		if (first && (found == LANE__CLASSES
				 || first->since_us < l->queue[found].first->since_us))
			found = c;
	}
	return found;
}

/* Where classes share a connection, none waits for ever behind another one. */
void
lanes_flush(struct lanes *l)
{
	unsigned        left = (1u << LANE__CLASSES) - 1;
	enum lane_class class;

	while ((class = longest_waiting(l, left)) != LANE__CLASSES) {
		left &= ~(1u << class);
		flush_class(l, class);
	}
}

/* ---- the loop ---- */

static void
take_work(struct seat *s)
{
	if (!s->work || !offload_is_done(s->work))
		return;
	offload_end(s->work);
	s->work = NULL;
	if (s->state == SEAT_CONNECTING)
		seat_was_connected(s);
	else if (s->state == SEAT_CANCELLING)
		s->state = SEAT_IDLE;
	else if (s->state == SEAT_ENDING)
		close_seat(s);
}

static void
on_wake(struct lanes *l)
{
	uint64_t count;

	if (read(l->wake_fd, &count, sizeof(count)) == -1 && errno != EAGAIN)
		log_error("cannot read what threads say: %s", strerror(errno));
	for (size_t i = 0; i < l->count; i++)
		take_work(&l->seat[i]);
}

void
lanes_event(struct lanes *l, struct source *source, unsigned is)
{
	struct seat *s = (struct seat *)source;

	if (source == &l->wake_source) {
		on_wake(l);
		return;
	}
	switch (s->state) {
	case SEAT_CLOSED:
	case SEAT_CONNECTING:
	case SEAT_ENDING:
		break; /* an event of a connection that was closed in this turn */
	case SEAT_IDLE:
	case SEAT_CANCELLING:
		if (!lane_look(&s->lane)) {
			close_seat(s);
			lanes_want(l);
		}
		break;
	case SEAT_BUSY:
		if (is & POLLER_WRITE)
			send_rest(s);
		if (is & ~POLLER_WRITE && PQconsumeInput(s->lane.conn) != 1)
			s->broken = true;
		run_readers(s);
		break;
	}
}

/* The earliest of the deadlines of a batch; if one has passed, the batch ends here. */
static int64_t
tick_batch(struct seat *s, int64_t now)
{
	int64_t next = INT64_MAX;

	for (struct wait *w = s->first; w; w = w->next) {
		struct db *db = w->db;

		if (db->deadline_ms < next)
			next = db->deadline_ms;
		s->broken |= db->deadline_ms <= now;
	}
	if (!s->broken)
		return next;
	run_readers(s);
	return now;
}

static int64_t
tick_queue(struct lanes *l, struct waits *q, int64_t now)
{
	int64_t next = INT64_MAX;

	for (struct wait **at = &q->first; *at;) {
		struct wait *w = *at;

		if (w->db->deadline_ms <= now) {
			refuse(take_at(q, at));
			at = &q->first;
			continue;
		}
		if (w->db->deadline_ms < next)
			next = w->db->deadline_ms;
		at = &w->next;
	}
	if (q->first && l->connected < l->count && now + ROOM_LOOK_MS < next)
		next = now + ROOM_LOOK_MS; /* a back-off may be over by then */
	return next;
}

int64_t
lanes_tick(struct lanes *l, int64_t now)
{
	int64_t next = INT64_MAX, due;

	if (!l->warm && l->connected) {
		l->warm = true;
		grow(l, LANE_WRITE); /* the first write shall not wait for it */
	}
	if (now < l->next_ms)
		return l->next_ms;
	for (size_t i = 0; i < l->count; i++) {
		struct seat *s = &l->seat[i];

		due = INT64_MAX;
		take_work(s); /* the system may have failed to tell */
		if (s->state == SEAT_CONNECTING)
			due = now + ROOM_LOOK_MS;
		else if (s->state == SEAT_BUSY)
			due = tick_batch(s, now);
		else if (s->state >= SEAT_CANCELLING && now - s->work_ms >= CANCEL_WAIT_MS)
			close_seat(s);
		else if (s->state >= SEAT_CANCELLING)
			due = s->work_ms + CANCEL_WAIT_MS;
		next = due < next ? due : next;
	}
	if (l->queue[LANE_WRITE].first) {
		struct seat *over = overstayer(l, now);

		if (over)
			cut_short(over->first->db, &over->first->db->meter.cut);
		next = now + LANE_HELD_MS < next ? now + LANE_HELD_MS : next;
	}
	for (size_t i = 0; i < LANE__CLASSES; i++) {
		due = tick_queue(l, &l->queue[i], now);
		next = due < next ? due : next;
	}
	return l->next_ms = next;
}

void
lanes_want(struct lanes *l)
{
	if (!l->connected && !is_connecting(l))
		grow(l, LANE_READ);
}

bool
lanes_give_way(struct lanes *l, bool even_the_last)
{
	if (l->connected < 2 && !even_the_last)
		return false;
	for (size_t i = l->count; i-- > 0;) {
		struct seat *s = &l->seat[i];

		if (s->state != SEAT_IDLE)
			continue;
		poller_remove(l->poller, PQsocket(s->lane.conn));
		lane_give_way(&s->lane);
		l->last = s;
		close_seat(s);
		return true;
	}
	return false;
}

/* ---- what there is ---- */

unsigned
lanes_connected(const struct lanes *l)
{
	return l->connected;
}

enum db_condition
lanes_trouble(const struct lanes *l)
{
	return l->connected ? DB_CONDITION_FIT : l->last->lane.trouble;
}

const char *
lanes_why(const struct lanes *l)
{
	return l->connected ? "" : l->last->lane.why;
}

int64_t
lanes_retry_ms(const struct lanes *l)
{
	bool closed = false;

	for (size_t i = 0; i < l->count; i++)
		closed |= l->seat[i].state == SEAT_CLOSED;
	/* Those that are about to be closed have a time of their own, in lanes_tick(). */
	return l->connected || is_connecting(l) || !closed ? INT64_MAX
							   : lane_retry_ms(&l->last->lane);
}

size_t
lanes_waiting(const struct lanes *l)
{
	size_t n = 0;

	for (size_t i = 0; i < LANE__CLASSES; i++)
		n += l->queue[i].length;
	return n;
}

struct lanes *
lanes_new(const struct conf *conf, int poller, unsigned kind, unsigned count,
    const struct lanes_hooks *hooks)
{
	struct lanes *l = must_alloc(sizeof(*l));

	l->conf = conf;
	l->poller = poller;
	l->last = &l->seat[0];
	l->count = count && count < LANES ? count : LANES;
	l->hooks = hooks;
	l->wake_source.kind = kind;
	for (size_t i = 0; i < LANE__CLASSES; i++)
		l->queue[i].end = &l->queue[i].first;
	for (size_t i = 0; i < l->count; i++) {
		l->seat[i].source.kind = kind;
		l->seat[i].lanes = l;
		l->seat[i].class = classes[i];
		l->seat[i].lane.conf = conf;
		l->seat[i].lane.role = DB_SERVE;
	}
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake_fd != -1 && poller_add(poller, l->wake_fd, &l->wake_source, POLLER_READ))
		return l;
	log_error("cannot be woken by threads: %s", strerror(errno));
	lanes_free(l);
	return NULL;
}

void
lanes_adopt(struct lanes *l, struct db *db)
{
	struct seat *s = &l->seat[0];

	s->lane = *db->lane;
	free(db->lane);
	db->lane = NULL;
	db->lanes = l;
	if (!s->lane.conn) {
		note_change(l);
		return;
	}
	lane_listen(&s->lane);
	open_seat(s);
}

void
lanes_free(struct lanes *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->count; i++) {
		struct seat *s = &l->seat[i];

		if (s->work && s->state == SEAT_CONNECTING && offload_is_done(s->work))
			discard_lane(s->coming);
		if (s->work)
			offload_end(s->work);
		s->work = NULL;
		lane_close(&s->lane);
	}
	if (l->wake_fd != -1)
		close(l->wake_fd);
	free(l);
}
