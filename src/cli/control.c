/* clientele status, workers, reload, upgrade, reopen, stop: asks and commands a running service. */
#include "admin/status.h"
#include "cli/ask.h"
#include "cli/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WATCH_S = 2 };

/* The answer's lines, which another program made. */
static void
print_lines(struct str text)
{
	struct buf shown;

	buf_init(&shown, 2 * STATUS_MAX_BYTES);
	while (text.ptr) {
		buf_shown(&shown, str_cut(&text, '\n'));
		if (text.ptr)
			buf_str(&shown, STR("\n"));
	}
	printf("%.*s", STR_ARGS(buf_view(&shown)));
	buf_fini(&shown);
}

/* path has no query, query may be empty. Prints the answer, or on stderr why there is none. */
static int
ask_service(const struct cmd_context *ctx, const char *method, const char *path, const char *query)
{
	struct buf out, err, target;
	int        status, code = EXIT_UNAVAILABLE;

	if (!ctx->conf.admin_listen[0])
		return cmd_fail(EXIT_CONFIG,
		    "admin_listen is not set, so the service cannot be asked.");
	buf_init(&target, 256);
	buf_init(&out, STATUS_MAX_BYTES);
	buf_init(&err, 1024);
	buf_fmt(&target, "%s?format=%s%s%s", path, ctx->json ? "json" : "text",
	    query[0] ? "&" : "", query);
	buf_add(&target, "", 1);
	status = ask(&ctx->conf, method, target.ptr, &out, &err);
	if (status >= 200 && status < 300) {
		print_lines(buf_view(&out));
		code = 0;
	} else
		cmd_say_lines(status ? buf_view(&out) : buf_view(&err));
	buf_fini(&err);
	buf_fini(&out);
	buf_fini(&target);
	return code;
}

/* Until interrupted. A service that does not answer, as during an upgrade, is asked again. */
static int
watch(const struct cmd_context *ctx, unsigned seconds)
{
	bool terminal = isatty(STDOUT_FILENO);

	for (;;) {
		if (terminal)
			fputs("\033[H\033[2J", stdout);
		if (ask_service(ctx, "GET", "/status", "") == EXIT_CONFIG)
			return EXIT_CONFIG;
		if (!terminal && !ctx->json)
			putchar('\n');
		if (!cmd_flush())
			return 0; /* main() says so */
		sleep(seconds);
	}
}

int
cmd_status(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	int64_t seconds = ctx->number[OPTION_WATCH];

	if (!ctx->option[OPTION_WATCH].ptr)
		return ask_service(ctx, "GET", "/status", "");
	return watch(ctx, seconds ? (unsigned)seconds : WATCH_S);
}

/* N, +N or -N as a query. */
static bool
count_query(const char *text, char *out, size_t size)
{
	char    sign = text[0];
	int64_t n;

	if (sign == '+' || sign == '-')
		text++;
	if (!str_to_i64(str_of(text), 1, CONF_WORKERS_MAX, &n))
		return false;
	snprintf(out, size, "count=%s%jd", sign == '+' ? "%2B" : sign == '-' ? "-" : "",
	    (intmax_t)n);
	return true;
}

int
cmd_workers(struct cmd_context *ctx, int argc, char **argv)
{
	char query[32];

	if (argc == 1)
		return ask_service(ctx, "GET", "/workers", "");
	if (!count_query(argv[1], query, sizeof(query)))
		return cmd_usage("workers takes N, +N or -N with N from 1 to %d, not \"%s\".",
		    CONF_WORKERS_MAX, argv[1]);
	return ask_service(ctx, "POST", "/workers", query);
}

int
cmd_command(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	char path[32];

	snprintf(path, sizeof(path), "/%s", argv[0]);
	return ask_service(ctx, "POST", path, "");
}
