/* A text is an id, a UUID or a cursor in exactly one spelling, or it is none. */
#include "fuzz.h"
#include "base/arena.h"
#include "base/id.h"
#include "call/page.h"

static void
check_id(struct str prefix, struct str text)
{
	struct id id;
	char      again[ID_TEXT_BYTES];

	if (!id_parse(prefix, text, &id))
		return;
	id_text(&id, again);
	CHECK(str_starts(text, prefix));
	CHECK(str_eq((struct str) { again, sizeof(again) }, (struct str) { text.ptr + prefix.len, text.len - prefix.len }));
}

static void
check_uuid(struct str text)
{
	struct id id, same;
	char      again[ID_UUID_BYTES];

	if (!id_parse_uuid(text, &id))
		return;
	id_uuid(&id, again);
	CHECK(str_eq_nocase(text, (struct str) { again, sizeof(again) }));
	CHECK(id_parse_uuid((struct str) { again, sizeof(again) }, &same) && id_eq(&id, &same));
}

/* The first bytes of any text are an id as well, and the way back leads to it. */
static void
check_bytes(struct str text)
{
	struct id id, same;
	char      there[ID_TEXT_BYTES];

	if (text.len < ID_BYTES)
		return;
	memcpy(id.b, text.ptr, ID_BYTES);
	id_text(&id, there);
	CHECK(id_parse(STR(""), (struct str) { there, sizeof(there) }, &same) && id_eq(&id, &same));
}

/* The text as cursor and as limit of a list. */
static void
check_page(struct arena *a, struct str text)
{
	struct str  rest = text, cursor = str_cut(&rest, '\n');
	struct call c = { .arena = a, .query = { .count = 1, .parameter = { { STR("cursor"), cursor } } } };
	struct page page;

	if (rest.ptr) {
		c.query.count = 2;
		c.query.parameter[1].name = STR("limit");
		c.query.parameter[1].value = rest;
	}
	page_read(&c, &page);
	CHECK(page.limit >= 1 && page.limit <= 100);
	if (call_fields_done(&c) == ERR_OK)
		CHECK(str_eq(page_cursor(&c, &page.after), cursor));
	else
		CHECK(c.problem.details >= 1 && c.problem.code == ERR_VALIDATION);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct str prefixes[] = { STR("cus_"), STR("key_"), STR("cur_"), STR("") };
	struct str              text = { size ? (const char *)data : "", size };
	struct arena            a;

	for (size_t i = 0; i < COUNTOF(prefixes); i++)
		check_id(prefixes[i], text);
	check_uuid(text);
	check_bytes(text);
	arena_init(&a);
	check_page(&a, text);
	arena_fini(&a);
	return 0;
}
