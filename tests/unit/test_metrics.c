/* admin/tally, admin/metrics, admin/status: from the scoreboard to what people and Prometheus read. */
#include "admin/metrics.h"
#include "app/resources.h"
#include "admin/status.h"
#include "admin/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PLACES = 4 };

struct state {
	struct stats *stats;
	struct tally  tally;
	struct buf    text;
};

static int
set_up(void **state)
{
	struct state *s = calloc(1, sizeof(*s));

	s->stats = stats_new(PLACES);
	buf_init(&s->text, METRICS_MAX_BYTES);
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct state *s = *state;

	stats_free(s->stats);
	buf_fini(&s->text);
	free(s);
	return 0;
}

/* A serving worker, with or without a request. */
static struct stats_slot *
worker(struct state *s, size_t place, enum stats_life life, enum stats_state state)
{
	struct stats_slot *own = stats_slot(s->stats, place);

	stats_begin(own);
	atomic_store(&s->stats->worker[place].pid, getpid());
	atomic_store(&s->stats->worker[place].life, life);
	stats_enter(own, state);
	word_set(&own->in_hand, state == STATS_STATE_HANDLING ? 3 : 0);
	return own;
}

static const char *
metrics(struct state *s)
{
	buf_reset(&s->text, 0);
	tally_take(s->stats, &s->tally);
	metrics_write(&s->tally, &s->text);
	buf_add(&s->text, "", 1);
	assert_false(s->text.full);
	return s->text.ptr;
}

static void
assert_line(const char *text, const char *line)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (!strstr(text, whole))
		fail_msg("no line \"%s\" in:\n%s", line, text);
}

static uint32_t
route_of(const char *pattern, enum method method)
{
	for (size_t i = 0; route_at(i); i++)
		if (route_at(i)->method == method && strcmp(route_at(i)->pattern, pattern) == 0)
			return (uint32_t)i;
	fail_msg("there is no route %s", pattern);
	return 0;
}

static void
counters_of_all_places_are_added_up_also_of_empty_ones(void **state)
{
	struct state *s = *state;
	uint32_t      get = route_of("customers/{id}", METHOD_GET);
	const char   *text;

	stats_count(&worker(s, 0, STATS_LIFE_READY, STATS_STATE_IDLE)->answered[get][4]);
	stats_count(&worker(s, 1, STATS_LIFE_EMPTY, STATS_STATE_IDLE)->answered[get][4]);
	stats_count(&worker(s, 3, STATS_LIFE_WAITING, STATS_STATE_IDLE)->answered[get][4]);
	stats_count(&stats_slot(s->stats, 1)->answered[STATS_NO_ROUTE][4]);
	stats_count(&stats_slot(s->stats, 1)->event[STATS_EVENT_SLOW]);
	stats_count(&stats_slot(s->stats, 3)->event[STATS_EVENT_SLOW]);
	stats_count(&stats_slot(s->stats, 2)->event[STATS_EVENT_ACCEPTED]);
	stats_count(&stats_slot(s->stats, 3)->event[STATS_EVENT_ACCEPTED]);
	stats_count(&stats_slot(s->stats, 3)->event[STATS_EVENT_GROUPED]);
	stats_count(&s->stats->pool->restarts[STATS_CAUSE_CRASH]);
	text = metrics(s);
	assert_line(text, "clientele_requests_total{route=\"/customers/{id}\",method=\"GET\",code=\"4xx\"} 3");
	assert_line(text, "clientele_requests_total{route=\"/customers/{id}\",method=\"GET\",code=\"2xx\"} 0");
	assert_line(text, "clientele_requests_total{route=\"/invoices/{token}\",method=\"GET\",code=\"2xx\"} 0");
	assert_line(text, "clientele_requests_total{route=\"none\",method=\"none\",code=\"4xx\"} 1");
	assert_line(text, "clientele_requests_slow_total 2");
	assert_line(text, "clientele_connections_accepted_total 2");
	assert_int_equal(s->tally.figure[FIGURE_CONNECTIONS], 2);
	assert_line(text, "clientele_writes_grouped_total 1");
	assert_line(text, "clientele_worker_restarts_total{cause=\"crash\"} 1");
	assert_line(text, "clientele_worker_restarts_total{cause=\"hang\"} 0");
}

