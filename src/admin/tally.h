/*
 * The scoreboard added up: plain numbers of one moment, for status and metrics.
 *
 * Rows       FIGURES() is the one list of single numbers: what JSON and Prometheus call them, and
 *            what they mean. A new figure is a row here and a line in tally_take().
 * Moment     Others write while it is read: numbers may be a request apart.
 * Privacy    None of the API's data.
 */
#ifndef ADMIN_TALLY_H
#define ADMIN_TALLY_H

#include "db/db.h"
#include "shm/stats.h"

enum figure_type { FIGURE_GAUGE, FIGURE_COUNTER };

/*
 * FIGURE(name, JSON member, metric without prefix or NULL, type, what one of the metric's units is
 * in the figure's, help). -1 is "not known": null in JSON, no metric.
 */
#define FIGURES(FIGURE) \
	FIGURE(UP, NULL, "up", GAUGE, 1, \
	    "1: clientele serve runs.") \
	FIGURE(READY, NULL, "ready", GAUGE, 1, \
	    "1: /ready answers 200.") \
	FIGURE(STARTED, "startedMs", "start_time_seconds", GAUGE, 1000, \
	    "When the service was started, since 1970.") \
	FIGURE(UPTIME, "uptimeMs", NULL, GAUGE, 1, "") \
	FIGURE(CLOCK_JUMPS, "clockJumps", "clock_jumps_total", COUNTER, 1, \
	    "How often the system's clock jumped by a second or more.") \
	FIGURE(GENERATION, "generation", "generation", GAUGE, 1, \
	    "Generation of the configuration, 1 at the start.") \
	FIGURE(TARGET, "target", "workers_target", GAUGE, 1, \
	    "Workers that there should be.") \
	FIGURE(MIN, "min", "workers_min", GAUGE, 1, \
	    "Fewest workers allowed.") \
	FIGURE(MAX, "max", "workers_max", GAUGE, 1, \
	    "Most workers allowed.") \
	FIGURE(SERVING, "serving", "workers_serving", GAUGE, 1, \
	    "Workers that take requests.") \
	FIGURE(IDLE, "idle", NULL, GAUGE, 1, "") \
	FIGURE(ACTIVE, "active", NULL, GAUGE, 1, "") \
	FIGURE(GIVEN_UP, "givenUp", "workers_given_up", GAUGE, 1, \
	    "Places that stay empty because their workers died again and again.") \
	FIGURE(PEAK, "activePeak", "busy_peak", GAUGE, 1, \
	    "Most workers that were seen busy at once.") \
	FIGURE(MAX_REACHED, "maxReached", "workers_max_reached_total", COUNTER, 1, \
	    "How often all workers became busy and workers_max forbade another.") \
	FIGURE(MEMORY, "memoryBytes", "workers_memory_bytes", GAUGE, 1, \
	    "Resident memory of all workers, shared pages counted for each.") \
	FIGURE(QUEUE_LENGTH, "queueLength", "listen_queue_length", GAUGE, 1, \
	    "Connections that wait for a worker.") \
	FIGURE(QUEUE_LIMIT, "queueLimit", "listen_queue_limit", GAUGE, 1, \
	    "Connections that may wait for a worker.") \
	FIGURE(QUEUE_PEAK, "queuePeak", "listen_queue_peak", GAUGE, 1, \
	    "Most connections that waited for a worker.") \
	FIGURE(IN_HAND, "inHand", "requests_in_hand", GAUGE, 1, \
	    "Requests that workers have in hand.") \
	FIGURE(TENANTS, "environmentsActive", "environments_active", GAUGE, 1, \
	    "Environments that have requests in hand, in the worker where they are most.") \
	FIGURE(LARGEST, "environmentRequests", "environment_requests", GAUGE, 1, \
	    "Requests in hand of the environment that has the most in one worker.") \
	FIGURE(STOPPING, "stopping", "stopping", GAUGE, 1, \
	    "1: the service is draining.") \
	FIGURE(SHEDDING, "shedding", "shedding", GAUGE, 1, \
	    "1: requests are refused because the queue is nearly full.") \
	FIGURE(LISTENING, "listening", "listening", GAUGE, 1, \
	    "1: front servers find the listen socket where it was made.") \
	FIGURE(DATABASE, "databaseUp", "database_up", GAUGE, 1, \
	    "1: the admin process reaches the database, and is not refused.") \
	FIGURE(CONNECTED, "databaseConnected", "database_connected_workers", GAUGE, 1, \
	    "Workers with a connection to the database.") \
	FIGURE(LANES, "databaseConnections", "database_connections", GAUGE, 1, \
	    "Connections to the database that workers have.") \
	FIGURE(NO_ROOM, "databaseNoRoom", "database_no_room_workers", GAUGE, 1, \
	    "Workers without a connection because the database has no room for one more.") \
	FIGURE(CLERK, "clerk", "clerk_up", GAUGE, 1, \
	    "1: this host's clerk runs. Missing: it has none.") \
	FIGURE(CLERK_BEHIND, "clerkBehindMs", "clerk_behind_seconds", GAUGE, 1000, \
	    "For how long the clerk has had something to do that is not done.") \
	FIGURE(CONNECTIONS, "connections", NULL, COUNTER, 1, "") \
	FIGURE(REQUESTS, "requests", NULL, COUNTER, 1, "") \
	FIGURE(RELOADS, "reloads", "reloads_total", COUNTER, 1, \
	    "Reloads that were begun.") \
	FIGURE(RELOADS_REFUSED, "reloadsRefused", "reloads_refused_total", COUNTER, 1, \
	    "Reloads that were refused.") \
	FIGURE(RELOAD_REFUSED, "reloadRefused", "reload_refused", GAUGE, 1, \
	    "1: the last reload was refused, and an older configuration is in force.") \
	FIGURE(UPGRADES, "upgrades", "upgrades_total", COUNTER, 1, \
	    "Upgrades in place that were begun.") \
	FIGURE(UPGRADES_REFUSED, "upgradesRefused", "upgrades_refused_total", COUNTER, 1, \
	    "Upgrades in place that were refused.") \
	FIGURE(UPGRADE_REFUSED, "upgradeRefused", "upgrade_refused", GAUGE, 1, \
	    "1: the last upgrade was refused, and the former program runs.") \
	FIGURE(REFUSAL, "lastRefusalMs", "last_refusal_time_seconds", GAUGE, 1000, \
	    "When a reload or an upgrade was last refused, since 1970.")

