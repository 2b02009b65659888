/* What commands say to the person who runs them. */
#include "cli/cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SENTENCE_MAX_BYTES = 16 * 1024 };

static void PRINTF(1, 0)
say(const char *fmt, va_list ap)
{
	char       text[SENTENCE_MAX_BYTES / 2];
	struct buf shown;

	vsnprintf(text, sizeof(text), fmt, ap);
	buf_init(&shown, SENTENCE_MAX_BYTES);
	buf_shown(&shown, str_of(text));
	fprintf(stderr, "clientele: %.*s\n", STR_ARGS(buf_view(&shown)));
	buf_fini(&shown);
}

#define SAY(fmt)                    \
	do {                        \
		va_list ap;         \
                                    \
		va_start(ap, fmt);  \
		say(fmt, ap);       \
		va_end(ap);         \
	} while (0)

void
cmd_say(const char *fmt, ...)
{
	SAY(fmt);
}

int
cmd_fail(int code, const char *fmt, ...)
{
	SAY(fmt);
	return code;
}

int
cmd_usage(const char *fmt, ...)
{
	SAY(fmt);
	return EXIT_USAGE;
}

bool
cmd_typed(const char *text)
{
	char line[4096]; /* no name and no id is longer */

	if (!fgets(line, sizeof(line), stdin))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return strcmp(line, text) == 0;
}

void
cmd_say_lines(struct str text)
{
	while (text.ptr) {
		struct str line = str_cut(&text, '\n');

		if (line.len)
			cmd_say("%.*s", STR_ARGS(line));
	}
}

bool
cmd_flush(void)
{
	static int failure; /* stdio keeps no errno of a write that failed earlier */

	if (fflush(stdout) != 0 && !failure)
		failure = errno;
	errno = failure;
	return !ferror(stdout);
}
