/* The scoreboard. */
#include "shm/stats.h"
#include "base/arena.h"
#include "base/log.h"
#include "shm/memory.h"

#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const stats_state_names[STATS_STATE__COUNT] = {
	[STATS_STATE_IDLE] = "idle",
	[STATS_STATE_HANDLING] = "handling",
};

const char *const stats_db_names[STATS_DB__COUNT] = {
	[STATS_DB_NONE] = "none",
	[STATS_DB_CONNECTED] = "connected",
	[STATS_DB_AWAY] = "away",
	[STATS_DB_NO_ROOM] = "no room",
};

const char *const stats_cause_names[STATS_CAUSE__COUNT] = {
#define CAUSE(name, label) [STATS_CAUSE_##name] = label,
	STATS_CAUSES(CAUSE)
#undef CAUSE
};

const char *const stats_life_names[STATS_LIFE__COUNT] = {
	[STATS_LIFE_EMPTY] = "empty",
	[STATS_LIFE_WAITING] = "waiting",
	[STATS_LIFE_STARTING] = "starting",
	[STATS_LIFE_READY] = "ready",
	[STATS_LIFE_STOPPING] = "stopping",
	[STATS_LIFE_GIVEN_UP] = "given up",
};

const char *const stats_job_names[STATS_JOB__COUNT] = {
#define JOB(name, label, what) [STATS_JOB_##name] = label,
	STATS_JOBS(JOB)
#undef JOB
};

const char *const stats_job_whats[STATS_JOB__COUNT] = {
#define JOB(name, label, what) [STATS_JOB_##name] = what,
	STATS_JOBS(JOB)
#undef JOB
};

const char *const stats_event_names[STATS_EVENT__COUNT] = {
#define EVENT(name, metric, help) [STATS_EVENT_##name] = metric,
	STATS_EVENTS(EVENT)
#undef EVENT
};

const char *const stats_event_helps[STATS_EVENT__COUNT] = {
#define EVENT(name, metric, help) [STATS_EVENT_##name] = help,
	STATS_EVENTS(EVENT)
#undef EVENT
};

/* From half a millisecond, the best that a request can do, to what ends it anyway. */
const int64_t stats_bound_us[STATS_BUCKETS - 1] = { 500, 1000, 2500, 5000, 10000, 25000, 50000,
	100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000 };

/* ---- the memory: the supervisor's part, 'shared', the clerk's, the slots; each on own pages */

enum { STAMP_BYTES = 64 };

struct head {
	char                stamp[STAMP_BYTES]; /* of version and layout */
	struct stats_pool   pool;
	struct stats_worker worker[];
};

