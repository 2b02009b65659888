/*
 * A worker's connection to the database while it waits, and whether it takes requests.
 *
 * Takes      New connections of front servers, while it has a connection to the database, or when
 *            no worker has one: then all of them answer at once that there is none. A worker
 *            without one beside others that have one leaves the listen queue to them, and tries
 *            again with the back-off of db/db.h. Otherwise it would draw the load, because nobody
 *            fails as fast.
 * Room       A request that is in a worker already when there is no more room for its connection
 *            asks for that of another worker, which gives way between two requests.
 * Notices    The end of an idle connection at once, not with the next request.
 */
#ifndef WORKER_LINK_H
#define WORKER_LINK_H

#include "app/app.h"
#include "shm/stats.h"

struct link {
	/* Set by the caller. */
	struct app          *app;
	struct stats_shared *shared;
	size_t               place;
	int                  epoll_fd;
	int                  listen_fd;
	uint32_t             listen_tag, database_tag; /* of their events */

	/* The link's own. */
	struct db_hooks      hooks;
	bool                 listens;
	unsigned             epoch; /* db_epoch() when all of this was brought in line */
	int64_t              lost_ms; /* when an idle connection was last lost; 0: never */
};

void link_init(struct link *l);

/*
 * To be called before each wait: brings the watched descriptors in line. Returns the ms until it
 * wants to be called again at the latest.
 */
int64_t link_tend(struct link *l);

/* After an event with database_tag. */
void link_look(struct link *l);

/* The worker leaves. */
void link_fini(struct link *l);

#endif
