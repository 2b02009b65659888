/*
 * A worker: one application, one request at a time, until it is told to leave.
 *
 * Leaves     After max_requests, or when it has more than max_memory; on SIGTERM
 *            (without a supervisor also SIGINT), when the request in hand and those
 *            that wait in the socket's queue are answered; and when the supervisor is gone.
 * Log        SIGUSR1 opens it again.
 * Database   Away: it serves all the same, and the API answers 503. Unfit
 *            (role, schema): it does not start, EXIT_CONFIG.
 * Signals    worker_run() sets them up. They stay blocked throughout, because
 *            libfcgi takes an interrupted read for the end of a request, and are
 *            read from a descriptor.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "app/app.h"
#include "conf/conf.h"
#include "net/listen.h"
#include "shm/stats.h"

/* All that a worker is given; everything else it inherited is closed. */
struct heritage {
	const struct conf  *conf;
	const struct allow *allow;
	struct stats_slot  *stats;
	struct buckets     *buckets;     /* of all workers */
	struct stats_pool  *pool;        /* of all workers; without a supervisor this one's own */
	int                 listen_fd;
	int                 lifeline_fd; /* ends when the supervisor is gone; -1: there is none */
	int                 ready_fd;    /* takes the worker's pid when it serves, or -1 */
};

/* Returns the exit code of the process. */
int worker_run(const struct heritage *h);

#endif
