/*
 * The scoreboard: what the workers are doing and have done, in memory that all processes of the
 * service share.
 *
 * Parts      Each has pages of its own.
 *            pool, worker[]  about the pool and each worker; the supervisor alone writes them
 *            shared          a few words that the supervisor and all workers write
 *            clerk           what the clerk has done; it alone writes them while it lives
 *            slots           one for each worker, which this worker alone writes while it lives
 * Rights     A worker keeps 'shared' and its own slot (stats_keep_slot()): nothing else is mapped
 *            in it, and without a descriptor it cannot map it again. The clerk keeps its own part
 *            and nothing else (stats_keep_clerk()). The admin process keeps
 *            everything to read (stats_keep_view()). Other children keep nothing.
 * Trust      'shared' and a slot hold a worker's word, and an attacker's code may run in a
 *            worker. So no descriptor, count, pid or layout is in them; a slot is read with
 *            stats_read() and stats_counted(), which pass on nothing that can lead out of a
 *            table or overflow; and from 'shared' follows nothing but which worker takes requests,
 *            whether they are refused, and what the log says.
 * Ownership  The process that calls stats_new(). Another program image goes on with the memory by
 *            stats_attach(), see master/upgrade.h.
 * Locks      None: single words (shm/word.h). A writer that is killed can hold nobody up.
 *            What a request is (struct stats_doing) is several words; stats_read_doing() says when
 *            they were changed meanwhile.
 * Counters   Outlive the worker; they end with the supervisor, or with an upgrade to a version
 *            that has another layout.
 * Units      _ms is clock_mono_ms(), _us a duration in microseconds; the clock is the same in all
 *            processes.
 * Privacy    None of the API's data; of a request only the id that its answer carries.
 */
#ifndef SHM_STATS_H
#define SHM_STATS_H

#include "base/base.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"
#include "shm/change.h"
#include "shm/routes_gen.h"
#include "shm/word.h"

enum {
	STATS_PLACES_MAX = 1024,
	STATS_ROUTES_MAX = ROUTES_COUNT + 1, /* of all resources, and one for what is no route */
	STATS_CLASSES = 6,     /* status / 100 */
	STATS_BUCKETS = 15,    /* of a histogram; the last one has no upper bound */
};

/* ---- what a worker writes */

enum stats_state {
	STATS_STATE_IDLE,     /* no request in hand */
	STATS_STATE_HANDLING,
	STATS_STATE__COUNT
};

extern const char *const stats_state_names[STATS_STATE__COUNT];

/* What a worker counts: EVENT(name, metric without prefix and _total, help). */
#define STATS_EVENTS(EVENT) \
	EVENT(USELESS, "connections_useless", \
	    "Connections without a request that can be understood.") \
	EVENT(ABANDONED, "requests_abandoned", \
	    "Requests whose sender had left before they were begun.") \
	EVENT(CANCELLED, "requests_cancelled", \
	    "Requests whose sender left while the database worked for them.") \
	EVENT(EXPIRED, "requests_expired", \
	    "Requests that had waited longer than queue_timeout.") \
	EVENT(SHED, "requests_shed", \
	    "Requests refused because too many others waited.") \
	EVENT(LIMITED, "requests_limited", \
	    "Requests refused by a rate limit.") \
	EVENT(EVICTED, "rate_limits_evicted", \
	    "Buckets of rate limits that gave way to others and are full again.") \
	EVENT(OVER_SHARE, "requests_over_share", \
	    "Requests refused or cancelled because their tenant had its share of a worker.") \
	EVENT(REPLAYED, "requests_replayed", \
	    "Answers given again for an Idempotency-Key.") \
	EVENT(SLOW, "requests_slow", \
	    "Requests that took longer than slow_request.") \
	EVENT(ACCEPTED, "connections_accepted", \
	    "Connections that workers have taken.") \
	EVENT(REUSED, "connections_reused", \
	    "Requests on a connection that the front server had kept.") \
	EVENT(BATCHES, "database_batches", \
	    "Times that transactions were sent to the database together, or one alone.") \
	EVENT(BATCHED, "database_batched", \
	    "Transactions that were sent in these.") \
	EVENT(GROUPS, "write_groups", \
	    "Times that writes were done as one transaction.") \
	EVENT(GROUPED, "writes_grouped", \
	    "Writes in these.") \
	EVENT(PARTED, "writes_parted", \
	    "Writes that ran again by themselves because one of their group had failed.")

enum stats_event {
#define EVENT(name, metric, help) STATS_EVENT_##name,
	STATS_EVENTS(EVENT)
#undef EVENT
	STATS_EVENT__COUNT
};

extern const char *const stats_event_names[STATS_EVENT__COUNT]; /* metrics */
extern const char *const stats_event_helps[STATS_EVENT__COUNT];

