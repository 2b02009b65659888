/* Any text that may come in leaves as JSON and is read back as it was. */
#include "fuzz.h"
#include "base/arena.h"
#include "base/utf8.h"
#include "json/jread.h"
#include "json/jwrite.h"

static void
write_string(struct printbuf *out, const void *what)
{
	jout_str(out, *(const struct str *)what);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct jlimits limits = { 2, 4 };
	struct str           text = { size ? (const char *)data : "", size };
	struct str           written[2];
	struct json_object  *array = jwrite_array();
	const struct jnode  *n;
	struct jread_error   why;
	struct jdoc          doc;
	struct arena         a;
	struct buf           out;

	arena_init(&a);
	buf_init(&out, SIZE_MAX);
	if (utf8_valid(text) && (size == 0 || !memchr(data, 0, size))) {
		jwrite_push(array, jwrite_str(text));
		jwrite_push(array, jwrite_custom(write_string, &text));
		jwrite_text(array, &out);
		CHECK(jread_parse(&a, buf_view(&out), &limits, &doc, &why));
		n = jread_first(&doc, doc.nodes);
		for (size_t i = 0; i < COUNTOF(written); i++, n = jread_next(&doc, n)) {
			CHECK(n && str_eq(jread_string(&a, &doc, n), text));
			written[i] = jread_raw(&doc, n);
		}
		CHECK(!n && str_eq(written[0], written[1]));
	}
	jwrite_free(array);
	buf_fini(&out);
	arena_fini(&a);
	return 0;
}
