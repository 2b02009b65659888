/*
 * What the log says about a process that died: how, and which requests a worker had in hand.
 */
#ifndef MASTER_OBITUARY_H
#define MASTER_OBITUARY_H

#include "shm/stats.h"

#include <sys/types.h>

enum { OBITUARY_END_BYTES = 96 };

/* A line for each request that the worker has in hand. */
void obituary_requests(unsigned worker, const struct stats_slot *slot);

/* "signal 9 (SIGKILL)": how a process ended; refused is as in struct stats_slot. */
void obituary_end(int status, uint32_t refused, char out[OBITUARY_END_BYTES]);

struct obituary {
	unsigned                   number;
	pid_t                      pid;
	int                        status; /* of waitpid() */
	enum stats_life            life;
	int64_t                    age_ms;
	uint64_t                   requests;
	const struct stats_report *last;
	const struct stats_slot   *slot;
};

void obituary_log(const struct obituary *o);

#endif
