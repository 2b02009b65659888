/* shm/requests: the ring of the requests that were answered last, alone and among processes. */
#include "shm/requests.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { KEPT = 64 };

static struct requests *ring;
static char             text[REQUESTS_TEXT_BYTES];

static int
set_up(void **state UNUSED)
{
	log_init("test", LOG_LEVEL_ERROR);
	ring = requests_new(KEPT);
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	requests_free(ring);
	return 0;
}

static struct id
id_of(unsigned char of)
{
	struct id id;

	memset(id.b, of, sizeof(id.b) / 2);
	memset(id.b + sizeof(id.b) / 2, of | 0x80, sizeof(id.b) / 2);
	return id;
}

/* All of it says n, so that a mixture of two is seen. */
static void
add_as(struct requests *to, unsigned char environment, uint64_t n)
{
	char                  id[REQUEST_ID_MAX_BYTES + 1], path[64];
	struct requests_entry e = {
		.environment = id_of(environment),
		.user = n % 2,
		.arrived_us = (int64_t)n,
		.took_us = (int64_t)(n % 1000000),
		.status = (unsigned)(n % 500),
		.error = (unsigned)(n % 60000),
		.method = (unsigned)(n % 7),
		.version = (unsigned)(n % 11),
	};

	memcpy(e.actor.b, &n, sizeof(n));
	memcpy(e.actor.b + sizeof(n), &n, sizeof(n));
	/* Ids of several lengths, so that what was behind a longer one is there still. */
	snprintf(id, sizeof(id), "%0*ju", (int)(20 + n % 100), (uintmax_t)n);
	snprintf(path, sizeof(path), "/%ju", (uintmax_t)n);
	e.id = str_of(id);
	e.path = str_of(path);
	requests_add(to, &e);
}

static void
add(uint64_t n)
{
	add_as(ring, 1, n);
}

/* Which n it says, if all of it says the same. */
static bool
is_whole(const struct requests_entry *e, uint64_t *n)
{
	char     id[REQUEST_ID_MAX_BYTES + 1], path[64];
	uint64_t actor[2];

	*n = (uint64_t)e->arrived_us;
	memcpy(actor, e->actor.b, sizeof(actor));
	snprintf(id, sizeof(id), "%0*ju", (int)(20 + *n % 100), (uintmax_t)*n);
	snprintf(path, sizeof(path), "/%ju", (uintmax_t)*n);
	return actor[0] == *n && actor[1] == *n && e->user == *n % 2 && e->took_us == (int64_t)(*n % 1000000)
	    && e->status == *n % 500 && e->error == *n % 60000 && e->method == *n % 7 && e->version == *n % 11
	    && str_is(e->id, id) && str_is(e->path, path);
}

/* How many of an environment there are; all are whole, and the newest comes first. */
static unsigned
count(const struct requests *r, unsigned char environment, uint64_t *newest)
{
	struct requests_entry e;
	const struct id       id = id_of(environment);
	uint64_t              before = UINT64_MAX, n, former = UINT64_MAX;
	unsigned              found = 0;

	for (; requests_find(r, &id, &before, &e, text); found++) {
		assert_true(before < former);
		former = before;
		if (!is_whole(&e, &n))
			fail_msg("request %ju is torn: %.*s %.*s", (uintmax_t)n, STR_ARGS(e.id), STR_ARGS(e.path));
		assert_true(id_eq(&e.environment, &id));
		if (found == 0 && newest)
			*newest = n;
	}
	assert_int_equal(before, requests_end(r) > KEPT ? requests_end(r) - KEPT : 0);
	return found;
}

static void
the_last_are_kept_and_no_more(void **state UNUSED)
{
	struct requests_entry e;
	const struct id       id = id_of(1);
	uint64_t              newest, before;

	assert_int_equal(count(ring, 1, NULL), 0);
	for (uint64_t n = 0; n < 3 * KEPT; n++) {
		add(n);
		assert_int_equal(count(ring, 1, &newest), n < KEPT ? n + 1 : KEPT);
		assert_int_equal(newest, n);
	}
	/* Where somebody went on from is gone by now. */
	before = 5;
	assert_false(requests_find(ring, &id, &before, &e, text));
	/* It goes on from any number that is there. */
	before = 3 * KEPT - 2;
	assert_true(requests_find(ring, &id, &before, &e, text));
	assert_int_equal(before, 3 * KEPT - 3);
	assert_int_equal(e.arrived_us, 3 * KEPT - 3);
}

