/* The fields of a gadget: what each version takes and shows, and what is kept. */
#include "resource/gadget/gadget.h"

#define FIELD_STRUCT struct gadget

static const char *const color_names[] = { "black", "red", "white" };

static const struct field_list colors = {
	.names = color_names,
	.count = COUNTOF(color_names),
	.fault = "must be black, red or white",
};

static const struct field_in fields_in[] = {
	{ "code", FIELD_IN(CODE, code), FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    GADGET_CODE_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "color", FIELD_IN(COLOR, color), FIELD_CHOICE, 0, 0, V_2026_07_24, V_ENDLESS, &colors },
	{ "size", FIELD_IN(SIZE, size), FIELD_INT, 0, GADGET_SIZE_MAX, V_FIRST, V_ENDLESS, NULL },
};

static const struct field_out fields_out[] = {
	{ FIELD_OUT("id", ID, id), GADGET_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), GADGET_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), GADGET_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("code", TEXT, code), GADGET_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("color", TEXT, color), GADGET_SHOWN, V_2026_07_24, V_ENDLESS, NULL },
	{ FIELD_OUT("size", INT, size), GADGET_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("partOf", ID, part_of), GADGET_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("createdAt", TIME, created_ms), GADGET_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("updatedAt", TIME, updated_ms), GADGET_SHOWN, V_FIRST, V_ENDLESS, NULL },
};

static const struct member columns[] = {
	[COL_GADGET_ID] = FIELD_KEPT(UUID, id),
	[COL_GADGET_CODE] = FIELD_KEPT(TEXT, code),
	[COL_GADGET_COLOR] = FIELD_KEPT(TEXT, color),
	[COL_GADGET_SIZE] = FIELD_KEPT(I64, size),
	[COL_GADGET_PART_OF] = FIELD_KEPT(UUID, part_of),
	[COL_GADGET_CREATED_AT] = FIELD_KEPT(TIME, created_ms),
	[COL_GADGET_UPDATED_AT] = FIELD_KEPT(TIME, updated_ms),
};

_Static_assert(COUNTOF(columns) == COL_GADGET__COUNT, "a column without a member");

const struct fields gadget_fields = {
	.object = "gadget",
	.prefix = STR("gad_"),
	.missing = ERR_GADGET_NOT_FOUND,
	.missing_message = "There is no gadget with this id.",
	FIELD_TABLES,
};
