/* master/scale, master/cpus, master/handover: how many workers, and what is handed over, as tables. */
#include "master/cpus.h"
#include "master/handover.h"
#include "master/scale.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
configure(struct conf *c, const char *text)
{
	struct buf err;

	conf_init(c);
	buf_init(&err, 1024);
	if (!conf_read_text(c, "test", str_of(text), &err))
		fail_msg("%.*s", STR_ARGS(buf_view(&err)));
	buf_fini(&err);
}

static void
configure_more(struct conf *c, const char *key, const char *value)
{
	struct buf err;

	buf_init(&err, 1024);
	if (!conf_set(c, key, value, &err))
		fail_msg("%.*s", STR_ARGS(buf_view(&err)));
	buf_fini(&err);
}

static void
numbers_follow_the_configuration(void **state UNUSED)
{
	static const struct {
		const char *text;
		unsigned    cpus, room;
		unsigned    start, min, max;
		bool        cut;
		const char *told;
	} cases[] = {
		{ "", 2, 0, 2, 1, 16, false,
		    "workers: 2, up to 16 by signal or command; auto is one for each of 2 processors, 2 at least" },
		{ "", 1, 0, 2, 1, 8, false,
		    "workers: 2, up to 8 by signal or command; auto is one for each of 1 processors, 2 at least" },
		{ "", 6, 0, 6, 1, 48, false, NULL },
		{ "", 1000, 0, 512, 1, 512, false, NULL },
		{ "workers = 3", 2, 0, 3, 1, 16, false, "workers: 3, up to 16 by signal or command" },
		{ "workers = static 3", 2, 0, 3, 1, 16, false, NULL },
		{ "workers = 100", 2, 0, 100, 1, 100, false, NULL },
		{ "workers = 3\nworkers_max = 5", 2, 0, 3, 1, 5, false, NULL },
		{ "workers = 9\nworkers_max = 5", 2, 0, 9, 1, 9, false, NULL },
		{ "workers = dynamic", 2, 0, 2, 2, 16, false, "workers: dynamic, from 2 to 16" },
		{ "workers = dynamic\nworkers_min = 4\nworkers_max = 6", 2, 0, 4, 4, 6, false, NULL },
		{ "workers = dynamic\nworkers_min = 40", 2, 0, 40, 40, 40, false, NULL },
		{ "workers = 8", 2, 20, 8, 1, 16, false, NULL },
		{ "workers = 8", 2, 10, 8, 1, 10, false, NULL }, /* nobody asked for 16 */
		{ "workers = 8\nworkers_max = 16", 2, 10, 8, 1, 10, true, NULL },
		{ "workers = 8", 2, 5, 5, 1, 5, true, NULL },
		{ "workers = dynamic", 2, 10, 2, 2, 10, true, NULL },
		{ "workers = dynamic", 2, 1, 1, 1, 1, true, NULL },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct cpus  cpus = { cases[i].cpus, false };
		struct conf  c;
		struct scale s;
		struct buf   told;

		configure(&c, cases[i].text);
		buf_init(&told, 1024);
		scale_make(&c, cpus, cases[i].room, &s, &told);
		print_message("%s\n", cases[i].text);
		assert_int_equal(s.start, cases[i].start);
		assert_int_equal(s.min, cases[i].min);
		assert_int_equal(s.max, cases[i].max);
		assert_int_equal(scale_is_cut(&c, cpus, cases[i].room), cases[i].cut);
		if (cases[i].told)
			assert_true(str_is(buf_view(&told), cases[i].told));
		buf_fini(&told);
		conf_fini(&c);
	}
}