static void
an_environment_finds_its_own(void **state UNUSED)
{
	struct requests_entry e;
	struct id             half = id_of(1);
	uint64_t              before = UINT64_MAX;

	for (uint64_t n = 0; n < KEPT; n++)
		add_as(ring, (unsigned char)(1 + n % 3), n);
	assert_int_equal(count(ring, 1, NULL), (KEPT + 2) / 3);
	assert_int_equal(count(ring, 2, NULL), (KEPT + 1) / 3);
	assert_int_equal(count(ring, 3, NULL), KEPT / 3);
	assert_int_equal(count(ring, 0, NULL), 0);
	/* Neither half of an id is enough. */
	memset(half.b, 2, sizeof(half.b) / 2);
	assert_false(requests_find(ring, &half, &before, &e, text));
	half = id_of(1);
	memset(half.b + sizeof(half.b) / 2, 2 | 0x80, sizeof(half.b) / 2);
	before = UINT64_MAX;
	assert_false(requests_find(ring, &half, &before, &e, text));
}

static void
what_does_not_fit_is_cut_and_marked(void **state UNUSED)
{
	static const struct {
		size_t id, path, shown; /* lengths */
	} cases[] = {
		{ 1, 1, 1 }, { 26, 60, 60 }, { 128, 56, 56 }, { 128, 57, 56 }, { 128, 400, 56 }, { 127, 57, 57 }, { 26, 158, 158 }, { 26, 159, 158 },
		{ 300, 300, 56 }, { 1, 183, 183 }, { 1, 184, 183 }, { 0, 0, 0 },
	};
	char            id[400], path[400];
	const struct id environment = id_of(1);

	memset(id, 'i', sizeof(id));
	memset(path, 'p', sizeof(path));
	for (size_t i = 0; i < COUNTOF(cases); i++) {
		uint64_t              before = UINT64_MAX;
		struct requests_entry e = {
			.environment = environment,
			.id = { id, cases[i].id },
			.path = { path, cases[i].path },
			.took_us = INT64_MAX,
		};
		bool cut = cases[i].shown < cases[i].path;

		requests_add(ring, &e);
		assert_true(requests_find(ring, &environment, &before, &e, text));
		assert_int_equal(e.id.len, cases[i].id < 128 ? cases[i].id : 128);
		assert_int_equal(e.path.len, cases[i].shown);
		assert_true(e.id.len == 0 || (e.id.ptr[0] == 'i' && e.id.ptr[e.id.len - 1] == 'i'));
		assert_true(e.path.len == 0 || e.path.ptr[0] == 'p');
		assert_int_equal(cut, e.path.len > 3 && memcmp(e.path.ptr + e.path.len - 3, "...", 3) == 0);
		assert_int_equal(e.took_us, UINT32_MAX);
	}
}

static void
figures_have_bounds(void **state UNUSED)
{
	static const struct {
		int64_t took_us, kept;
	} cases[] = {
		{ -1, 0 }, { 0, 0 }, { 1, 1 }, { UINT32_MAX - 1, UINT32_MAX - 1 }, { UINT32_MAX, UINT32_MAX }, { (int64_t)UINT32_MAX + 1, UINT32_MAX },
	};
	const struct id environment = id_of(1);

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct requests_entry e = { .environment = environment, .took_us = cases[i].took_us, .status = 599, .error = 65535, .method = 255, .version = 255, .user = true };
		uint64_t              before = UINT64_MAX;

		requests_add(ring, &e);
		assert_true(requests_find(ring, &environment, &before, &e, text));
		assert_int_equal(e.took_us, cases[i].kept);
		assert_int_equal(e.status, 599);
		assert_int_equal(e.error, 65535);
		assert_int_equal(e.method, 255);
		assert_int_equal(e.version, 255);
		assert_true(e.user);
	}
}

/* What fills a slot to its last byte leaves the next one as it is. */
static void
the_longest_do_not_disturb_each_other(void **state UNUSED)
{
	char            long_text[REQUESTS_TEXT_BYTES];
	const struct id environment = id_of(1);

	memset(long_text, 'x', sizeof(long_text));
	for (unsigned n = 0; n < 2 * KEPT + 3; n++) {
		struct requests_entry e = { .environment = environment, .id = { long_text, 100 }, .path = { long_text, REQUESTS_TEXT_BYTES - 100 } };
		uint64_t              before = UINT64_MAX;
		unsigned              found = 0;

		requests_add(ring, &e);
		while (requests_find(ring, &environment, &before, &e, text)) {
			assert_int_equal(e.id.len + e.path.len, REQUESTS_TEXT_BYTES);
			found++;
		}
		assert_int_equal(found, n < KEPT ? n + 1 : KEPT);
	}
}

