/* What is shown of what is due, to earlier clients. */
#include "resource/test_clock/test_clock.h"

#define FIELD_STRUCT struct clock_due

static const struct field_out fields_out[] = {
	{ FIELD_OUT("customersFound", INT, customers), CLOCK_DUE, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("enqueued", INT, enqueued), CLOCK_DUE, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("failed", INT, none), CLOCK_DUE, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("dunningRetried", INT, dunning), CLOCK_DUE, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("dunningFailed", INT, none), CLOCK_DUE, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), CLOCK_DUE, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), CLOCK_DUE, V_FIRST, V_ENDLESS, NULL },
};

const struct fields clock_due_fields = {
	.object = "test_clock_run",
	.prefix = STR("tcr_"),
	.out = fields_out,
	.out_count = COUNTOF(fields_out),
	.size = sizeof(struct clock_due),
	.id_at = offsetof(struct clock_due, id),
	.given_at = offsetof(struct clock_due, given),
};
