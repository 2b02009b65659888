/* The fields of a plan: what each version takes and shows, and what is kept. */
#include "resource/plan/plan.h"

#define FIELD_STRUCT struct plan

const struct plan plan_defaults = {
	.metadata = { "{}", 2 },
};

static const char *const model_names[] = { "metered", "credits", "balance" };

static const struct field_list models = {
	.names = model_names,
	.count = COUNTOF(model_names),
	.fault = "must be metered, credits or balance",
};

static const struct field_in fields_in[] = {
	{ "name", FIELD_IN(NAME, name), FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    PLAN_NAME_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "code", FIELD_IN(CODE, code), FIELD_CODE, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    PLAN_CODE_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "description", FIELD_IN(DESCRIPTION, description), FIELD_TEXT, FIELD_CLEARED,
	    PLAN_DESCRIPTION_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "consumptionModel", FIELD_IN(CONSUMPTION_MODEL, consumption_model), FIELD_CHOICE, 0,
	    0, V_FIRST, V_ENDLESS, &models },
	{ "isPublic", FIELD_IN(IS_PUBLIC, is_public), FIELD_BOOL, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "isFree", FIELD_IN(IS_FREE, is_free), FIELD_BOOL, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "blockOnExhaustion", FIELD_IN(BLOCK_ON_EXHAUSTION, block_on_exhaustion), FIELD_BOOL,
	    FIELD_NULLABLE, 0, V_FIRST, V_ENDLESS, NULL },
	{ "planGroupId", FIELD_IN(GROUP, group), FIELD_TEXT, FIELD_NOT_EMPTY,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "metadata", FIELD_IN(METADATA, metadata), FIELD_METADATA, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
};

static const struct field_in visibility_in[] = {
	{ "isPublic", FIELD_IN(IS_PUBLIC, is_public), FIELD_BOOL, FIELD_REQUIRED,
	    0, V_FIRST, V_ENDLESS, NULL },
};

static struct str
group_id(struct call *c, const void *what)
{
	const struct plan *plan = what;

	if (id_is_nil(&plan->group_id))
		return STR_NONE;
	return id_prefixed(STR("pgp_"), &plan->group_id,
	    ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

#define ALL (PLAN_SHOWN | PLAN_DELETED | PLAN_VISIBILITY)
#define WITH_VISIBILITY (PLAN_SHOWN | PLAN_VISIBILITY)

static const struct field_out fields_out[] = {
	{ FIELD_OUT("id", ID, id), ALL, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), ALL, V_2026_05_25, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), ALL, V_2026_05_25, V_ENDLESS, NULL },
	{ FIELD_OURS("deleted", TRUE), PLAN_DELETED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("code", TEXT, code), PLAN_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("name", TEXT, name), PLAN_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("description", TEXT, description), PLAN_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("isPublic", BOOL, is_public), WITH_VISIBILITY, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("isFree", BOOL, is_free), PLAN_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("isDefault", FALSE), PLAN_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("sortOrder", INT, sort_order), PLAN_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("consumptionModel", TEXT, consumption_model), PLAN_SHOWN,
	    V_2026_06_07, V_ENDLESS, NULL },
	{ FIELD_OUT("blockOnExhaustion", BOOL_OR_NULL, block_on_exhaustion), PLAN_SHOWN,
	    V_2026_06_07, V_ENDLESS, NULL },
	{ FIELD_OURS("planGroupId", MADE), PLAN_SHOWN, V_2026_06_07, V_ENDLESS, group_id },
	{ FIELD_OUT("metadata", JSON, metadata), PLAN_SHOWN, V_2026_06_07, V_ENDLESS, NULL },
	{ FIELD_OUT("prices", ROWS, prices), PLAN_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("features", EMPTY), PLAN_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("exchangeRates", EMPTY), PLAN_SHOWN, V_2026_06_07, V_ENDLESS, NULL },
	{ FIELD_OUT("createdAt", TIME, created_ms), PLAN_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("updatedAt", TIME, updated_ms), PLAN_SHOWN, V_FIRST, V_ENDLESS, NULL },
};

static const struct member columns[] = {
	[COL_PLAN_ID] = FIELD_KEPT(UUID, id),
	[COL_PLAN_CODE] = FIELD_KEPT(TEXT, code),
	[COL_PLAN_NAME] = FIELD_KEPT(TEXT, name),
	[COL_PLAN_DESCRIPTION] = FIELD_KEPT(TEXT, description),
	[COL_PLAN_CONSUMPTION_MODEL] = FIELD_KEPT(TEXT, consumption_model),
	[COL_PLAN_IS_PUBLIC] = FIELD_KEPT(BOOL, is_public),
	[COL_PLAN_IS_FREE] = FIELD_KEPT(BOOL, is_free),
	[COL_PLAN_BLOCK_ON_EXHAUSTION] = FIELD_CELL(BOOL, block_on_exhaustion),
	[COL_PLAN_PLAN_GROUP_ID] = FIELD_KEPT(UUID, group_id),
	[COL_PLAN_SORT_ORDER] = FIELD_KEPT(I64, sort_order),
	[COL_PLAN_METADATA] = FIELD_KEPT(JSON, metadata),
	[COL_PLAN_CREATED_AT] = FIELD_KEPT(TIME, created_ms),
	[COL_PLAN_UPDATED_AT] = FIELD_KEPT(TIME, updated_ms),
	[COL_PLAN_PRICES] = FIELD_KEPT(TEXT, prices),
};

_Static_assert(COUNTOF(columns) == COL_PLAN__COUNT, "a column without a member");

const struct fields plan_fields = {
	.object = "plan",
	.prefix = STR("pln_"),
	.missing = ERR_PLAN_NOT_FOUND,
	.missing_message = "There is no plan with this id or code.",
	.path = "plans",
	.nested = &price_fields,
	.nested_view = PRICE_NESTED,
	FIELD_TABLES,
};

const struct fields visibility_fields = {
	.object = "plan",
	.in = visibility_in,
	.in_count = COUNTOF(visibility_in),
	.out = fields_out,
	.out_count = COUNTOF(fields_out),
	.size = sizeof(struct plan),
	.given_at = offsetof(struct plan, given),
};