struct stats_histogram {
	_Atomic(uint64_t) count[STATS_BUCKETS];
	_Atomic(uint64_t) sum_us;
};

/* A value equal to a bound belongs to its bucket. */
extern const int64_t stats_bound_us[STATS_BUCKETS - 1];

/* How the worker stands with the database. */
enum stats_db {
	STATS_DB_NONE,
	STATS_DB_CONNECTED,
	STATS_DB_AWAY,
	STATS_DB_NO_ROOM, /* the database has no room for another connection */
	STATS_DB__COUNT
};

extern const char *const stats_db_names[STATS_DB__COUNT];

/* A request in hand. */
struct stats_doing {
	int64_t  since_ms; /* read; 0: there is none */
	uint32_t route;    /* row of the table of routes, or STATS_NO_ROUTE */
	char     request_id[REQUEST_ID_MAX_BYTES + 1]; /* empty: not known yet */
};

enum { STATS_NO_ROUTE = STATS_ROUTES_MAX - 1 };

struct stats_slot {
	_Alignas(64) _Atomic(int64_t) since_ms; /* when the state began */
	_Atomic(int64_t)  turn_ms;  /* when the loop last came round; 0: with nothing, it waits */
	_Atomic(uint32_t) in_hand;  /* requests */
	_Atomic(uint32_t) tenants;  /* of these */
	_Atomic(uint32_t) largest;  /* requests of the tenant with the most */
	_Atomic(uint32_t) lanes;    /* connections to the database */
	_Atomic(uint32_t) clients;  /* connections of front servers */
	_Atomic(uint64_t) requests; /* answered */
	_Atomic(uint32_t) serves;   /* 0 or 1: it takes requests from now on */
	_Atomic(uint32_t) state;    /* enum stats_state */
	_Atomic(uint32_t) db;       /* enum stats_db */
	_Atomic(uint32_t) leaves;   /* by itself: enum stats_cause, and one; 0: it does not */
	_Atomic(uint32_t) refused;  /* the call that the sandbox ended it for, and one; 0: none */
	_Atomic(uint64_t) memory_bytes; /* resident, as of the last second with a request */

	/* The last request that was answered. */
	_Atomic(uint32_t) last_route;
	_Atomic(uint32_t) last_status; /* HTTP; 0: there was none */
	_Atomic(int64_t)  last_us;

	_Alignas(64) struct stats_hand {
		_Atomic(uint32_t)  turn; /* odd while 'doing' is being written */
		struct stats_doing doing;
	} hand[REQUESTS_IN_HAND_MAX];
	_Atomic(uint64_t)      event[STATS_EVENT__COUNT];
	_Atomic(uint64_t)      answered[STATS_ROUTES_MAX][STATS_CLASSES];
	struct stats_histogram took[STATS_ROUTES_MAX]; /* from its last byte to its answer */
	struct stats_histogram database; /* waiting for PostgreSQL, of requests that asked it */
	struct stats_histogram lane;     /* waiting for a connection to it, of these */
	struct stats_histogram queued;   /* from the front server to here, if that is known */
};

/* ---- what the supervisor writes */

/* Why a worker's place had to be filled again. */
#define STATS_CAUSES(CAUSE) \
	CAUSE(CRASH,    "crash")    /* a signal that the supervisor did not send */ \
	CAUSE(SANDBOX,  "sandbox")  /* it asked the system for what it never needs */ \
	CAUSE(EXIT,     "exit")     /* it ended by itself, with a failure */ \
	CAUSE(HANG,     "hang")     /* killed: its loop was stuck */ \
	CAUSE(START,    "start")    /* killed: it did not become ready */ \
	CAUSE(CONFIG,   "config")   /* role or schema are not fit */ \
	CAUSE(REQUESTS, "requests") /* max_requests */ \
	CAUSE(MEMORY,   "memory")   /* max_memory */ \
	CAUSE(RELOAD,   "reload")   /* a new configuration or binary */

enum stats_cause {
#define CAUSE(name, label) STATS_CAUSE_##name,
	STATS_CAUSES(CAUSE)
#undef CAUSE
	STATS_CAUSE__COUNT
};

extern const char *const stats_cause_names[STATS_CAUSE__COUNT];