static size_t
whole_pages(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static size_t
head_bytes(size_t slots)
{
	return whole_pages(sizeof(struct head) + slots * sizeof(struct stats_worker));
}

static size_t
shared_bytes(void)
{
	return whole_pages(sizeof(struct stats_shared));
}

static size_t
clerk_bytes(void)
{
	return whole_pages(sizeof(struct stats_clerk));
}

static size_t
slot_bytes(void)
{
	return whole_pages(sizeof(struct stats_slot));
}

static size_t
clerk_at(size_t slots)
{
	return head_bytes(slots) + shared_bytes();
}

static size_t
slots_at(size_t slots)
{
	return clerk_at(slots) + clerk_bytes();
}

static size_t
all_bytes(size_t slots)
{
	return slots_at(slots) + slots * slot_bytes();
}

static void
print_stamp(char out[STAMP_BYTES], size_t slots)
{
	memset(out, 0, STAMP_BYTES);
	snprintf(out, STAMP_BYTES, "%s/%zu/%zu/%d/%d/%d", PACKAGE_STRING, slots, all_bytes(slots),
	    STATS_EVENT__COUNT, STATS_CAUSE__COUNT, STATS_JOB__COUNT);
}

static bool
map(struct stats *s, int fd, int protection)
{
	void        *at = mmap(NULL, all_bytes(s->slots), protection, MAP_SHARED, fd, 0);
	struct head *head = at;

	if (at == MAP_FAILED)
		return false;
	s->memory = at;
	s->pool = &head->pool;
	s->worker = head->worker;
	s->shared = (struct stats_shared *)(void *)(s->memory + head_bytes(s->slots));
	s->clerk = (struct stats_clerk *)(void *)(s->memory + clerk_at(s->slots));
	return true;
}

static struct stats *
allocate(int fd, size_t slots)
{
	struct stats *s = must_alloc(sizeof(*s));

	assert(slots <= STATS_PLACES_MAX);
	*s = (struct stats) { .slots = slots, .fd = fd };
	if (fd != -1 && map(s, fd, PROT_READ | PROT_WRITE))
		return s;
	free(s);
	return NULL;
}

static struct head *
head_of(const struct stats *s)
{
	return (struct head *)(void *)s->memory;
}

struct stats *
stats_new(size_t slots)
{
	struct stats *s = allocate(memory_open("clientele-stats", all_bytes(slots)), slots);

	if (!s) {
		log_error("no shared memory: %s", strerror(errno));
		exit(EXIT_OS);
	}
	print_stamp(head_of(s)->stamp, slots);
	word_set(&s->shared->queue_length, -1);
	word_set(&s->shared->queue_limit, -1);
	return s;
}

struct stats *
stats_attach(int fd, size_t slots)
{
	char          stamp[STAMP_BYTES];
	struct stats *s;
	struct stat   st;

	if (fstat(fd, &st) == -1 || st.st_size != (off_t)all_bytes(slots))
		return NULL;
	s = allocate(fd, slots);
	if (!s)
		return NULL;
	print_stamp(stamp, slots);
	if (memcmp(head_of(s)->stamp, stamp, sizeof(stamp)) == 0)
		return s;
	munmap(s->memory, all_bytes(slots));
	free(s);
	return NULL;
}

void
stats_free(struct stats *s)
{
	munmap(s->memory, all_bytes(s->slots));
	if (s->fd != -1)
		close(s->fd);
	free(s);
}

struct stats_slot *
stats_slot(const struct stats *s, size_t place)
{
	return (struct stats_slot *)(void *)(s->memory + slots_at(s->slots) + place * slot_bytes());
}

/*
 * What was there can come back only through a descriptor. Nothing takes its place, so that a stray
 * pointer is a crash and does not lead to other memory.
 */
static bool
drop(struct stats *s, size_t from, size_t to)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

	return from == to
	    || mmap(s->memory + from, to - from, PROT_NONE, flags, -1, 0) != MAP_FAILED;
}

bool
stats_keep_slot(struct stats *s, size_t place)
{
	size_t own = slots_at(s->slots) + place * slot_bytes();

	s->fd = -1;
	s->pool = NULL;
	s->worker = NULL;
	s->clerk = NULL;
	return drop(s, 0, head_bytes(s->slots)) && drop(s, clerk_at(s->slots), own)
	    && drop(s, own + slot_bytes(), all_bytes(s->slots));
}

bool
stats_keep_clerk(struct stats *s)
{
	s->fd = -1;
	s->pool = NULL;
	s->worker = NULL;
	s->shared = NULL;
	return drop(s, 0, clerk_at(s->slots)) && drop(s, slots_at(s->slots), all_bytes(s->slots));
}

bool
stats_keep_nothing(struct stats *s)
{
	s->fd = -1;
	s->pool = NULL;
	s->worker = NULL;
	s->shared = NULL;
	s->clerk = NULL;
	return drop(s, 0, all_bytes(s->slots));
}

/* By another descriptor, because mprotect() would undo what mprotect() did. */
bool
stats_keep_view(struct stats *s)
{
	char path[32];
	int  fd;
	bool mapped;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1 || !stats_keep_nothing(s))
		return false;
	mapped = map(s, fd, PROT_READ);
	close(fd);
	return mapped;
}

