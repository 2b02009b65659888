/* What the workers are doing. */
#include "base/stats.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

const char *const stats_state_names[STATS__COUNT] = {
	[STATS_IDLE] = "idle",
	[STATS_READING] = "reading",
	[STATS_HANDLING] = "handling",
	[STATS_WRITING] = "writing",
};

_Static_assert(sizeof(struct stats_slot) == 64, "a slot is one cache line");

struct stats_slot *
stats_new(size_t slots)
{
	void *p = mmap(NULL, slots * sizeof(struct stats_slot), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		log_error("no shared memory: %s", strerror(errno));
		exit(EXIT_OS);
	}
	return p;
}

void
stats_free(struct stats_slot *slots, size_t count)
{
	munmap(slots, count * sizeof(*slots));
}