static void
what_is_not_printable_is_absent(void **state UNUSED)
{
	static const struct {
		struct str id, path;
	} cases[] = {
		{ STR("\x01"), STR("/") }, { STR("a"), STR("/\x7f") }, { STR("a b"), STR("/") }, { STR("a"), STR("/\xc3\xa9") }, { STR("a"), STR("\n/") },
	};
	const struct id environment = id_of(1);

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct requests_entry e = { .environment = environment, .id = cases[i].id, .path = cases[i].path };
		uint64_t              before = UINT64_MAX;

		requests_add(ring, &e);
		assert_false(requests_find(ring, &environment, &before, &e, text));
	}
}

/* Whether this process has the memory of a ring. */
static bool
has_ring(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char  line[512];
	bool  found = false;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		found |= strstr(line, "clientele-requests") != NULL;
	fclose(maps);
	return found;
}

static void
the_memory_has_no_descriptor_and_goes(void **state UNUSED)
{
	int              status, first = dup(STDIN_FILENO), second;
	struct requests *another;
	pid_t            pid;

	close(first);
	assert_false(has_ring());
	another = requests_new(KEPT);
	second = dup(STDIN_FILENO);
	close(second);
	assert_int_equal(second, first);
	assert_true(has_ring());
	requests_free(another);
	assert_false(has_ring());
	requests_free(NULL);
	/* And where there is none to have, a service does not start. */
	pid = fork();
	if (pid == 0) {
		close(STDERR_FILENO);
		signal(SIGXFSZ, SIG_IGN); /* where files have a largest size */
		(void)requests_new(SIZE_MAX / 1024);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), EXIT_OS);
}

static void
since_when_all_are_there_is_known(void **state UNUSED)
{
	const int64_t made_us = requests_since_us(ring);

	assert_true(made_us <= clock_wall_us() && made_us > clock_wall_us() - 60 * INT64_C(1000000));
	assert_int_equal(requests_mark(ring), made_us);
	/* What arrives is later than that, mostly: a slow one may be answered after others. */
	for (uint64_t n = 0; n < KEPT; n++) {
		add((uint64_t)made_us + (n == 3 ? 1000 : n));
		assert_int_equal(requests_since_us(ring), made_us);
	}
	add((uint64_t)made_us + 2000);
	assert_int_equal(requests_since_us(ring), made_us); /* the first one arrived just then */
	add((uint64_t)made_us + 2001);
	assert_int_equal(requests_since_us(ring), made_us + 1);
	add((uint64_t)made_us + 2002);
	assert_int_equal(requests_since_us(ring), made_us + 2);
	add((uint64_t)made_us + 2003);
	assert_int_equal(requests_since_us(ring), made_us + 1000);
	add((uint64_t)made_us + 2004);
	assert_int_equal(requests_since_us(ring), made_us + 1000); /* no less than for the one before */
}

/* ---- processes */

/* As shm/requests.c has it; the tests below break it. */
enum { WORDS = 32, HEAD_BYTES = 128 };

static _Atomic(uint64_t) *
next_number(void)
{
	void *table;

	memcpy(&table, ring, sizeof(table));
	return table;
}

static _Atomic(uint64_t) *
slot(size_t i)
{
	return next_number() + HEAD_BYTES / 8 + i * WORDS;
}

static void
what_is_half_written_is_absent(void **state UNUSED)
{
	uint64_t kept[WORDS];

	for (uint64_t n = 0; n < KEPT; n++)
		add(n);
	for (size_t w = 0; w < WORDS; w++)
		kept[w] = slot(7)[w];
	assert_int_equal(count(ring, 1, NULL), KEPT);
	/* A writer that died: before it was done, and with its words among another's. */
	slot(7)[0] = 0;
	assert_int_equal(count(ring, 1, NULL), KEPT - 1);
	slot(7)[0] = kept[0];
	assert_int_equal(count(ring, 1, NULL), KEPT);
	for (size_t w = 0; w < WORDS; w++) {
		bool used = w < 9 + (20 + 7 + 2 + 7) / 8;

		slot(7)[w] = ~kept[w];
		assert_int_equal(count(ring, 1, NULL), KEPT - used);
		slot(7)[w] = kept[w];
	}
	/* The next one takes the slot as any other. */
	slot(7)[0] = 0;
	for (uint64_t n = KEPT; n < KEPT + 8; n++)
		add(n);
	assert_int_equal(count(ring, 1, NULL), KEPT);
}

