/* The fields of a plan group: what each version takes and shows, and what is kept. */
#include "resource/plan_group/plan_group.h"

#define FIELD_STRUCT struct plan_group

static const struct field_in fields_in[] = {
	{ "name", FIELD_IN(NAME, name), FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    PLAN_GROUP_NAME_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "description", FIELD_IN(DESCRIPTION, description), FIELD_TEXT, FIELD_CLEARED,
	    PLAN_GROUP_DESCRIPTION_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "isPublic", FIELD_IN(IS_PUBLIC, is_public), FIELD_BOOL, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
};

static struct str
object_of_order(struct call *c UNUSED, const void *what UNUSED)
{
	return STR("plan_group_order");
}

static struct str
object_of_members(struct call *c UNUSED, const void *what UNUSED)
{
	return str_of(group_member_fields.object);
}

#define WITH_PLANS (GROUP_DETAILED | GROUP_ORDERED | GROUP_JOINED)
#define SHOWN (GROUP_PLAIN | WITH_PLANS)
#define ALL (SHOWN | GROUP_DELETED)
#define ITSELF (GROUP_PLAIN | GROUP_DETAILED | GROUP_DELETED)

static const struct field_out fields_out[] = {
	{ FIELD_OUT("id", ID, id), ALL, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), ITSELF, V_2026_05_25, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), GROUP_ORDERED, V_2026_05_25, V_2026_07_24, NULL },
	{ FIELD_OURS("object", MADE), GROUP_ORDERED, V_2026_07_24, V_ENDLESS, object_of_order },
	{ FIELD_OURS("object", MADE), GROUP_JOINED, V_2026_05_25, V_ENDLESS, object_of_members },
	{ FIELD_OURS("livemode", LIVEMODE), ALL, V_2026_05_25, V_ENDLESS, NULL },
	{ FIELD_OURS("deleted", TRUE), GROUP_DELETED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("success", TRUE), GROUP_JOINED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("reordered", TRUE), GROUP_ORDERED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("name", TEXT, name), SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("description", TEXT, description), SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("isPublic", BOOL, is_public), SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("plans", ROWS, plans), WITH_PLANS, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("createdAt", TIME, created_ms), SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("updatedAt", TIME, updated_ms), SHOWN, V_FIRST, V_ENDLESS, NULL },
};

static const struct member columns[] = {
	[COL_PLAN_GROUP_ID] = FIELD_KEPT(UUID, id),
	[COL_PLAN_GROUP_NAME] = FIELD_KEPT(TEXT, name),
	[COL_PLAN_GROUP_DESCRIPTION] = FIELD_KEPT(TEXT, description),
	[COL_PLAN_GROUP_IS_PUBLIC] = FIELD_KEPT(BOOL, is_public),
	[COL_PLAN_GROUP_CREATED_AT] = FIELD_KEPT(TIME, created_ms),
	[COL_PLAN_GROUP_UPDATED_AT] = FIELD_KEPT(TIME, updated_ms),
	[COL_PLAN_GROUP_PLANS] = FIELD_KEPT(TEXT, plans),
};

_Static_assert(COUNTOF(columns) == COL_PLAN_GROUP__COUNT, "a column without a member");

const struct fields group_fields = {
	.object = "plan_group",
	.prefix = STR("pgp_"),
	.missing = ERR_PLAN_GROUP_NOT_FOUND,
	.missing_message = "There is no plan group with this id.",
	.nested = &group_member_fields,
	.nested_view = MEMBER_LISTED,
	FIELD_TABLES,
};
