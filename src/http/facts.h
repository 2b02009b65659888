/*
 * What one request was, for the log and the counters. Nothing of a customer's.
 *
 * Filled by  app_handle(). Views live as long as the request's arena.
 */
#ifndef HTTP_FACTS_H
#define HTTP_FACTS_H

#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "http/trace.h"

struct facts {
	struct str request_id;
	struct trace trace;      /* its id is absent: the request belongs to none */
	uint32_t   route;        /* row of the table of routes, or STATS_NO_ROUTE */
	struct str key;          /* the first characters of a valid API key, as people are shown them; else absent */
	struct id  organization; /* with key */
	enum err   error;
	bool       replayed;     /* the stored answer of an Idempotency-Key was given */
	int64_t    db_us;        /* waiting for PostgreSQL */
	unsigned   db_trips;     /* round trips to it */
	uint64_t   statements;   /* a bit for each enum sql_id that was sent */
	int64_t    queue_us;     /* waited for a worker; -1: not told */
	bool       left;         /* its sender did, while the database worked: the answer is for nobody */
};

#endif
