/* clientele status, workers, reload, upgrade: shows and commands a running service. */
#include "admin/status.h"
#include "cli/ask.h"
#include "cli/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WATCH_S = 2, WATCH_MAX_S = 3600 };

/* path has no query, query may be empty. Prints the answer, or on stderr why there is none. */
static int
tell(const struct cmd_context *ctx, const char *method, const char *path, const char *query)
{
	struct buf out, err, target;
	int        status;

	buf_init(&target, 256);
	buf_init(&out, STATUS_MAX_BYTES);
	buf_init(&err, 1024);
	buf_fmt(&target, "%s?format=%s%s%s", path, ctx->json ? "json" : "text",
	    query[0] ? "&" : "", query);
	buf_add(&target, "", 1);
	status = ask(&ctx->conf, method, target.ptr, &out, &err);
	if (status == 0)
		fprintf(stderr, "clientele: %.*s\n", STR_ARGS(buf_view(&err)));
	else
		fprintf(status < 300 ? stdout : stderr, "%s%.*s", status < 300 ? "" : "clientele: ",
		    STR_ARGS(buf_view(&out)));
	buf_fini(&err);
	buf_fini(&out);
	buf_fini(&target);
	if (status == 0 && !ctx->conf.admin_listen[0])
		return EXIT_CONFIG;
	return status >= 200 && status < 300 ? 0 : EXIT_UNAVAILABLE;
}

/* Until interrupted. A service that does not answer, as during an upgrade, is asked again. */
static int
watch(const struct cmd_context *ctx, unsigned seconds)
{
	bool terminal = isatty(STDOUT_FILENO);

	for (;;) {
		if (terminal)
			fputs("\033[H\033[2J", stdout);
		if (tell(ctx, "GET", "/status", "") == EXIT_CONFIG)
			return EXIT_CONFIG;
		if (!terminal && !ctx->json)
			putchar('\n');
		if (fflush(stdout) == EOF)
			return EXIT_OS;
		sleep(seconds);
	}
}

int
cmd_status(struct cmd_context *ctx, int argc, char **argv)
{
	int64_t seconds = WATCH_S;

	if (argc == 1)
		return tell(ctx, "GET", "/status", "");
	if (argc > 2 || (strcmp(argv[1], "--watch") != 0 && strncmp(argv[1], "--watch=", 8) != 0))
		return cmd_usage("status knows --watch[=SECONDS], not \"%s\"", argv[argc - 1]);
	if (argv[1][7] && !str_to_i64(str_of(argv[1] + 8), 1, WATCH_MAX_S, &seconds))
		return cmd_usage("--watch= takes 1 to %d seconds", WATCH_MAX_S);
	return watch(ctx, (unsigned)seconds);
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
		return tell(ctx, "GET", "/workers", "");
	if (argc > 2 || !count_query(argv[1], query, sizeof(query)))
		return cmd_usage("workers takes N, +N or -N with N from 1 to %d", CONF_WORKERS_MAX);
	return tell(ctx, "POST", "/workers", query);
}

int
cmd_reload(struct cmd_context *ctx, int argc, char **argv)
{
	if (argc > 1)
		return cmd_usage("reload does not know \"%s\"", argv[1]);
	return tell(ctx, "POST", "/reload", "");
}

int
cmd_upgrade(struct cmd_context *ctx, int argc, char **argv)
{
	if (argc > 1)
		return cmd_usage("upgrade does not know \"%s\"", argv[1]);
	return tell(ctx, "POST", "/upgrade", "");
}
