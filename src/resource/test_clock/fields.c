/* What the calls of the test clock take and show. */
#include "resource/test_clock/test_clock.h"

#define FIELD_STRUCT struct test_clock

static const struct field_in fields_in[] = {
	{ "advanceDays", FIELD_IN(DAYS, days), FIELD_INT, 0,
	    TEST_CLOCK_DAYS_MAX, V_FIRST, V_ENDLESS, NULL },
	{ "frozenTime", FIELD_IN(TIME, time), FIELD_TEXT, FIELD_NOT_EMPTY,
	    TEST_CLOCK_TIME_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
};

static const struct test_clock *
of(const void *what)
{
	return what;
}

static void
derive(void *what)
{
	struct test_clock *t = what;

	t->active = t->simulated_ms != 0;
}

static struct str
run_error(struct call *c, const void *what)
{
	int64_t failed = of(what)->failed;

	return failed ? arena_fmt(c->arena, "%lld deadlines could not be carried out.",
	    (long long)failed) : STR_NONE;
}

static struct str
object_of_run(struct call *c UNUSED, const void *what UNUSED)
{
	return STR("test_clock_run");
}

/* The run is shown in the clock and, for clients that look there, in its place: the last rows. */
enum { RUN_ROWS = 9 };

static const struct field_out fields_out[] = {
	{ FIELD_OURS("object", OBJECT), CLOCK_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), CLOCK_ADVANCED, V_FIRST, V_2026_07_24, NULL },
	{ FIELD_OURS("object", MADE), CLOCK_ADVANCED, V_2026_07_24, V_ENDLESS, object_of_run },
	{ FIELD_OURS("livemode", LIVEMODE), CLOCK_SHOWN | CLOCK_ADVANCED, V_FIRST, V_ENDLESS,
	    NULL },
	{ FIELD_OUT("simulatedTime", TIME, simulated_ms), CLOCK_SHOWN | CLOCK_ADVANCED, V_FIRST,
	    V_ENDLESS, NULL },
	{ FIELD_OUT("isActive", BOOL, active), CLOCK_SHOWN | CLOCK_ADVANCED, V_FIRST, V_ENDLESS,
	    NULL },
	{ FIELD_OUT("now", TIME, now_ms), CLOCK_SHOWN | CLOCK_ADVANCED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_PART("latestRun", 0), CLOCK_SHOWN | CLOCK_ADVANCED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("id", ID, id), CLOCK_ADVANCED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("status", TEXT, status), CLOCK_ADVANCED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("startedAtTime", TIME, started_ms), CLOCK_ADVANCED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("targetTime", TIME, target_ms), CLOCK_ADVANCED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("estimatedDeadlineCount", INT, estimated), CLOCK_ADVANCED, V_FIRST, V_ENDLESS,
	    NULL },
	{ FIELD_OUT("completedDeadlineCount", INT, completed), CLOCK_ADVANCED, V_FIRST, V_ENDLESS,
	    NULL },
	{ FIELD_OUT("failedDeadlineCount", INT, failed), CLOCK_ADVANCED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("error", MADE), CLOCK_ADVANCED, V_FIRST, V_ENDLESS, run_error },
	{ FIELD_OUT("items", ROWS, items), CLOCK_ADVANCED, V_FIRST, V_ENDLESS, NULL },
};

static const struct member columns[] = {
	[COL_TEST_CLOCK_SIMULATED_AT] = FIELD_KEPT(TIME, simulated_ms),
	[COL_TEST_CLOCK_NOW_AT] = FIELD_KEPT(TIME, now_ms),
	[COL_TEST_CLOCK_ID] = FIELD_KEPT(UUID, id),
	[COL_TEST_CLOCK_STATUS] = FIELD_KEPT(TEXT, status),
	[COL_TEST_CLOCK_STARTED_AT] = FIELD_KEPT(TIME, started_ms),
	[COL_TEST_CLOCK_TARGET_AT] = FIELD_KEPT(TIME, target_ms),
	[COL_TEST_CLOCK_ESTIMATED] = FIELD_KEPT(I64, estimated),
	[COL_TEST_CLOCK_COMPLETED] = FIELD_KEPT(I64, completed),
	[COL_TEST_CLOCK_FAILED] = FIELD_KEPT(I64, failed),
	[COL_TEST_CLOCK_ITEMS] = FIELD_KEPT(TEXT, items),
};

_Static_assert(COUNTOF(columns) == COL_TEST_CLOCK__COUNT, "a column without a member");

static bool
has_no_run(const struct call *c UNUSED, const void *what)
{
	return id_is_nil(&of(what)->id);
}

static const struct fields latest_run[1] = { {
	.object = "test_clock",
	.prefix = STR("tcr_"),
	.out = &fields_out[COUNTOF(fields_out) - RUN_ROWS],
	.out_count = RUN_ROWS,
	.nested = &clock_item_fields,
	.nested_view = CLOCK_ITEM,
	.hides = has_no_run,
} };

static const struct fields *const parts[] = { latest_run };

const struct fields test_clock_fields = {
	.object = "test_clock",
	.prefix = STR("tcr_"),
	.missing = ERR_NOT_FOUND,
	.missing_message = "There is no test clock.",
	.nested = &clock_item_fields,
	.nested_view = CLOCK_ITEM,
	.parts = parts,
	.derive = derive,
	FIELD_TABLES,
};
