/*
 * How many processors this process may use: those it may be scheduled on, or fewer when its control
 * group has a quota of processor time.
 */
#ifndef MASTER_CPUS_H
#define MASTER_CPUS_H

#include "base/str.h"

struct cpus {
	unsigned count; /* at least 1 */
	bool     quota; /* it is cpu.max of a control group that makes it so few */
};

struct cpus cpus_usable(void);

/* The processors that the text of a cpu.max grants, rounded up; 0: no limit. */
unsigned cpus_of_quota(struct str text);

#endif
