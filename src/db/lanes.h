/*
 * The connections of a worker that holds many requests at once: lanes.
 *
 * Classes    READ takes transactions that only read and wait for no lock, many at once: those of a
 *            turn leave together, each with a Sync of its own. SLOW takes those that read much and
 *            answer little, one at a time, so that no other waits behind them. WRITE takes all
 *            others: one at a time, or a group (below). While a class has no connection, its
 *            transactions take any other's.
 * Batch      A lane has one batch in hand; what comes meanwhile waits in its class's queue, first
 *            come first served. So it is known whom a cancellation hits.
 *            Behind a pooler, which may give each transaction another server, a batch is one.
 * Group      Transactions that say so (tx->group) run as one, with one commit. First all locks of
 *            idempotency keys are taken, in the order of their numbers; then the members run,
 *            environment by environment, in the order of what they write. So groups of creates
 *            cannot lock each other out; where two name the same row differently, lock_timeout ends
 *            the wait of one. No group has two members with the same lock or the same order. Each
 *            member enters its environment anew, or with others that do the same in it
 *            (db/bundle.h).
 *            Where members have more to send once they have read (tx->then), all read first, and
 *            then all send that. If one of them fails, nothing of the group was done, and each runs
 *            again by itself.
 * Fibers     A transaction belongs to a fiber, which lanes suspend (base/fiber.h). The loop calls
 *            lanes_event(), lanes_flush() and lanes_tick(); from these, fibers go on.
 * Tenants    Of those that wait for a lane, tenants take turns in SLOW. In WRITE, a tenant whose
 *            transactions have held tenant_share percent of the connections, one at least, for
 *            LANE_HELD_MS gets no further one where another tenant has been seen lately; and while
 *            others wait, the last to come is cancelled (tx->cut).
 * Deadline   A transaction that has not been sent by then is not sent. One that has been takes its
 *            lane with it: the others of the batch run again, if they may.
 * Left       The client of a transaction may leave (lanes_left()). In a queue it is dropped; alone
 *            on its lane it is cancelled; in a batch it runs on, and its result is nobody's.
 * Connecting, cancelling   In threads of their own (base/offload.h): the loop does not wait.
 */
#ifndef DB_LANES_H
#define DB_LANES_H

#include "base/fiber.h"
#include "base/poller.h"
#include "db/db.h"

enum lane_class { LANE_READ, LANE_SLOW, LANE_WRITE, LANE__CLASSES };

extern const char *const lane_class_names[LANE__CLASSES];

enum {
	/* Connections of a worker: two workers have as many as eight had that held one each. */
	LANES = 4,
	LANE_BATCH_MAX = 64,
	LANE_GROUP_MAX = 16,
	LANE_BUNDLE_MIN = 4, /* three cost PostgreSQL as much together as one by one */
	LANE_GROUP_BYTES = 48 * 1024, /* of parameters */
	LANE_HELD_MS = 90,
	LANE_KNOWN_MS = 10 * 60 * 1000, /* that a tenant was seen */
};

struct lanes;

/* What the process around them does. */
struct lanes_hooks {
	/* The number of connections is another one now, or why there is none. */
	void (*changed)(void *with);
	/*
	 * Asks other processes to make room, again and again while a transaction waits for a
	 * connection because there is no room; seconds at most. False: there is nobody who could.
	 */
	bool (*ask_for_room)(void *with);
	/* Whether it may have one more than it needs: no other process lacks one. */
	bool (*may_grow)(void *with);
	/* So many transactions were sent, as a group or each by itself. */
	void (*sent)(void *with, unsigned members, bool group);
	/* A group has failed; its members run again by themselves. */
	void (*parted)(void *with, unsigned members);
	void *with;
};

/*
 * kind: of the sources that lanes give to the poller. count: connections, LANES at most. conf and
 * hooks must outlive it.
 */
struct lanes *lanes_new(const struct conf *conf, int poller, unsigned kind, unsigned count,
    const struct lanes_hooks *hooks);
void          lanes_free(struct lanes *l);