/* ---- who is connected */

static uint64_t
bit_of(size_t place)
{
	return UINT64_C(1) << place % 64;
}

void
stats_set_connected(struct stats_shared *s, size_t place, bool connected)
{
	_Atomic(uint64_t) *word = &s->connected[place / 64];

	if (connected)
		atomic_fetch_or(word, bit_of(place));
	else if (atomic_fetch_and(word, ~bit_of(place)) & bit_of(place))
		word_set(&s->disconnected_ms, clock_mono_ms());
}

bool
stats_others_connected(const struct stats_shared *s, size_t place)
{
	for (size_t i = 0; i < COUNTOF(s->connected); i++)
		if (word_get(&s->connected[i]) & ~(i == place / 64 ? bit_of(place) : 0))
			return true;
	return false;
}

/* ---- how connections are spread */

void
stats_add_client(struct stats_slot *s, struct stats_shared *shared, int change)
{
	word_set(&s->clients, word_get(&s->clients) + (uint32_t)change);
	atomic_fetch_add_explicit(&shared->clients, change, memory_order_relaxed);
}

void
stats_lose_clients(struct stats_slot *s, struct stats_shared *shared)
{
	atomic_fetch_sub_explicit(&shared->clients, word_get(&s->clients), memory_order_relaxed);
	word_set(&s->clients, 0);
}

bool
stats_is_crowded(const struct stats_slot *s, const struct stats_shared *shared)
{
	int64_t all = word_get(&shared->clients), serving = word_get(&shared->serving);

	/* Above the average by a quarter, and by more than one. */
	return serving > 1 && all > 0
	    && 4 * serving * ((int64_t)word_get(&s->clients) - 1) > 5 * all;
}

/* ---- writing */

void
stats_begin(struct stats_slot *s)
{
	stats_enter(s, STATS_STATE_IDLE);
	word_set(&s->turn_ms, 0);
	word_set(&s->in_hand, 0);
	word_set(&s->tenants, 0);
	word_set(&s->largest, 0);
	word_set(&s->lanes, 0);
	for (size_t i = 0; i < REQUESTS_IN_HAND_MAX && s->hand[i].turn; i++)
		stats_done(s, i);
	word_set(&s->serves, 0);
	word_set(&s->leaves, 0);
	word_set(&s->refused, 0);
	word_set(&s->last_status, 0);
	word_set(&s->db, STATS_DB_NONE);
	word_set(&s->memory_bytes, 0);
}

void
stats_begin_clerk(struct stats_clerk *c)
{
	word_set(&c->behind_since_wall_ms, 0);
	word_set(&c->set_aside, 0);
	word_set(&c->db, STATS_DB_NONE);
	word_set(&c->refused, 0);
}

void
stats_observe(struct stats_histogram *h, int64_t us)
{
	size_t i = 0;

	while (i < STATS_BUCKETS - 1 && us > stats_bound_us[i])
		i++;
	stats_count(&h->count[i]);
	word_add(&h->sum_us, us > 0 ? (uint64_t)us : 0);
}

/* A writer that was killed half-way left an odd turn. */
static uint32_t
begin_writing(struct stats_hand *h)
{
	uint32_t turn = word_get(&h->turn) | 1;

	word_set(&h->turn, turn);
	atomic_thread_fence(memory_order_release);
	return turn;
}

static void
end_writing(struct stats_hand *h, uint32_t turn)
{
	atomic_store_explicit(&h->turn, turn + 1, memory_order_release);
}

void
stats_do(struct stats_slot *s, size_t hand, int64_t since_ms, uint32_t route,
    struct str request_id)
{
	struct stats_hand *h = &s->hand[hand];
	uint32_t           turn = begin_writing(h);
	size_t             len = request_id.len;

