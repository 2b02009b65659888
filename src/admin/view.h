/*
 * One place of the pool, read once, for status and table.
 *
 * Judged     What the worker itself has written comes through shm/stats.h and can be shown as it
 *            is: no name is out of its table, no time negative.
 */
#ifndef ADMIN_VIEW_H
#define ADMIN_VIEW_H

#include "shm/stats.h"

struct view {
	size_t              place; /* from 1 */
	int                 pid;
	uint32_t            generation;
	enum stats_life     life;
	bool                alive; /* there is a process */
	int64_t             age_ms, state_ms; /* since it was forked, since the state began */
	uint64_t            requests; /* answered by this worker */
	int64_t             cpu_ms; /* -1: not known */
	struct stats_report own;
	bool                busy;
	struct stats_doing  doing; /* when busy: the oldest request in hand */
	int64_t             doing_ms;
};

/* False: the place is empty. */
bool view_read(const struct stats *s, size_t place, int64_t now_ms, struct view *v);

/* "GET /things/{id}", or "none" for what is no route. */
void view_route(uint32_t number, char *out, size_t size);

#endif
