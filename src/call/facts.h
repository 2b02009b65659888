/*
 * What is known of one request, for the log and the counters. It holds no data of the API.
 *
 * Filled by  app_handle(). Views live as long as the request's arena.
 */
#ifndef CALL_FACTS_H
#define CALL_FACTS_H

#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "db/db.h"
#include "http/trace.h"
#include "http/version.h"

struct facts {
	struct str request_id;
	struct trace trace;      /* its id is absent: the request belongs to no trace */
	uint32_t   route;        /* row of the table of routes, or STATS_NO_ROUTE */
	struct str key;          /* what people are shown of a valid API key; else absent */
	struct id  organization; /* with key */
	enum err   error;
	bool       over_share;   /* its tenant had its share of the workers */
	bool       evicted;      /* another bucket of a rate limit had to give way */
	bool       replayed;     /* the stored answer of an Idempotency-Key was given */
	int64_t    db_us;        /* waiting for PostgreSQL */
	int64_t    lane_us;      /* of that, for a connection to it */
	unsigned   db_trips;     /* round trips to it */
	struct db_statements statements; /* those that were sent */
	int64_t    queue_us;     /* waiting for a worker; -1: not known */
	bool       left;         /* the client hung up while the database worked */

	bool         is_kept;     /* it is for shm/requests.h, and the rest is known */
	struct id    environment; /* that let the caller in; nil: none did */
	struct id    actor;
	bool         user;        /* the actor is one, and no API key */
	enum version version;
	struct str   path;        /* without what clients put into it */
};

#endif
