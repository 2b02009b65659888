/*
 * What the supervisor has for its children. Each child gets the part of it that its row in
 * master/child.c names; in that child the other descriptors are closed and -1 here, and the other
 * pointers are NULL.
 *
 * Lifetime   As long as the process.
 */
#ifndef GUARD_HERITAGE_H
#define GUARD_HERITAGE_H

#include "base/base.h"

enum heritage_fd {
	HERITAGE_LISTEN,   /* the socket of front servers, listening */
	HERITAGE_ADMIN,    /* the socket of administration, listening */
	HERITAGE_METRICS,  /* the socket of those who only read, listening */
	HERITAGE_LIFELINE, /* a pipe that ends when the supervisor is gone */
	HERITAGE_READY,    /* a pipe whose bytes wake the supervisor: some worker serves now */
	HERITAGE_COMMAND,  /* takes struct command */
	HERITAGE_RESULT,   /* takes what a check of the database, or a rehearsal, has found */
	HERITAGE__FDS
};

struct heritage {
	const struct conf  *conf;
	const struct allow *allow;   /* who may connect to HERITAGE_LISTEN */
	struct stats       *stats;
	struct buckets     *buckets; /* of all workers */
	struct requests    *requests; /* likewise; NULL: none are kept */
	size_t              place;   /* a worker's own in stats, from 0 */
	unsigned            lanes;  /* connections to the database that a worker may have */
	bool                must_connect; /* a worker ends when it cannot connect to the database */
	int                 fd[HERITAGE__FDS]; /* -1: there is none */
};

/* Nothing yet. */
static inline void
heritage_init(struct heritage *h)
{
	*h = (struct heritage) { 0 };
	for (size_t i = 0; i < HERITAGE__FDS; i++)
		h->fd[i] = -1;
}

#endif
