/*
 * The supervisor: holds the listening socket, keeps the workers alive, and neither speaks to the
 * database nor parses what comes from the network.
 *
 * Start      A child of its own checks role and schema first: EXIT_CONFIG ends the service before
 *            a worker was started.
 * Signals    SIGTERM, SIGINT   stop; requests in hand and in the queue are answered
 *            a second one, SIGQUIT   stop at once
 *            SIGHUP    read the configuration again; when it is good, replace the workers one by
 *                      one, each after its successor serves
 *            SIGUSR1   open the log again, here and in the children; when its folder is another
 *                      one, replace the children, whose sandbox is bound to the old one
 *            SIGUSR2   become another program image, see upgrade.h
 *            SIGTTIN, SIGTTOU   one worker more, one less
 * Commands   Those of admin/command.h, from the admin process, which is kept alive like a worker.
 * Workers    pool.h says what becomes of them, scale.h how many there are. When all places are
 *            given up, the service ends with EXIT_DEFECT: a service manager sees that, and front
 *            servers get an error at once.
 * Idle       One wake-up a second.
 */
#ifndef MASTER_SUPERVISOR_H
#define MASTER_SUPERVISOR_H

#include "conf/conf.h"
#include "master/handover.h"
#include "master/upgrade.h"
#include "net/listen.h"

struct supervisor_args {
	struct listener *listener; /* open; its file is removed at the stop */
	struct listener *admin;    /* these two the same for the admin process; fd may be -1 */
	struct listener *metrics;
	struct conf     *conf;     /* replaced in place by a reload */

	/* Reads the configuration again; out is initialised only when it returns true. */
	bool (*load)(const void *load_with, struct conf *out, struct buf *err);
	const void *load_with;

	const struct handover *handover; /* pid 0: a start from nothing */
	struct upgrade        *upgrade;
};

/* Returns the exit code of the service. */
int supervisor_run(const struct supervisor_args *args);

#endif
