/* The test clock of a sandbox. */
#ifndef RESOURCE_TEST_CLOCK_TEST_CLOCK_H
#define RESOURCE_TEST_CLOCK_TEST_CLOCK_H

#include "call/field.h"

enum {
	TEST_CLOCK_DAYS_MAX = 3653, /* of one run: ten years */
	TEST_CLOCK_TIME_MAX_CHARS = 64,
};

enum { MEMBER_DAYS, MEMBER_TIME };

/* A deadline of the latest run. */
struct clock_item {
	struct id  subscription;
	struct str what;
	int64_t    due_ms;
	bool       done;
	struct id  invoice; /* or nil */
	struct str number;  /* of that, or absent */
	struct str customer_name;
	struct id  id;      /* none of these two has it; the tables want them */
	unsigned   given;
};

struct test_clock {
	int64_t    simulated_ms; /* 0: it is not set */
	bool       active;
	int64_t    now_ms;
	struct id  id;           /* of the latest run, or nil */
	struct str status;
	int64_t    started_ms, target_ms;
	int64_t    estimated, completed, failed;
	struct str items;
	/* Of a request. */
	int64_t    days;
	struct str time;
	int64_t    time_ms;
	unsigned   given;
};

/* Where a field is shown. */
enum { CLOCK_SHOWN = 1, CLOCK_ADVANCED = 2, CLOCK_ITEM = 4, CLOCK_DUE = 8 };

extern const struct fields test_clock_fields, clock_item_fields;

/* What is due, as calls before 2026-07-24 ask for it. */
struct clock_due {
	int64_t   customers, enqueued, dunning, none;
	struct id id;
	unsigned  given;
};

extern const struct fields clock_due_fields;

#endif