struct stats_pool {
	_Atomic(int64_t)  started_ms;      /* the service, not this program */
	_Atomic(int64_t)  started_wall_ms; /* the same moment */
	_Atomic(uint64_t) clock_jumps;     /* how often wall time jumped */
	_Atomic(uint32_t) generation;   /* of the configuration; 0: none is good yet */
	_Atomic(uint32_t) target;       /* workers that there should be */
	_Atomic(uint32_t) given_up;     /* places of these whose workers died again and again */
	_Atomic(uint32_t) workers_min;  /* bounds of target */
	_Atomic(uint32_t) workers_max;
	_Atomic(uint32_t) busy_peak;    /* most workers that the supervisor saw busy at once */
	_Atomic(uint64_t) max_reached;  /* how often all became busy and there may be no more */
	_Atomic(uint32_t) stopping;     /* 0 or 1 */
	_Atomic(uint32_t) unreachable;  /* STATS_LOST_LISTEN and others: the file is gone */
	_Atomic(uint32_t) clerk_wanted; /* 0 or 1: there should be a clerk */
	_Atomic(int32_t)  clerk_pid;    /* 0: there is none */
	_Atomic(uint64_t) restarts[STATS_CAUSE__COUNT];
	struct change     change[CHANGE__COUNT];
};

enum { STATS_LOST_LISTEN = 1, STATS_LOST_ADMIN = 2, STATS_LOST_METRICS = 4 };

enum stats_life {
	STATS_LIFE_EMPTY,
	STATS_LIFE_WAITING,  /* it died; its successor is not due yet */
	STATS_LIFE_STARTING, /* forked, has not said that it serves */
	STATS_LIFE_READY,
	STATS_LIFE_STOPPING, /* asked to leave */
	STATS_LIFE_GIVEN_UP, /* its workers died too often; a reload or a command tries again */
	STATS_LIFE__COUNT
};

extern const char *const stats_life_names[STATS_LIFE__COUNT];

struct stats_worker {
	_Atomic(int32_t)  pid;
	_Atomic(uint32_t) life; /* enum stats_life */
	_Atomic(int64_t)  forked_ms;
	_Atomic(uint32_t) generation;
	_Atomic(uint64_t) requests_before; /* of the place, when this worker was forked */
};

/* ---- what the clerk writes */

/* What it does: JOB(name, label of metrics and log, what is counted, for people). */
#define STATS_JOBS(JOB) \
	JOB(EXPIRE, "idempotency_keys", "expired idempotency keys removed") \
	JOB(DEADLINES, "subscription_deadlines", "deadlines of subscriptions carried out") \
	JOB(CLOCKS, "test_clock_deadlines", "deadlines of test clocks carried out") \
	JOB(RETAIN, "retained_invoices", "retained names of invoices removed") \
	JOB(IMPORTS, "imports", "lines of files imported") \
	JOB(IMPORT_RESTS, "import_rests", "parts and results of imports removed") \
	JOB(MERGE, "search_index", "pages merged into the index of words")

enum stats_job {
#define JOB(name, label, what) STATS_JOB_##name,
	STATS_JOBS(JOB)
#undef JOB
	STATS_JOB__COUNT
};

extern const char *const stats_job_names[STATS_JOB__COUNT];
extern const char *const stats_job_whats[STATS_JOB__COUNT];

struct stats_clerk {
	_Atomic(int64_t)  behind_since_wall_ms; /* since when something is due; 0: nothing is */
	_Atomic(int64_t)  set_aside; /* deadlines that failed and wait for another try */
	_Atomic(uint32_t) db;      /* enum stats_db */
	_Atomic(uint32_t) refused; /* as in struct stats_slot */
	_Atomic(uint64_t) done[STATS_JOB__COUNT];   /* things, not steps */
	_Atomic(uint64_t) failed[STATS_JOB__COUNT]; /* steps that did nothing */
};

/* ---- what all of them write */

struct stats_shared {
	/* Which places have a worker with a connection to the database, a bit for each. */
	_Atomic(uint64_t) connected[STATS_PLACES_MAX / 64];
	_Atomic(int64_t)  disconnected_ms; /* when one of these bits was last cleared */
	/* Connections of front servers that workers have, and the workers that serve. */
	_Atomic(int64_t)  clients;
	_Atomic(int64_t)  serving;
	/* When a worker last wanted the connection of another for its request; 0: nobody does. */
	_Atomic(int64_t)  room_wanted_ms;
	/* When a worker without any connection last found no room for one. */
	_Atomic(int64_t)  room_lacked_ms;

	/* The listen queue, by whoever looked at it last (net/queue.h). */
	_Atomic(int64_t)  queue_length; /* connections that wait for a worker; -1: not known */
	_Atomic(int64_t)  queue_limit;  /* as the kernel has it; -1: not known */
	_Atomic(int64_t)  queue_peak;
	_Atomic(int64_t)  looked_ms;      /* 0: never yet */
	_Atomic(uint32_t) shedding;       /* 0 or 1: it is nearly full, requests are refused */
	_Atomic(int64_t)  shed_since_ms;  /* the episode of refusing that the log has; 0: none */
	_Atomic(int64_t)  shed_last_ms;   /* the last refusal in it */
	_Atomic(uint64_t) shed_requests;  /* refused in it */