static void
buckets_are_cumulative_and_times_are_seconds(void **state)
{
	struct state *s = *state;
	const char   *text;

	stats_observe(&stats_slot(s->stats, 0)->database, 500);
	stats_observe(&stats_slot(s->stats, 1)->database, 501);
	stats_observe(&stats_slot(s->stats, 1)->database, 11000000);
	text = metrics(s);
	assert_line(text, "clientele_database_duration_seconds_bucket{le=\"0.0005\"} 1");
	assert_line(text, "clientele_database_duration_seconds_bucket{le=\"0.001\"} 2");
	assert_line(text, "clientele_database_duration_seconds_bucket{le=\"10\"} 2");
	assert_line(text, "clientele_database_duration_seconds_bucket{le=\"+Inf\"} 3");
	assert_line(text, "clientele_database_duration_seconds_sum 11.001001");
	assert_line(text, "clientele_database_duration_seconds_count 3");
	stats_observe(&stats_slot(s->stats, 2)->lane, 600);
	stats_observe(&stats_slot(s->stats, 0)->took[STATS_NO_ROUTE], 1);
	text = metrics(s);
	assert_line(text, "clientele_database_wait_seconds_bucket{le=\"0.0005\"} 0");
	assert_line(text, "clientele_database_wait_seconds_count 1");
	assert_line(text,
	    "clientele_request_duration_seconds_bucket{route=\"none\",method=\"none\",le=\"0.0005\"} 1");
	assert_line(text, "clientele_request_duration_seconds_count{route=\"none\",method=\"none\"} 1");
}

static void
what_is_not_known_is_left_out(void **state)
{
	struct state *s = *state;

	assert_null(strstr(metrics(s), "listen_queue"));
	atomic_store(&s->stats->shared->queue_length, 3);
	atomic_store(&s->stats->shared->queue_limit, 128);
	atomic_store(&s->stats->shared->queue_peak, 7);
	assert_line(metrics(s), "clientele_listen_queue_length 3");
	assert_line(metrics(s), "clientele_listen_queue_limit 128");
	assert_line(metrics(s), "clientele_listen_queue_peak 7");
}

static void
workers_are_counted_by_what_they_are_at(void **state)
{
	struct state *s = *state;
	const char   *text;

	worker(s, 0, STATS_LIFE_READY, STATS_STATE_IDLE);
	worker(s, 1, STATS_LIFE_READY, STATS_STATE_HANDLING);
	worker(s, 2, STATS_LIFE_STOPPING, STATS_STATE_HANDLING);
	worker(s, 3, STATS_LIFE_WAITING, STATS_STATE_IDLE);
	text = metrics(s);
	assert_line(text, "clientele_workers{state=\"idle\"} 1");
	assert_line(text, "clientele_workers{state=\"handling\"} 1");
	assert_line(text, "clientele_workers{state=\"stopping\"} 1");
	assert_line(text, "clientele_workers{state=\"waiting\"} 1");
	assert_line(text, "clientele_workers_serving 2");
	assert_int_equal(s->tally.figure[FIGURE_IDLE], 1);
	assert_int_equal(s->tally.figure[FIGURE_ACTIVE], 2);
}

static void
what_workers_have_is_added_up_and_of_tenants_the_most_is_told(void **state)
{
	static const struct {
		uint32_t        in_hand, lanes, tenants, largest;
		enum stats_life life;
	} cases[PLACES] = {
		{ 5, 4, 2, 3, STATS_LIFE_READY },
		{ 7, 3, 1, 7, STATS_LIFE_STOPPING },
		{ 9, 9, 9, 9, STATS_LIFE_WAITING }, /* it is dead */
		{ 9, 9, 9, 9, STATS_LIFE_EMPTY },
	};
	struct state *s = *state;
	const char   *text;

	for (size_t i = 0; i < PLACES; i++) {
		struct stats_slot *own = worker(s, i, cases[i].life, STATS_STATE_HANDLING);

		word_set(&own->in_hand, cases[i].in_hand);
		word_set(&own->lanes, cases[i].lanes);
		word_set(&own->tenants, cases[i].tenants);
		word_set(&own->largest, cases[i].largest);
	}
	text = metrics(s);
	assert_line(text, "clientele_requests_in_hand 12");
	assert_line(text, "clientele_database_connections 7");
	assert_line(text, "clientele_environments_active 2");
	assert_line(text, "clientele_environment_requests 7");
}

