/*
 * The connections of front servers that a worker holds, and the requests in them.
 *
 * Turn       The loop hands in events; at its end clients_settle() does what has become possible:
 *            requests that waited for a place begin, connections that ended are freed.
 * Bounds     requests_in_hand requests run at once; others wait in their sockets, in the order in
 *            which they came, and meanwhile no connection is accepted. What is gathered of requests
 *            and waits of answers has CLIENTS_BYTES; above that large requests wait, all but one,
 *            and end when they are not there in time.
 * Left       A client that has left is seen by its event, and its transaction told (db/lanes.h).
 */
#ifndef WORKER_CLIENTS_H
#define WORKER_CLIENTS_H

#include "fcgi/conn.h"
#include "guard/heritage.h"
#include "net/queue.h"
#include "worker/hand.h"

struct lanes;

enum {
	/* For another worker to take a connection that this one leaves to it. */
	CLIENTS_YIELD_MS = 20,
	CLIENTS_BYTES = 64 * 1024 * 1024,
};

struct client;

struct clients {
	/* Set by the caller. */
	const struct heritage *h;
	struct stats_slot     *stats;
	struct app            *app;
	struct fcgi           *fcgi;
	struct queue          *queue;
	struct share          *share;
	int                    poller;
	unsigned               kind;    /* of their sources */
	uint64_t               left;    /* requests until max_requests */
	bool                   choked;  /* no room for one more; the caller resets it */

	/* Its own. */
	bool           leaving;         /* connections end with their next answer */
	struct hands   hands;
	struct hand   *done;            /* answered in this turn */
	struct client *first;           /* all that are open */
	struct client *ended;           /* to be freed at the end of the turn */
	struct client *waiting, **waiting_end; /* something can be read, but there is no place */
	size_t         waiting_count;
	size_t         count;
	size_t         most;            /* of them: as many as descriptors leave room for */
	size_t         bytes;           /* of requests that are gathered, and of answers */
	struct client *growing;         /* which goes on above CLIENTS_BYTES; or NULL */
	int64_t        next_ms;         /* the earliest deadline, or before it */
	int64_t        made_room_ms;    /* when a tenant's share was last looked at */
	int64_t        parted_ms;       /* when a connection was last left to other workers */
	int64_t        yielded_ms;      /* since when others are to take connections; 0: not */
	bool           waited;          /* what is read in this turn may have waited */
};

void    clients_init(struct clients *c);
void    clients_fini(struct clients *c);

/* Whether it wants further connections; no: other workers have clearly fewer, or it is full. */
bool    clients_has_room(struct clients *c);

/* Takes a connection that waits. False: none does (any more). */
bool    clients_accept(struct clients *c);

void    clients_event(struct clients *c, struct source *source, unsigned is);

/* At the end of a turn. True: something was read, so that there may be more to send and settle. */
bool    clients_settle(struct clients *c);

/* Ends what is late; when it wants to be called again (monotonic). */
int64_t clients_tick(struct clients *c, int64_t now_ms);

/* From now on connections end with their next answer. */
void    clients_leave(struct clients *c);

/* Closes those that have no request, nor a part of one, and do not wait for a place either. */
void    clients_close_idle(struct clients *c);

/* Whether there is a request in hand. */
bool    clients_busy(const struct clients *c);

#endif
