/* The scoreboard. */
#include "shm/stats.h"
#include "base/log.h"

#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const stats_state_names[STATS__COUNT] = {
	[STATS_IDLE] = "idle",
	[STATS_READING] = "reading",
	[STATS_HANDLING] = "handling",
	[STATS_WRITING] = "writing",
};

const char *const stats_db_names[STATS_DB__COUNT] = {
	[STATS_DB_NONE] = "none",
	[STATS_DB_CONNECTED] = "connected",
	[STATS_DB_AWAY] = "away",
};

const char *const stats_cause_names[STATS_CAUSE__COUNT] = {
#define CAUSE(name, label) [STATS_CAUSE_##name] = label,
	STATS_CAUSES(CAUSE)
#undef CAUSE
};

const char *const stats_life_names[STATS_LIFE__COUNT] = {
	[STATS_EMPTY] = "empty",
	[STATS_WAITING] = "waiting",
	[STATS_STARTING] = "starting",
	[STATS_READY] = "ready",
	[STATS_STOPPING] = "stopping",
	[STATS_GIVEN_UP] = "given up",
};

const char *const stats_event_names[STATS__EVENTS] = {
#define STATS(name, metric, help) [STATS_##name] = metric,
	STATS_EVENTS(STATS)
#undef STATS
};

const char *const stats_event_helps[STATS__EVENTS] = {
#define STATS(name, metric, help) [STATS_##name] = help,
	STATS_EVENTS(STATS)
#undef STATS
};

/* From half a millisecond, the best that a request can do, to what ends it anyway. */
const int64_t stats_bound_us[STATS_BUCKETS - 1] = { 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
	1000000, 2500000, 5000000, 10000000 };

static size_t
bytes(size_t slots)
{
	const struct stats *s = NULL;

	return sizeof(*s) + slots * sizeof(s->slot[0]);
}

static void
print_stamp(char out[STATS_STAMP_BYTES], size_t slots)
{
	memset(out, 0, STATS_STAMP_BYTES);
	snprintf(out, STATS_STAMP_BYTES, "%s/%zu/%zu/%d/%d", PACKAGE_STRING, slots, bytes(slots), STATS__EVENTS,
	    STATS_CAUSE__COUNT);
}

static struct stats *
map(int fd, size_t slots)
{
	void *at = mmap(NULL, bytes(slots), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

static int
open_memory(void)
{
	enum { NOEXEC_SEAL = 8 }; /* Linux 6.3; a system may insist on it */

	int fd = memfd_create("clientele-stats", MFD_CLOEXEC | NOEXEC_SEAL);

	return fd == -1 && errno == EINVAL ? memfd_create("clientele-stats", MFD_CLOEXEC) : fd;
}

struct stats *
stats_new(size_t slots)
{
	int           fd = open_memory();
	struct stats *s = NULL;

	if (fd != -1 && ftruncate(fd, (off_t)bytes(slots)) == 0)
		s = map(fd, slots);
	if (!s) {
		log_error("no shared memory: %s", strerror(errno));
		exit(EXIT_OS);
	}
	print_stamp(s->stamp, slots);
	s->fd = fd;
	s->slots = slots;
	atomic_store(&s->pool.queue_length, -1);
	atomic_store(&s->pool.queue_limit, -1);
	return s;
}

struct stats *
stats_attach(int fd, size_t slots)
{
	char          stamp[STATS_STAMP_BYTES];
	struct stats *s;
	struct stat   st;

	if (fstat(fd, &st) == -1 || st.st_size != (off_t)bytes(slots))
		return NULL;
	s = map(fd, slots);
	if (!s)
		return NULL;
	print_stamp(stamp, slots);
	if (memcmp(s->stamp, stamp, sizeof(stamp)) == 0) {
		s->fd = fd;
		return s;
	}
	munmap(s, bytes(slots));
	return NULL;
}

void
stats_free(struct stats *s)
{
	int fd = s->fd;

	munmap(s, bytes(s->slots));
	close(fd);
}

bool
stats_read_only(struct stats *s)
{
	return mprotect(s, bytes(s->slots), PROT_READ) == 0;
}

void
stats_begin(struct stats_slot *s)
{
	stats_enter(s, STATS_IDLE);
	atomic_store(&s->leaves, 0);
	atomic_store(&s->refused, 0);
	atomic_store(&s->last_status, 0);
	atomic_store(&s->db, STATS_DB_NONE);
	atomic_store(&s->memory_bytes, 0);
}

void
stats_observe(struct stats_histogram *h, int64_t us)
{
	size_t i = 0;

	while (i < STATS_BUCKETS - 1 && us > stats_bound_us[i])
		i++;
	stats_count(&h->count[i]);
	atomic_store_explicit(&h->sum_us,
	    atomic_load_explicit(&h->sum_us, memory_order_relaxed) + (us > 0 ? (uint64_t)us : 0), memory_order_relaxed);
}

void
stats_do(struct stats_slot *s, uint32_t route, struct str request_id)
{
	uint32_t turn = atomic_load_explicit(&s->doing_turn, memory_order_relaxed);
	size_t   len = request_id.len < REQUEST_ID_MAX_BYTES ? request_id.len : REQUEST_ID_MAX_BYTES;

	/* A writer that was killed half-way left an odd turn. */
	turn |= 1;
	atomic_store_explicit(&s->doing_turn, turn, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	s->doing.since_ms = atomic_load_explicit(&s->busy_ms, memory_order_relaxed);
	s->doing.route = route;
	if (len)
		memcpy(s->doing.request_id, request_id.ptr, len);
	s->doing.request_id[len] = '\0';
	atomic_store_explicit(&s->doing_turn, turn + 1, memory_order_release);
}

bool
stats_read_doing(const struct stats_slot *s, struct stats_doing *out)
{
	for (int tries = 0; tries < 3; tries++) {
		uint32_t turn = atomic_load_explicit(&s->doing_turn, memory_order_acquire);

		*out = s->doing;
		atomic_thread_fence(memory_order_acquire);
		if (!(turn & 1) && atomic_load_explicit(&s->doing_turn, memory_order_relaxed) == turn) {
			out->request_id[sizeof(out->request_id) - 1] = '\0';
			return out->since_ms != 0
			    && out->since_ms == atomic_load_explicit(&s->busy_ms, memory_order_relaxed);
		}
	}
	return false;
}