static void
each_worker_may_have_so_many_connections(void **state UNUSED)
{
	static const struct {
		unsigned workers, room, lanes;
	} cases[] = {
		{ 2, 0, 4 }, { 2, 95, 4 }, { 2, 8, 4 }, { 2, 7, 3 }, { 2, 4, 2 }, { 2, 3, 1 }, { 2, 1, 1 },
		{ 8, 95, 4 }, { 24, 95, 3 }, { 95, 95, 1 }, { 0, 0, 4 }, { 0, 5, 1 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++)
		assert_int_equal(scale_lanes(cases[i].workers, cases[i].room), cases[i].lanes);
}

static void
the_database_has_room_for(void **state UNUSED)
{
	static const struct {
		struct db_room db;
		unsigned       room;
		const char    *sum;
	} cases[] = {
		{ { 100, 3, -1, -1 }, 95, "max_connections 100, less 3 reserved, less 2 for the check and for a successor" },
		{ { 100, 3, 50, -1 }, 48, "the role's connection limit of 50, less 2 for the check and for a successor" },
		{ { 100, 3, -1, 40 }, 38, "the database's connection limit of 40, less 2 for the check and for a successor" },
		{ { 100, 3, 40, 50 }, 38, "the role's connection limit of 40, less 2 for the check and for a successor" },
		{ { 100, 3, 50, 40 }, 38, "the database's connection limit of 40, less 2 for the check and for a successor" },
		{ { 100, 3, 200, 300 }, 95, NULL },
		{ { 4, 3, -1, -1 }, 1, NULL },
		{ { 100, 3, 0, -1 }, 1, NULL },
		{ { 100000, 3, -1, -1 }, CONF_WORKERS_MAX, NULL },
		{ { 0, 0, 0, 0 }, 0, "" },
	};
	struct conf c;

	configure(&c, "");
	c.clerk = 0;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct buf sum;

		buf_init(&sum, 1024);
		assert_int_equal(scale_room(&c, &cases[i].db, &sum), cases[i].room);
		if (cases[i].sum)
			assert_true(str_is(buf_view(&sum), cases[i].sum));
		buf_reset(&sum, 0);
		if (cases[i].room > 1 && cases[i].room < CONF_WORKERS_MAX) {
			configure_more(&c, "admin_listen", "unix:/a");
			assert_int_equal(scale_room(&c, &cases[i].db, &sum), cases[i].room - 1);
			configure_more(&c, "admin_listen", "");
			c.clerk = 1;
			buf_reset(&sum, 0);
			assert_int_equal(scale_room(&c, &cases[i].db, &sum), cases[i].room - 1);
			buf_add(&sum, "", 1);
			assert_non_null(strstr(sum.ptr, ", less 3 for the check and for a successor, and the clerk"));
			c.clerk = 0;
		}
		c.prepared_statements = 0;
		assert_int_equal(scale_room(&c, &cases[i].db, &sum), 0);
		c.prepared_statements = 1;
		buf_fini(&sum);
	}
	conf_fini(&c);
}

static void
the_load_decides(void **state UNUSED)
{
	static const struct scale dynamic = { .dynamic = true, .start = 2, .min = 2, .max = 6, .spare_min = 2,
		.spare_max = 3 };
	static const struct scale fixed = { .start = 2, .min = 1, .max = 6, .spare_min = 2, .spare_max = 3 };
	static const struct {
		const struct scale *scale;
		struct scale_census n; /* target, idle, spare, coming */
		enum scale_step     step;
	} cases[] = {
		{ &dynamic, { 2, 2, 0, 0 }, SCALE_STAY },
		{ &dynamic, { 2, 1, 0, 0 }, SCALE_GROW },
		{ &dynamic, { 2, 0, 0, 0 }, SCALE_GROW },
		{ &dynamic, { 3, 0, 0, 1 }, SCALE_STAY }, /* one at a time */
		{ &dynamic, { 5, 1, 1, 0 }, SCALE_GROW },
		{ &dynamic, { 6, 1, 1, 0 }, SCALE_FULL },
		{ &dynamic, { 6, 2, 2, 0 }, SCALE_STAY },
		{ &dynamic, { 6, 6, 3, 0 }, SCALE_STAY }, /* idle, but not for long */
		{ &dynamic, { 6, 6, 4, 0 }, SCALE_SHRINK },
		{ &dynamic, { 6, 5, 4, 1 }, SCALE_STAY },
		{ &dynamic, { 3, 3, 3, 0 }, SCALE_STAY },
		{ &dynamic, { 2, 4, 4, 0 }, SCALE_STAY }, /* as few as there may be */
		{ &fixed, { 2, 0, 0, 0 }, SCALE_STAY },
		{ &fixed, { 6, 6, 6, 0 }, SCALE_STAY },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		print_message("case %zu\n", i);
		assert_int_equal(scale_decide(cases[i].scale, &cases[i].n), cases[i].step);
	}
	assert_int_equal(scale_clamp(&dynamic, -5), 2);
	assert_int_equal(scale_clamp(&dynamic, 4), 4);
	assert_int_equal(scale_clamp(&dynamic, INT64_MAX), 6);
}