/* A stranger's word in shared memory must not lead out of a table. */
static void
values_out_of_bounds_do_no_harm(void **state)
{
	struct state *s = *state;

	atomic_store(&worker(s, 0, STATS_LIFE_READY, STATS_STATE_IDLE)->state, 77);
	atomic_store(&worker(s, 1, STATS_LIFE_READY, STATS_STATE_IDLE)->db, 77);
	atomic_store(&worker(s, 2, STATS_LIFE_READY, STATS_STATE_IDLE)->last_route, 77777);
	atomic_store(&stats_slot(s->stats, 2)->last_status, 200);
	atomic_store(&s->stats->worker[3].life, 77);
	assert_line(metrics(s), "clientele_workers{state=\"idle\"} 3");
	buf_reset(&s->text, 0);
	status_write(s->stats, &s->tally, &s->text);
	table_write(s->stats, &s->tally, &s->text);
	assert_false(s->text.full);
}

/* Each family has one HELP and one TYPE, and its samples follow them at once. */
static void
families_are_announced_once_before_their_samples(void **state)
{
	struct state *s = *state;
	struct str    rest = str_of(metrics(s)), family = STR(""), histogram = STR("histogram"), type = STR("");
	const char   *all = s->text.ptr;
	char          announced[256];

	while (rest.len) {
		struct str line = str_cut(&rest, '\n'), name = line;

		if (str_starts(line, STR("# HELP "))) {
			name = (struct str) { line.ptr + 7, line.len - 7 };
			family = str_cut(&name, ' ');
			assert_true(name.len > 10);
			snprintf(announced, sizeof(announced), "# HELP %.*s ", STR_ARGS(family));
			assert_null(strstr(strstr(all, announced) + 1, announced));
		} else if (str_starts(line, STR("# TYPE "))) {
			name = (struct str) { line.ptr + 7, line.len - 7 };
			assert_true(str_eq(str_cut(&name, ' '), family));
			type = name;
		} else {
			size_t len = strcspn(line.ptr, "{ ");

			assert_true(str_starts(line, STR("clientele_")) && str_starts(line, family));
			if (!str_eq(type, histogram))
				assert_int_equal(len, family.len);
		}
	}
	assert_non_null(rest.ptr); /* the text ends with a newline */
}

static void
status_shows_the_request_in_hand_and_the_last_one(void **state)
{
	struct state      *s = *state;
	struct stats_slot *busy = worker(s, 0, STATS_LIFE_READY, STATS_STATE_HANDLING);
	struct stats_slot *idle = worker(s, 1, STATS_LIFE_READY, STATS_STATE_IDLE);

	stats_do(busy, 0, 2000, route_of("customers", METHOD_GET), STR("req_8"));
	stats_do(busy, 1, 1000, route_of("customers", METHOD_POST), STR("req_7"));
	word_set(&busy->lanes, 2);
	word_set(&busy->db, STATS_DB_CONNECTED);
	atomic_store(&idle->last_route, route_of("api-keys", METHOD_GET));
	atomic_store(&idle->last_status, 503);
	atomic_store(&idle->last_us, 1234);
	metrics(s);
	buf_reset(&s->text, 0);
	status_write(s->stats, &s->tally, &s->text);
	buf_add(&s->text, "", 1);
	assert_non_null(strstr(s->text.ptr, "\"doing\":{\"route\":\"POST /customers\",\"requestId\":\"req_7\",\"ms\":"));
	assert_non_null(strstr(s->text.ptr, "\"last\":{\"route\":\"GET /api-keys\",\"status\":503,\"us\":1234}"));
	assert_non_null(strstr(s->text.ptr, "\"inHand\":3,"));
	assert_non_null(strstr(s->text.ptr, "\"connections\":2"));
	assert_non_null(strstr(s->text.ptr, "\"place\":2"));
	assert_null(strstr(s->text.ptr, "\"place\":3"));
	buf_reset(&s->text, 0);
	table_write(s->stats, &s->tally, &s->text);
	buf_add(&s->text, "", 1);
	assert_non_null(strstr(s->text.ptr, "POST /customers req_7 "));
	assert_non_null(strstr(s->text.ptr, "     503  1.23ms  GET /api-keys  -\n"));
}

