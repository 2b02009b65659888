/*
 * The scoreboard: what the workers are doing and have done, in memory that all
 * processes of the service share.
 *
 * Layout     One part for the pool and one for each worker it can hold, written by the
 *            supervisor alone, and one for each worker that this worker alone writes.
 * Ownership  The process that calls stats_new(); its children inherit the
 *            pages. stats_free() unmaps them for the caller alone. Another program
 *            image goes on with them by stats_attach(), see master/upgrade.h.
 * Locks      None: single words, one writer each, and others read them. A
 *            killed writer can hold nobody up. What a request is (struct
 *            stats_doing) is several words: stats_read_doing() says when it was changed meanwhile.
 * Counters   Go on over the death of a worker; only the supervisor's end ends them,
 *            or an upgrade to a version with another layout.
 * Units      _ms is clock_mono_ms(), _us a duration in microseconds; the clock
 *            is the same for all processes.
 * Privacy    Nothing of a customer's; of a request only the id that its answer carries.
 */
#ifndef SHM_STATS_H
#define SHM_STATS_H

#include "base/base.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"
#include "shm/routes_gen.h"

#include <stdatomic.h>

enum {
	STATS_ROUTES_MAX = ROUTES_COUNT + 1, /* of all resources, and one for what is no route */
	STATS_CLASSES = 6,     /* status / 100 */
	STATS_BUCKETS = 15,    /* of a histogram; the last one has no upper bound */
};

enum stats_state { STATS_IDLE, STATS_READING, STATS_HANDLING, STATS_WRITING, STATS__COUNT };

extern const char *const stats_state_names[STATS__COUNT];

/*
 * What a worker counts: STATS(name, metric without prefix and _total, help).
 */
#define STATS_EVENTS(STATS) \
	STATS(USELESS,   "connections_useless", "Connections without a request that can be understood.") \
	STATS(ABANDONED, "requests_abandoned", "Requests whose sender had left before they were begun.") \
	STATS(CANCELLED, "requests_cancelled", "Requests whose sender left while the database worked for them.") \
	STATS(EXPIRED,   "requests_expired", "Requests that had waited longer than queue_timeout.") \
	STATS(SHED,      "requests_shed", "Requests refused because the listen queue was nearly full.") \
	STATS(LIMITED,   "requests_limited", "Requests refused by a rate limit.") \
	STATS(REPLAYED,  "requests_replayed", "Answers given again for an Idempotency-Key.") \
	STATS(SLOW,      "requests_slow", "Requests that took longer than slow_request.") \
	STATS(REUSED,    "connections_reused", "Requests on a connection that the front server had kept.")

enum stats_event {
#define STATS(name, metric, help) STATS_##name,
	STATS_EVENTS(STATS)
#undef STATS
	STATS__EVENTS
};

extern const char *const stats_event_names[STATS__EVENTS]; /* metrics */
extern const char *const stats_event_helps[STATS__EVENTS];

struct stats_histogram {
	_Atomic(uint64_t) count[STATS_BUCKETS];
	_Atomic(uint64_t) sum_us;
};

extern const int64_t stats_bound_us[STATS_BUCKETS - 1]; /* a value equal to a bound belongs to its bucket */

/* How the worker stands with the database. */
enum stats_db { STATS_DB_NONE, STATS_DB_CONNECTED, STATS_DB_AWAY, STATS_DB__COUNT };

extern const char *const stats_db_names[STATS_DB__COUNT];

/* A request in hand. */
struct stats_doing {
	int64_t  since_ms; /* accepted */
	uint32_t route;    /* row of the table of routes, or STATS_NO_ROUTE */
	char     request_id[REQUEST_ID_MAX_BYTES + 1]; /* empty: not known yet */
};

enum { STATS_NO_ROUTE = STATS_ROUTES_MAX - 1 };

struct stats_slot {
	_Alignas(64) _Atomic(int64_t) since_ms; /* when the state began */
	_Atomic(int64_t)  busy_ms;  /* when the request in hand was accepted; 0: none */
	_Atomic(uint64_t) requests; /* answered */
	_Atomic(uint32_t) state;    /* enum stats_state */
	_Atomic(uint32_t) db;       /* enum stats_db */
	_Atomic(uint32_t) leaves;   /* enum stats_cause and one, of a worker that leaves by itself; 0: it does not */
	_Atomic(uint32_t) refused;  /* number, and one, of the system call that the sandbox ended it for; 0: none */
	_Atomic(uint64_t) memory_bytes; /* resident, as of the last second with a request */

	/* The last request that was answered. */
	_Atomic(uint32_t) last_route;
	_Atomic(uint32_t) last_status; /* HTTP; 0: there was none */
	_Atomic(int64_t)  last_us;

	_Alignas(64) _Atomic(uint32_t) doing_turn; /* odd while 'doing' is being written */
	struct stats_doing     doing;
	_Atomic(uint64_t)      event[STATS__EVENTS];
	_Atomic(uint64_t)      answered[STATS_ROUTES_MAX][STATS_CLASSES];
	struct stats_histogram took[STATS_ROUTES_MAX]; /* from accept to the answer's last byte */
	struct stats_histogram database;               /* waiting for PostgreSQL, of requests that asked it */
	struct stats_histogram queued;                 /* from the front server to accept, when it told */
};

