/* How many requests there were in each minute, how many failed, and how long they took. */
#include "base/clock.h"
#include "base/sort.h"
#include "resource/request_log/request_log.h"

enum { MINUTE_MS = 60 * 1000, MINUTE_JSON_BYTES = 224 };

struct summary {
	int64_t    from_ms, since_ms;
	struct str minutes; /* JSON */
};

/* One request; in the order of minutes, and in each of times. */
struct taken {
	uint32_t minute, us;
	uint16_t class; /* of its status: 4 for 404 */
};

#define FIELD_STRUCT struct summary

static const struct field_out fields_out[] = {
	{ FIELD_OURS("object", OBJECT), REQUEST_SUMMED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), REQUEST_SUMMED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("from", TIME, from_ms), REQUEST_SUMMED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("since", TIME, since_ms), REQUEST_SUMMED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("minutes", JSON, minutes), REQUEST_SUMMED, V_FIRST, V_ENDLESS, NULL },
};

static const struct fields summary_fields = {
	.object = "request_summary",
	.out = fields_out,
	.out_count = COUNTOF(fields_out),
	.size = sizeof(struct summary),
};

static int
order(const void *a, const void *b)
{
	const struct taken *x = a, *y = b;

	return x->minute != y->minute ? (x->minute > y->minute) - (x->minute < y->minute)
	                              : (x->us > y->us) - (x->us < y->us);
}

/* Those of the call's environment that arrived in the minutes; *count: how many they are. */
static struct taken *
take(struct call *c, int64_t from_ms, int64_t minutes, size_t *count)
{
	uint64_t              before = c->requests ? requests_end(c->requests) : 0;
	size_t                most = CONF_REQUESTS_KEPT_MAX, room = before < most ? before : most;
	struct taken         *all = ARENA_NEW(c->arena, struct taken, room + 1);
	struct logged         one;

	for (*count = 0; *count < room && logged_find(c, &before, &one);) {
		int64_t after_ms = one.kept.arrived_us / 1000 - from_ms;

		if (after_ms < 0 || after_ms / MINUTE_MS >= minutes)
			continue;
		all[(*count)++] = (struct taken) {
			.minute = (uint32_t)(after_ms / MINUTE_MS),
			.us = (uint32_t)one.kept.took_us,
			.class = (uint16_t)(one.kept.status / 100),
		};
	}
	sort(all, *count, sizeof(*all), order, ARENA_NEW(c->arena, struct taken, *count + 1));
	return all;
}

/* What so many percent of them took at most: the time of one of them. */
static char *
put_percentile(char *end, struct str key, const struct taken *of, size_t count, size_t percent)
{
	char room[FIELD_MS_BYTES];

	end = str_put(end, key);
	return str_put(end, count == 0 ? STR("null")
	    : field_ms(room, of[(count * percent + 99) / 100 - 1].us));
}

static char *
put_minute(struct call *c, char *end, int64_t at_ms, const struct taken *of, size_t count)
{
	size_t failed[2] = { 0, 0 };
	char   at[CLOCK_ISO_BYTES + 1];

	for (size_t i = 0; i < count; i++)
		if (of[i].class >= 4)
			failed[of[i].class >= 5]++;
	clock_iso(at_ms, at);
	end = str_put(end, arena_fmt(c->arena,
	    "{\"at\":\"%s\",\"requests\":%zu,\"clientErrors\":%zu,\"serverErrors\":%zu", at, count,
	    failed[0], failed[1]));
	end = put_percentile(end, STR(",\"p50Ms\":"), of, count, 50);
	end = put_percentile(end, STR(",\"p95Ms\":"), of, count, 95);
	end = put_percentile(end, STR(",\"p99Ms\":"), of, count, 99);
	return str_put(end, STR("}"));
}

static struct str
write_minutes(struct call *c, int64_t from_ms, int64_t minutes)
{
	size_t              most = (size_t)minutes * MINUTE_JSON_BYTES + 2, count, rest;
	char               *text = ARENA_NEW(c->arena, char, most);
	char               *end = str_put(text, STR("["));
	const struct taken *of = take(c, from_ms, minutes, &rest);

	for (int64_t m = 0; m < minutes; m++, of += count, rest -= count) {
		for (count = 0; count < rest && of[count].minute == m;)
			count++;
		if (m)
			end = str_put(end, STR(","));
		end = put_minute(c, end, from_ms + m * MINUTE_MS, of, count);
	}
	end = str_put(end, STR("]"));
	return (struct str) { text, (size_t)(end - text) };
}

enum err
request_log_summary(struct call *c)
{
	struct summary *s = ARENA_NEW(c->arena, struct summary, 1);
	int64_t         minutes = SUMMARY_MINUTES_DEFAULT, now_ms = clock_wall_ms();
	struct str      value;
	enum err        e;

	if (call_parameter(c, "minutes", &value) && value.ptr
	    && !str_to_i64(value, 1, SUMMARY_MINUTES_MAX, &minutes))
		call_field(c, "minutes", "must be a number from 1 to 1440");
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	s->from_ms = now_ms - now_ms % MINUTE_MS - (minutes - 1) * MINUTE_MS;
	s->minutes = write_minutes(c, s->from_ms, minutes);
	/* Once they were counted; the next whole millisecond. */
	s->since_ms = c->requests ? requests_since_us(c->requests) / 1000 + 1 : now_ms;
	return field_reply(c, 200, &summary_fields, s, REQUEST_SUMMED);
}
