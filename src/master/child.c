/* The one way in which the supervisor makes a process. */
#include "master/child.h"
#include "base/log.h"
#include "conf/conf.h"
#include "guard/descriptors.h"
#include "guard/harden.h"
#include "master/signals.h"
#include "shm/buckets.h"
#include "shm/requests.h"
#include "shm/stats.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define KEEP(name) (1U << HERITAGE_##name)

enum board { BOARD_NOTHING, BOARD_SLOT, BOARD_CLERK, BOARD_VIEW };

static const struct kind {
	const char *name;     /* in the log; a worker's has its number, too */
	unsigned    fds;      /* KEEP() of those that stay open, besides 0, 1, 2 and the log's */
	enum board  board;    /* what of the scoreboard stays mapped */
	bool        buckets;  /* what keys have used up is its business */
	bool        requests; /* so are those that were answered last */
	bool        restored; /* signals are as the system has them, not blocked */
	int         orphaned; /* the signal for one that does not watch the lifeline */
} kinds[CHILD__COUNT] = {
	[CHILD_WORKER] = {
		.name = "worker",
		.fds = KEEP(LISTEN) | KEEP(LIFELINE) | KEEP(READY),
		.board = BOARD_SLOT,
		.buckets = true,
		.requests = true,
	},
	[CHILD_ADMIN] = {
		.name = "admin",
		.fds = KEEP(ADMIN) | KEEP(METRICS) | KEEP(LIFELINE) | KEEP(COMMAND),
		.board = BOARD_VIEW,
	},
	[CHILD_CLERK] = {
		.name = "clerk",
		.fds = KEEP(LIFELINE),
		.board = BOARD_CLERK,
	},
	[CHILD_CHECK] = {
		.name = "check",
		.fds = KEEP(RESULT),
		.restored = true,
		.orphaned = SIGKILL,
	},
	/* It executes a program, so what it has is what that program has. */
	[CHILD_REHEARSAL] = {
		.name = "rehearsal",
		.fds = KEEP(LISTEN) | KEEP(RESULT),
		.restored = true,
		.orphaned = SIGTERM,
	},
};

static void
take_name(enum child_kind kind, const struct heritage *h)
{
	char name[32];

	if (kind == CHILD_WORKER)
		snprintf(name, sizeof(name), "%s %zu", kinds[kind].name, h->place + 1);
	else
		snprintf(name, sizeof(name), "%s", kinds[kind].name);
	log_init(name, (enum log_level)h->conf->log_level);
}

static bool
drop_descriptors(const struct kind *k, struct heritage *h)
{
	int keep[HERITAGE__FDS + 1] = { log_fd() };

	for (size_t i = 0; i < HERITAGE__FDS; i++) {
		if (!(k->fds & 1U << i))
			h->fd[i] = -1;
		keep[i + 1] = h->fd[i];
	}
	return descriptors_keep(keep, COUNTOF(keep));
}

static bool
drop_memory(const struct kind *k, struct heritage *h)
{
	if (k->buckets)
		buckets_keep(h->buckets);
	else {
		buckets_free(h->buckets);
		h->buckets = NULL;
	}
	if (!k->requests) {
		requests_free(h->requests);
		h->requests = NULL;
	}
	switch (k->board) {
	case BOARD_SLOT:
		return stats_keep_slot(h->stats, h->place);
	case BOARD_CLERK:
		return stats_keep_clerk(h->stats);
	case BOARD_VIEW:
		return stats_keep_view(h->stats);
	case BOARD_NOTHING:
		break;
	}
	return stats_keep_nothing(h->stats);
}

static void
become(enum child_kind kind, struct heritage *h, pid_t parent)
{
	const struct kind *k = &kinds[kind];

	take_name(kind, h);
	harden_process();
	if (k->orphaned && (prctl(PR_SET_PDEATHSIG, k->orphaned) == -1 || getppid() != parent))
		_exit(EXIT_OS);
	/* In this order: a view of the scoreboard takes its descriptor. */
	if (!drop_memory(k, h) || !drop_descriptors(k, h)) {
		log_error("cannot give up what the supervisor has: %s", strerror(errno));
		_exit(EXIT_OS);
	}
	if (k->restored)
		signals_restore();
}

pid_t
child_fork(enum child_kind kind, struct heritage *h)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0)
		become(kind, h, parent);
	if (pid == -1)
		log_error("no new process (%s): %s", kinds[kind].name, strerror(errno));
	return pid;
}