static void
quotas_are_read(void **state UNUSED)
{
	static const struct {
		const char *text;
		unsigned    cpus;
	} cases[] = {
		{ "max 100000\n", 0 },
		{ "200000 100000\n", 2 },
		{ "150000 100000\n", 2 },
		{ "1000 100000\n", 1 },
		{ "100000", 0 },
		{ "", 0 },
		{ "0 100000", 0 },
		{ "100000 0", 0 },
		{ "9223372036854775807 1", 0 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++)
		assert_int_equal(cpus_of_quota(str_of(cases[i].text)), cases[i].cpus);
	assert_true(cpus_usable().count >= 1);
}

static void
a_handover_arrives_as_it_was_sent(void **state UNUSED)
{
	static struct handover sent = { .pid = 77, .lifeline = { 5, 6 }, .stats = 7, .generation = 3, .started_wall_ms = 1234567890123, .started_ms = 4321,
		.target = 9, .asked = { 0, 2, 16 } };
	static struct handover got;
	struct buf             text;
	bool                   made;

	handover_add_socket(&sent, "listen", 4, true);
	handover_add_socket(&sent, "admin", 8, false);
	for (int i = 0; i < 513; i++) {
		sent.worker[i].place = i;
		sent.worker[i].pid = 4000000 + i;
		sent.worker[i].ready = i % 2;
		sent.worker[i].forked_ms = 9000000000 + i;
		sent.worker[i].requests_before = 1000000 * i;
	}
	sent.workers = 513;
	buf_init(&text, 96 * 1024);
	handover_print(&sent, &text);
	assert_false(text.full);
	assert_true(handover_parse(buf_view(&text), 77, &got));
	assert_memory_equal(&got, &sent, sizeof(got));
	assert_int_equal(handover_socket(&got, "listen", &made), 4);
	assert_true(made);
	assert_int_equal(handover_socket(&got, "admin", &made), 8);
	assert_false(made);
	assert_int_equal(handover_socket(&got, "adm", &made), -1);
	assert_false(handover_parse(buf_view(&text), 78, &got));
	assert_int_equal(got.pid, 0);
	buf_fini(&text);
}

static void
a_handover_of_another_version_is_understood(void **state UNUSED)
{
	static const struct {
		const char *text;
		bool        good;
	} cases[] = {
		{ "pid=7", true },
		{ "pid=7 lifeline=5,6,7 worker=0,1,1,5,6,later later=x,y laterword", true },
		{ "  pid=7   ", true },
		{ "", false },
		{ "pid=", false },
		{ "pid=8", false },
		{ "pid=7 lifeline=5", false },
		{ "pid=7 lifeline=5,x", false },
		{ "pid=7 worker=0,-1,1,5,6", false },
		{ "pid=7 socket.listen=4", false },
		{ "pid=7 socket.a-name-that-is-too-long=4,1", false },
		{ "pid=99999999999999999999", false },
	};
	static struct handover h;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		print_message("%s\n", cases[i].text);
		assert_int_equal(handover_parse(str_of(cases[i].text), 7, &h), cases[i].good);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_follow_the_configuration),
		cmocka_unit_test(each_worker_may_have_so_many_connections),
		cmocka_unit_test(the_database_has_room_for),
		cmocka_unit_test(the_load_decides),
		cmocka_unit_test(quotas_are_read),
		cmocka_unit_test(a_handover_arrives_as_it_was_sent),
		cmocka_unit_test(a_handover_of_another_version_is_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