	if (len > REQUEST_ID_MAX_BYTES)
		len = REQUEST_ID_MAX_BYTES;
	h->doing.since_ms = since_ms;
	h->doing.route = route;
	if (len)
		memcpy(h->doing.request_id, request_id.ptr, len);
	h->doing.request_id[len] = '\0';
	end_writing(h, turn);
}

void
stats_done(struct stats_slot *s, size_t hand)
{
	struct stats_hand *h = &s->hand[hand];
	uint32_t           turn = begin_writing(h);

	h->doing.since_ms = 0;
	end_writing(h, turn);
}

/* ---- reading a slot, by others */

uint64_t
stats_counted(const _Atomic(uint64_t) *counter)
{
	/* A thousand of these fit int64_t; a million a second for 35 years are fewer. */
	const uint64_t most = UINT64_C(1) << 50;
	uint64_t       n = word_get(counter);

	return n < most ? n : most;
}

/* No worker has more of anything. */
static uint32_t
bounded(uint32_t n)
{
	return n < REQUESTS_IN_HAND_MAX ? n : REQUESTS_IN_HAND_MAX;
}

void
stats_read(const struct stats_slot *s, int64_t now_ms, struct stats_report *out)
{
	uint32_t state = word_get(&s->state), db = word_get(&s->db);
	uint32_t leaves = word_get(&s->leaves) - 1; /* 0 becomes the largest number there is */
	int64_t  turn_ms = word_get(&s->turn_ms), last_us = word_get(&s->last_us);

	*out = (struct stats_report) {
		.serves = word_get(&s->serves) != 0,
		.state = state < STATS_STATE__COUNT ? (enum stats_state)state : STATS_STATE_IDLE,
		.db = db < STATS_DB__COUNT ? (enum stats_db)db : STATS_DB_NONE,
		.state_ms = clock_age(word_get(&s->since_ms), now_ms),
		.stuck_ms = turn_ms == 0 ? -1 : clock_age(turn_ms, now_ms),
		.in_hand = bounded(word_get(&s->in_hand)),
		.tenants = bounded(word_get(&s->tenants)),
		.largest = bounded(word_get(&s->largest)),
		.lanes = bounded(word_get(&s->lanes)),
		.requests = stats_counted(&s->requests),
		.memory_bytes = stats_counted(&s->memory_bytes),
		.leaves = leaves < STATS_CAUSE__COUNT ? (enum stats_cause)leaves
						      : STATS_CAUSE__COUNT,
		.refused = word_get(&s->refused),
		.last_route = word_get(&s->last_route),
		.last_status = word_get(&s->last_status),
		.last_us = last_us > 0 ? last_us : 0,
	};
}

/* It goes to logs and terminals. */
static void
clean(char *id, size_t size)
{
	id[size - 1] = '\0';
	for (; *id; id++)
		if (!str_is_visible(*id))
			*id = '?';
}

bool
stats_read_doing(const struct stats_slot *s, size_t hand, struct stats_doing *out)
{
	const struct stats_hand *h = &s->hand[hand];

	for (int tries = 0; tries < 3; tries++) {
		uint32_t turn = atomic_load_explicit(&h->turn, memory_order_acquire);

		*out = h->doing;
		atomic_thread_fence(memory_order_acquire);
		if (!(turn & 1) && word_get(&h->turn) == turn) {
			clean(out->request_id, sizeof(out->request_id));
			return out->since_ms != 0;
		}
	}
	return false;
}

bool
stats_read_oldest(const struct stats_slot *s, struct stats_doing *out)
{
	bool               found = false;
	struct stats_doing doing;

	for (size_t i = 0; i < REQUESTS_IN_HAND_MAX && word_get(&s->hand[i].turn); i++)
		if (stats_read_doing(s, i, &doing) && (!found || doing.since_ms < out->since_ms)) {
			*out = doing;
			found = true;
		}
	return found;
}
