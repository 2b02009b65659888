/* Any text is a configuration or an error; what was accepted prints as one that means the same. */
#include "fuzz.h"
#include "conf/conf.h"

#include <string.h>

enum { TEXT_MAX_BYTES = 1 << 17 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf first, second;
	struct buf  err, print, again;

	conf_init(&first);
	conf_init(&second);
	buf_init(&err, TEXT_MAX_BYTES);
	buf_init(&print, TEXT_MAX_BYTES);
	buf_init(&again, TEXT_MAX_BYTES);
	if (conf_read_text(&first, "f", (struct str) { (const char *)data, size }, &err)) {
		CHECK(err.len == 0);
		conf_print(&first, &print);
		CHECK(!print.full);
		CHECK(conf_read_text(&second, "f", buf_view(&print), &err));
		conf_print(&second, &again);
		CHECK(str_eq(buf_view(&print), buf_view(&again)));
	} else
		CHECK(err.len > 0);
	conf_fini(&first);
	conf_fini(&second);
	buf_fini(&err);
	buf_fini(&print);
	buf_fini(&again);
	return 0;
}
