/*
 * The supervisor: holds the listening socket, keeps the workers alive, and
 * neither speaks to the database nor parses what comes from the network.
 *
 * Start      A child of its own checks role and schema first: EXIT_CONFIG ends
 *            the service before a worker was started.
 * Signals    SIGTERM, SIGINT  stop; requests in hand and in the queue are answered
 *            the second one, SIGQUIT  stop at once
 *            SIGHUP  read the configuration again; when it is good, replace the
 *            workers one by one, each after its successor serves
 * Workers    One that dies is written about in the log and replaced, after a
 *            pause that grows from 100 ms to 10 s while they keep dying.
 *            One that is busy for three times request_timeout is killed.
 */
#ifndef PROC_SUPERVISOR_H
#define PROC_SUPERVISOR_H

#include "proc/conf.h"
#include "proc/listen.h"

struct supervise {
	struct listener *listener; /* open; its file is removed at the stop */
	struct conf     *conf;     /* replaced in place by a reload */

	/* Reads the configuration again; out is initialised only when it returns true. */
	bool (*load)(const void *load_with, struct conf *out, struct buf *err);
	const void *load_with;
};

/* Returns the exit code of the service. */
int supervisor_run(const struct supervise *what);

/* How many workers a configuration asks for; auto is resolved. */
unsigned supervisor_workers(const struct conf *c);

#endif