/* Takes the connection of a db that has its own, which then gets its lanes here. */
void          lanes_adopt(struct lanes *l, struct db *db);

/* ---- the loop */

void          lanes_event(struct lanes *l, struct source *source, unsigned is);

/* At the end of a turn: sends what waits. */
void          lanes_flush(struct lanes *l);

/* Ends what is late. Returns when it wants to be called again at the latest (monotonic). */
int64_t       lanes_tick(struct lanes *l, int64_t now_ms);

/* The client that waits for a transaction of this db has left. */
void          lanes_left(struct db *db);

/* Others want the place of its request: what waits or is alone on its lane ends (tx->cut). */
void          lanes_cut(struct db *db);

/* ---- what there is */

unsigned          lanes_connected(const struct lanes *l);
enum db_condition lanes_trouble(const struct lanes *l); /* as db_trouble() */
const char       *lanes_why(const struct lanes *l);
/* Transactions that wait for a lane. */
size_t            lanes_waiting(const struct lanes *l);

/* Begins to connect, if there is no connection and the back-off is over. */
void              lanes_want(struct lanes *l);
/* How long that still lasts; INT64_MAX: nothing is to be done. */
int64_t           lanes_retry_ms(const struct lanes *l);

/* Gives one idle connection up for another process. False: none is idle, or it is the last one. */
bool              lanes_give_way(struct lanes *l, bool even_the_last);

/* ---- internal to db/ */

enum wait_state {
	WAIT_NONE,
	WAIT_QUEUED,
	WAIT_REFUSED, /* it gets no lane */
	WAIT_SENDING, /* it has the lane in hand, and sends */
	WAIT_READING, /* it waits for its turn to read, or reads */
	WAIT_GROUP,   /* its own answers are there, those of its group not yet */
};

enum group_end { GROUP_OPEN, GROUP_DONE, GROUP_UNDONE, GROUP_LOST };

struct seat;

/* A transaction's way through the lanes. */
struct wait {
	enum wait_state  state;
	int64_t          since_us; /* in its queue */
	enum lane_class  class;
	struct db       *db;
	struct wait     *next;  /* in a queue, or in a batch */
	struct seat     *seat;
	struct fiber    *fiber;
	const struct tx *tx;
	int64_t          room_ms;  /* until when it may ask for room; 0: it has not asked yet */
	bool             grouped;  /* it is a member of a group */
	bool             last;     /* of its group */
	/* Of a bundle (db/bundle.h), whose members are neighbours: */
	size_t           bundled;  /* how many they are; 0: it is in none */
	size_t           place;
	struct wait     *leader;   /* until the batch ends */
};

/*
 * Suspends until there is a lane for the transaction, in db->lane. False: there is none.
 * lanes_leave() follows a true.
 */
bool           lanes_take(struct db *db, const struct tx *tx) MUSTCHECK;
void           lanes_leave(struct db *db);
/* The locks that a member must ask for before its own statements, for the whole group; or NULL. */
const struct bind *lanes_locks(const struct db *db);
/* Whether members of the group have something to send once they have read. */
bool           lanes_group_has_more(const struct db *db);
/* Waits until all members have read; false: one has failed, so nothing more is to be sent. */
bool           lanes_group_meet(struct db *db, bool ok, bool lost) MUSTCHECK;
/* Nothing of the group must be done: its connection ends before the Sync. */
void           lanes_group_spoil(struct db *db);
/* Waits for the end of the group; ok: its own answers were without error. */
enum group_end lanes_group_end(struct db *db, bool ok, bool lost);
/* Waits until it may read; false: the connection is lost. */
bool           lanes_turn(struct db *db) MUSTCHECK;
/* Waits for more to read, as wait_result() does. */
bool           lanes_wait(struct db *db) MUSTCHECK;
/* Has the running statement cancelled, if it is alone. The answers are still to be read. */
void           lanes_cancel(struct db *db);
/* The connection is of no more use. */
void           lanes_break(struct db *db);
bool           lanes_is_broken(const struct db *db);

#endif
