/*
 * A worker's connections to the database, and whether it takes requests.
 *
 * Takes      New connections of front servers, while it has a connection to the database, or when
 *            no worker has one: then all of them answer at once that there is none. A worker
 *            without one beside others that have one leaves the listen queue to them, and tries
 *            again with the back-off of db/db.h. Otherwise it would draw the load, because nobody
 *            fails as fast.
 * Room       A request that is in a worker already when there is no more room for its connection
 *            asks for one of another worker, which gives up one that is idle.
 * Notices    The end of an idle connection at once, not with the next request.
 */
#ifndef WORKER_LINK_H
#define WORKER_LINK_H

#include "app/app.h"
#include "db/lanes.h"
#include "shm/stats.h"

struct link {
	/* Set by the caller. */
	struct app          *app;
	struct stats_shared *shared;
	struct stats_slot   *stats;
	size_t               place;
	unsigned             most;   /* connections that it may have */
	int                  poller;
	int                  listen_fd;
	struct source       *listen_source;

	/* The link's own. */
	struct lanes        *lanes;
	struct lanes_hooks   hooks;
	bool                 listens;
	bool                 aside;     /* it has no database, and others have: these answer */
	bool                 connected; /* as others were told */
	int64_t              lost_ms; /* when a connection was last lost; 0: never */
	int64_t              pause_ms; /* until then none is accepted */
};

/* kind: of the sources of lanes. False: the system lacks something; the log has it. */
bool link_init(struct link *l, const struct conf *conf, unsigned kind) MUSTCHECK;

/*
 * To be called before each wait: brings the watched descriptors in line. has_room: the worker takes
 * further connections. Returns the ms until it
 * wants to be called again at the latest.
 */
int64_t link_tend(struct link *l, bool has_room);

/* Takes no new connections for a moment: the system has no descriptor or memory for one more. */
void link_pause(struct link *l);

/* Takes no new connections any more, whatever link_tend() said; not to be called again. */
void link_stop(struct link *l);

/* The worker leaves. */
void link_fini(struct link *l);

#endif