static void
nonsense_leads_nowhere(void **state UNUSED)
{
	for (unsigned round = 0; round < 200000; round++) {
		struct requests_entry e;
		const struct id       id = id_of(1);
		uint64_t              before = UINT64_MAX;

		if (round % 1000 == 0)
			for (uint64_t n = 0; n < KEPT; n++)
				add(n);
		slot((size_t)rand() % KEPT)[rand() % WORDS] = (uint64_t)rand() << (rand() % 40);
		if (round % 10 == 0)
			while (requests_find(ring, &id, &before, &e, text)) {
				assert_true(e.id.len + e.path.len <= REQUESTS_TEXT_BYTES);
				assert_true(e.id.ptr == text && e.path.ptr == text + e.id.len);
			}
	}
}

/* A process that slept for a whole round does not put its old request in the place of a new one. */
static void
who_comes_a_round_late_takes_nobodys_place(void **state UNUSED)
{
	uint64_t newest;

	for (uint64_t n = 0; n < KEPT; n++)
		add(n);
	slot(0)[0] = KEPT + 1; /* as if the others were one round ahead there */
	*next_number() = 0;
	add((uint64_t)INT64_MAX);
	assert_int_equal(slot(0)[0], KEPT + 1);
	assert_int_equal(requests_since_us(ring), INT64_MAX); /* it is lost */
	*next_number() = KEPT;
	assert_int_equal(count(ring, 1, &newest), KEPT - 1);
}

enum { WRITERS = 6, EACH = 60000 };

static pid_t
write_many(unsigned char who, bool endless)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (uint64_t n = 0; endless || n < EACH; n++)
		add_as(ring, (unsigned char)(1 + who % 3), (uint64_t)who << 40 | n);
	_exit(0);
}

static void
many_write_while_others_read(void **state UNUSED)
{
	pid_t    pid[WRITERS];
	int      status, ended = 0;
	unsigned seen = 0;

	for (unsigned char who = 0; who < WRITERS; who++)
		pid[who] = write_many(who, false);
	while (ended < WRITERS) {
		for (unsigned char environment = 1; environment <= 3; environment++) {
			struct requests_entry e;
			const struct id       id = id_of(environment);
			uint64_t              before = UINT64_MAX, n;

			while (requests_find(ring, &id, &before, &e, text)) {
				assert_true(is_whole(&e, &n));
				assert_int_equal((n >> 40) % 3 + 1, environment);
				seen++;
			}
		}
		if (waitpid(-1, &status, WNOHANG) > 0) {
			assert_int_equal(status, 0);
			ended++;
		}
	}
	(void)pid;
	assert_true(seen > 0);
	assert_int_equal(requests_end(ring), (uint64_t)WRITERS * EACH);
	/* None is lost but for a late one now and then. */
	assert_true(count(ring, 1, NULL) + count(ring, 2, NULL) + count(ring, 3, NULL) >= KEPT - WRITERS);
}

static void
killed_writers_leave_no_torn_request(void **state UNUSED)
{
	for (int round = 0; round < 60; round++) {
		pid_t pid[3];
		int   status;

		for (unsigned char i = 0; i < COUNTOF(pid); i++)
			pid[i] = write_many(i, true);
		usleep((useconds_t)(500 + rand() % 2000));
		for (size_t i = 0; i < COUNTOF(pid); i++)
			kill(pid[i], SIGKILL);
		for (size_t i = 0; i < COUNTOF(pid); i++)
			assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		for (unsigned char environment = 1; environment <= 3; environment++)
			(void)count(ring, environment, NULL);
	}
	for (uint64_t n = 0; n < KEPT; n++)
		add(n);
	assert_int_equal(count(ring, 1, NULL), KEPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_last_are_kept_and_no_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_environment_finds_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_cut_and_marked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(figures_have_bounds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_longest_do_not_disturb_each_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_printable_is_absent, set_up, tear_down),
		cmocka_unit_test(the_memory_has_no_descriptor_and_goes),
		cmocka_unit_test_setup_teardown(since_when_all_are_there_is_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_half_written_is_absent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nonsense_leads_nowhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_comes_a_round_late_takes_nobodys_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_write_while_others_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(killed_writers_leave_no_torn_request, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