enum figure {
#define FIGURE(name, json, metric, type, unit, help) FIGURE_##name,
	FIGURES(FIGURE)
#undef FIGURE
	FIGURE__COUNT
};

struct figure_row {
	const char      *json, *metric; /* either may be NULL */
	enum figure_type type;
	int64_t          unit;
	const char      *help;
};

extern const struct figure_row figure_rows[FIGURE__COUNT];

/* What a worker is at: its life, or when it serves the state of its request. */
enum tally_state {
	TALLY_IDLE,
	TALLY_HANDLING,
	TALLY_WAITING,
	TALLY_STARTING,
	TALLY_STOPPING,
	TALLY_GIVEN_UP,
	TALLY_STATE__COUNT,
	TALLY_NOBODY = TALLY_STATE__COUNT /* an empty place */
};

extern const char *const tally_state_names[TALLY_STATE__COUNT];

struct tally_histogram {
	uint64_t count[STATS_BUCKETS];
	uint64_t sum_us;
};

/* Of a reload or an upgrade. */
struct tally_refusal {
	int64_t          wall_ms; /* 0: there was none */
	enum change_kind kind;
	bool             stands;  /* none of its kind has taken since */
	char             why[CHANGE_WHY_BYTES];
};

struct tally {
	int64_t                figure[FIGURE__COUNT];
	enum db_condition      condition; /* what the admin process finds */
	uint64_t               state[TALLY_STATE__COUNT]; /* workers */
	uint64_t               restarts[STATS_CAUSE__COUNT];
	uint64_t               event[STATS_EVENT__COUNT];
	uint64_t               done[STATS_JOB__COUNT];   /* by the clerk */
	uint64_t               failed[STATS_JOB__COUNT];
	uint64_t               answered[STATS_ROUTES_MAX][STATS_CLASSES];
	struct tally_histogram took[STATS_ROUTES_MAX];
	struct tally_histogram database;
	struct tally_histogram lane;
	struct tally_histogram queued;
	struct tally_refusal   refusal;
};

/* READY, DATABASE and the condition are not in the scoreboard: they are 0 afterwards. */
void tally_take(const struct stats *s, struct tally *out);

enum tally_state tally_state(const struct stats *s, size_t place);

#endif