	/* What the log has said, so that not every process says it again. */
	_Atomic(uint32_t) logged_silent;  /* the queue's length is not known; once */
	_Atomic(uint32_t) logged_sandbox; /* what the sandbox lacks; once */
	_Atomic(int64_t)  logged_expired_ms;  /* requests have waited too long; now and then */
	_Atomic(int64_t)  logged_crowded_ms;  /* too many wait in kept connections; now and then */
	_Atomic(int64_t)  logged_stranger_ms; /* connections from elsewhere; now and then */
	_Atomic(int64_t)  logged_share_ms;    /* a tenant is over its share; now and then */
};

/* ---- the memory */

/* One process's view of it; this struct itself is not shared. */
struct stats {
	struct stats_pool   *pool;   /* NULL: not mapped here */
	struct stats_worker *worker; /* slots of them; NULL: not mapped here */
	struct stats_shared *shared; /* NULL: not mapped here */
	struct stats_clerk  *clerk;  /* NULL: not mapped here */
	size_t               slots;
	int                  fd;     /* of the memory; -1: not here */
	char                *memory;
};

/* Ends the process when the system has no memory to share. */
struct stats *stats_new(size_t slots);

/* The memory behind a descriptor, which is kept; NULL when it has another version or size. */
struct stats *stats_attach(int fd, size_t slots);
void          stats_free(struct stats *s);

/* What this worker alone writes; place is less than slots. */
struct stats_slot *stats_slot(const struct stats *s, size_t place);

/*
 * In a child that was just forked: gives up the rest for good, but for the descriptor, which is for
 * the caller to close. False: errno says why, and the child must not go on.
 */
bool stats_keep_slot(struct stats *s, size_t place) MUSTCHECK;
bool stats_keep_clerk(struct stats *s) MUSTCHECK;
bool stats_keep_view(struct stats *s) MUSTCHECK;
bool stats_keep_nothing(struct stats *s) MUSTCHECK;

/* ---- who is connected to the database; a worker says it of itself, the supervisor of the dead */

void stats_set_connected(struct stats_shared *s, size_t place, bool connected);
bool stats_others_connected(const struct stats_shared *s, size_t place);

/* ---- how front servers' connections are spread over workers; by a worker of itself */

void stats_add_client(struct stats_slot *s, struct stats_shared *shared, int change);

/* By the supervisor, of a worker that died. */
void stats_lose_clients(struct stats_slot *s, struct stats_shared *shared);

/* Whether it has clearly more of them than the others. */
bool stats_is_crowded(const struct stats_slot *s, const struct stats_shared *shared);

/* ---- writing */

/* For a new worker in this place: nothing in hand, nothing answered. Counters stay. */
void stats_begin(struct stats_slot *s);

/* For a new clerk, which has yet to look what is due. Counters stay. */
void stats_begin_clerk(struct stats_clerk *c);

void stats_observe(struct stats_histogram *h, int64_t us);

/* What a request in hand is; an id that is too long is cut. */
void stats_do(struct stats_slot *s, size_t hand, int64_t since_ms, uint32_t route,
    struct str request_id);

/* It is answered. */
void stats_done(struct stats_slot *s, size_t hand);

static inline void
stats_enter(struct stats_slot *s, enum stats_state state)
{
	word_set(&s->since_ms, clock_mono_ms());
	word_set(&s->state, state);
}

static inline void
stats_count(_Atomic(uint64_t) *counter)
{
	word_add(counter, 1);
}

/* ---- reading a slot, by others */

struct stats_report {
	bool             serves;
	enum stats_state state;
	enum stats_db    db;
	int64_t          state_ms; /* since the state began; 0 when that lies ahead */
	int64_t          stuck_ms; /* since the loop last came round; -1: it has nothing to do */
	uint32_t         in_hand, tenants, largest, lanes;
	uint64_t         requests;
	uint64_t         memory_bytes;
	enum stats_cause leaves;  /* STATS_CAUSE__COUNT: not by itself */
	uint32_t         refused; /* as in the slot */
	uint32_t         last_route, last_status; /* the route may be in no table */
	int64_t          last_us;
};

void stats_read(const struct stats_slot *s, int64_t now_ms, struct stats_report *out);

/* False when there is no request, or none that could be read whole. The id is printable ASCII. */
bool stats_read_doing(const struct stats_slot *s, size_t hand, struct stats_doing *out);

/* The oldest request in hand. */
bool stats_read_oldest(const struct stats_slot *s, struct stats_doing *out);

/* A counter, or the most that may be added up without overflow: no honest one is larger. */
uint64_t stats_counted(const _Atomic(uint64_t) *counter);

#endif