/* Why a worker's place had to be filled again. */
#define STATS_CAUSES(CAUSE) \
	CAUSE(CRASH,    "crash")    /* a signal that nobody of us sent */ \
	CAUSE(SANDBOX,  "sandbox")  /* it asked the system for what it never needs */ \
	CAUSE(EXIT,     "exit")     /* it ended by itself, with a failure */ \
	CAUSE(HANG,     "hang")     /* killed: one request took too long */ \
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

/* What the supervisor alone writes about the pool. */
struct stats_pool {
	_Atomic(int64_t)  started_wall_ms;
	_Atomic(uint32_t) generation;   /* of the configuration; 0: none is good yet */
	_Atomic(uint32_t) target;       /* workers that there should be */
	_Atomic(uint32_t) given_up;     /* places of these that stay empty: their workers died again and again */
	_Atomic(uint32_t) workers_min;  /* bounds of target */
	_Atomic(uint32_t) workers_max;
	_Atomic(uint32_t) busy_peak;    /* most workers with a request in hand at once, as seen by the supervisor */
	_Atomic(uint64_t) max_reached;  /* how often all workers became busy and workers_max forbade another */
	_Atomic(uint32_t) stopping;     /* 0 or 1 */
	_Atomic(int64_t)  queue_length; /* connections that wait for a worker; -1: not known */
	_Atomic(int64_t)  queue_limit;  /* as the kernel has it; -1: not known */
	_Atomic(int64_t)  queue_peak;
	_Atomic(uint64_t) restarts[STATS_CAUSE__COUNT];

	/* The exception: what follows and the queue_ above is written by whoever looks at the queue (net/queue.h). */
	_Alignas(64) _Atomic(uint32_t) shedding; /* 0 or 1: the listen queue is nearly full */
	_Atomic(uint32_t) queue_silent;   /* the log says that its length cannot be told */
	_Atomic(int64_t)  looked_ms;      /* at the queue, whoever did; 0: nobody yet */
	_Atomic(int64_t)  shed_since_ms;  /* what the log calls one time of refusing; 0: there is none */
	_Atomic(int64_t)  shed_last_ms;   /* the last refusal in it */
	_Atomic(uint64_t) shed_requests;  /* refused in it */
	_Atomic(int64_t)  told_expired_ms; /* in the log, at most once in a while */
	_Atomic(uint32_t) told_sandbox;   /* what it cannot do is in the log, once */
};

/* What the supervisor alone writes about a worker. */
enum stats_life {
	STATS_EMPTY,
	STATS_WAITING,  /* it died; its successor is not due yet */
	STATS_STARTING, /* forked, has not said that it serves */
	STATS_READY,
	STATS_STOPPING, /* was told to leave */
	STATS_GIVEN_UP, /* died too often without an answer: nobody is started here before a reload or a command */
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

enum { STATS_STAMP_BYTES = 64 };

struct stats {
	char              stamp[STATS_STAMP_BYTES]; /* of version and layout */
	int               fd; /* of the memory, in the process that made it */
	struct stats_pool pool;
	size_t            slots; /* never changes */
	struct {
		_Alignas(64) struct stats_worker worker; /* the supervisor's */
		struct stats_slot                own;    /* the worker's */
	} slot[];
};

/* Ends the process when the system has no memory to share. */
struct stats *stats_new(size_t slots);

/* The memory behind a descriptor; NULL when it is not of this very version and size. fd is kept then, too. */
struct stats *stats_attach(int fd, size_t slots);
void          stats_free(struct stats *s);

/* From now on this process can only read; its children too. False: errno says why. */
bool stats_read_only(struct stats *s);

/* For a new worker in this place: nothing in hand, nothing answered. Counters stay. */
void stats_begin(struct stats_slot *s);

void stats_observe(struct stats_histogram *h, int64_t us);

/* What the worker is at; an id that is too long is cut. */
void stats_do(struct stats_slot *s, uint32_t route, struct str request_id);

/* For others. False when there is no request, or none that could be read whole. */
bool stats_read_doing(const struct stats_slot *s, struct stats_doing *out);

static inline void
stats_enter(struct stats_slot *s, enum stats_state state)
{
	int64_t now = clock_mono_ms();

	atomic_store_explicit(&s->since_ms, now, memory_order_relaxed);
	atomic_store_explicit(&s->state, state, memory_order_relaxed);
	if (state == STATS_IDLE)
		atomic_store_explicit(&s->busy_ms, 0, memory_order_relaxed);
	else if (state == STATS_READING)
		atomic_store_explicit(&s->busy_ms, now, memory_order_relaxed);
}

/* By the one writer, so a plain load and store are enough. */
static inline void
stats_count(_Atomic(uint64_t) *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
	    memory_order_relaxed);
}

#endif
