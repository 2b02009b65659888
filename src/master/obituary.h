/*
 * What the log says about a process that died: how, and a worker in which request.
 */
#ifndef MASTER_OBITUARY_H
#define MASTER_OBITUARY_H

#include "shm/stats.h"

#include <sys/types.h>

enum { OBITUARY_DOING_BYTES = REQUEST_ID_MAX_BYTES + 160, OBITUARY_END_BYTES = 96 };

/* " request=... route=\"...\" age_ms=...", or nothing when it has no request in hand. */
void obituary_doing(const struct stats_slot *slot, char out[OBITUARY_DOING_BYTES]);

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