static void
a_new_worker_does_not_inherit_what_the_old_one_did(void **state)
{
	struct state      *s = *state;
	struct stats_slot *own = worker(s, 0, STATS_LIFE_READY, STATS_STATE_HANDLING);

	atomic_store(&own->requests, 10);
	atomic_store(&own->last_status, 200);
	atomic_store(&own->memory_bytes, 1);
	worker(s, 0, STATS_LIFE_READY, STATS_STATE_IDLE);
	atomic_store(&s->stats->worker[0].requests_before, 10);
	metrics(s);
	assert_int_equal(s->tally.figure[FIGURE_REQUESTS], 10);
	assert_int_equal(s->tally.figure[FIGURE_MEMORY], 0);
	buf_reset(&s->text, 0);
	status_write(s->stats, &s->tally, &s->text);
	buf_add(&s->text, "", 1);
	assert_non_null(strstr(s->text.ptr, "\"state\":\"idle\""));
	assert_non_null(strstr(s->text.ptr, "\"requests\":0,\"inHand\":0,\"doing\":null,\"last\":null"));
}

static void
a_clerk_is_shown_where_there_should_be_one(void **state)
{
	struct state      *s = *state;
	struct stats_clerk *clerk = s->stats->clerk;

	assert_null(strstr(metrics(s), "clientele_clerk_up"));
	assert_null(strstr(metrics(s), "clientele_clerk_behind"));
	assert_null(strstr(metrics(s), "clientele_deadlines_set_aside"));
	atomic_store(&s->stats->pool->clerk_wanted, 1);
	assert_line(metrics(s), "clientele_clerk_up 0");
	assert_line(metrics(s), "clientele_clerk_behind_seconds 0.000");
	atomic_store(&s->stats->pool->clerk_pid, 77);
	stats_count(&clerk->done[STATS_JOB_EXPIRE]);
	stats_count(&clerk->failed[STATS_JOB_DEADLINES]);
	atomic_store(&clerk->behind_since_wall_ms, clock_wall_ms() - 90 * 1000);
	atomic_store(&clerk->db, 77);
	atomic_store(&clerk->set_aside, 3);
	assert_line(metrics(s), "clientele_clerk_up 1");
	assert_line(metrics(s), "clientele_deadlines_set_aside 3");
	assert_line(metrics(s), "clientele_clerk_done_total{work=\"idempotency_keys\"} 1");
	assert_line(metrics(s), "clientele_clerk_failed_total{work=\"subscription_deadlines\"} 1");
	assert_in_range(s->tally.figure[FIGURE_CLERK_BEHIND], 90 * 1000, 100 * 1000);
	buf_reset(&s->text, 0);
	status_write(s->stats, &s->tally, &s->text);
	table_write(s->stats, &s->tally, &s->text);
	buf_add(&s->text, "", 1);
	assert_non_null(strstr(s->text.ptr, "\"clerk\":{\"pid\":77,\"database\":\"none\",\"done\":{\"idempotency_keys\":1,"));
	assert_non_null(strstr(s->text.ptr, "clerk     running, 1 expired idempotency keys removed, 0 deadlines of subscriptions carried "
	    "out (1 steps failed), 0 deadlines of test clocks carried out, 0 retained names of invoices removed, 0 lines of files imported, "
	    "0 parts and results of imports removed, 0 pages merged into the index of words; 3 deadlines set aside; 1m30s behind\n"));
	/* The next one has yet to look. */
	stats_begin_clerk(clerk);
	assert_line(metrics(s), "clientele_clerk_behind_seconds 0.000");
	assert_line(metrics(s), "clientele_clerk_done_total{work=\"idempotency_keys\"} 1");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(counters_of_all_places_are_added_up_also_of_empty_ones),
		TEST(buckets_are_cumulative_and_times_are_seconds),
		TEST(what_is_not_known_is_left_out),
		TEST(workers_are_counted_by_what_they_are_at),
		TEST(what_workers_have_is_added_up_and_of_tenants_the_most_is_told),
		TEST(values_out_of_bounds_do_no_harm),
		TEST(families_are_announced_once_before_their_samples),
		TEST(status_shows_the_request_in_hand_and_the_last_one),
		TEST(a_new_worker_does_not_inherit_what_the_old_one_did),
		TEST(a_clerk_is_shown_where_there_should_be_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
