/* clientele status, workers, reload, upgrade, reopen, stop: asks and commands a running service. */
#include "admin/endpoint.h"
#include "admin/status.h"
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/cmd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
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

/* ---- waiting for what comes of a command */

enum {
	WAIT_MS = 2 * 60 * 1000,
	PAUSE_MIN_MS = 20,
	PAUSE_MAX_MS = 250,
	/* An upgrade has no admin process for a moment, but the socket is there. */
	SILENT_MS = 10000,
};

/* What is waited for, and until when. */
struct wait {
	const struct cmd_context *ctx;
	const char               *of; /* the kind of change, as the service calls it */
	int64_t                   end_ms;
	int64_t                   pause_ms;
	struct buf                out, err; /* the last answer, or why there was none */
};

static bool
wants_to_wait(const struct cmd_context *ctx)
{
	if (ctx->option[OPTION_WAIT].ptr || ctx->option[OPTION_NO_WAIT].ptr)
		return !ctx->option[OPTION_NO_WAIT].ptr;
	return isatty(STDOUT_FILENO);
}

static int64_t
wait_ms(const struct cmd_context *ctx)
{
	return ctx->option[OPTION_WAIT].len ? ctx->number[OPTION_WAIT] : WAIT_MS;
}

static int PRINTF(2, 3)
get(struct wait *w, const char *fmt, ...)
{
	char    target[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(target, sizeof(target), fmt, ap);
	va_end(ap);
	w->out.len = w->err.len = 0;
	return ask(&w->ctx->conf, "GET", target, &w->out, &w->err);
}

static int
post(struct wait *w, const char *path, const char *query)
{
	char target[256];

	snprintf(target, sizeof(target), "%s?format=%s%s%s", path, w->ctx->json ? "json" : "text",
	    query[0] ? "&" : "", query);
	w->out.len = w->err.len = 0;
	return ask(&w->ctx->conf, "POST", target, &w->out, &w->err);
}

/* False when the time is over. */
static bool
pause_a_little(struct wait *w)
{
	int64_t left = w->end_ms - clock_mono_ms();

	if (left <= 0)
		return false;
	poll(NULL, 0, (int)(left < w->pause_ms ? left : w->pause_ms));
	w->pause_ms = w->pause_ms * 2 < PAUSE_MAX_MS ? w->pause_ms * 2 : PAUSE_MAX_MS;
	return true;
}

static int
say_answer(const struct wait *w, int status)
{
	cmd_say_lines(status ? buf_view(&w->out) : buf_view(&w->err));
	for (size_t i = 0; i < endpoint_outcome_count; i++)
		if ((int)endpoint_outcomes[i].status == status)
			return endpoint_outcomes[i].code;
	return EXIT_UNAVAILABLE;
}

static int
say_late(struct wait *w)
{
	bool       known = get(w, "/workers?format=text") == 200;
	struct str now = buf_view(&w->out);

	now = known ? str_cut(&now, '\n') : STR("");
	return cmd_fail(EXIT_DATABASE, "%s is not done yet%s%.*s; clientele status shows how it "
	    "goes on.", w->of, known ? ": " : "", STR_ARGS(now));
}

/* The exit code of the first change that began after that one. */
static int
wait_for_change(struct wait *w, int64_t after)
{
	int64_t silent_since = 0;

	do {
		int64_t now = clock_mono_ms();
		int     status = get(w, "/changes?of=%s&after=%jd&format=%s", w->of,
		        (intmax_t)after, w->ctx->json ? "json" : "text");

		if (status == 200) {
			print_lines(buf_view(&w->out));
			return 0;
		}
		silent_since = status ? 0 : silent_since ? silent_since : now;
		if (status ? status != 202 : now - silent_since > SILENT_MS)
			return say_answer(w, status);
	} while (pause_a_little(w));
	return say_late(w);
}

/* Under ExecReload= of systemd, for a service that takes no commands where it can be asked. */
static bool
signal_main(const char *of)
{
	int64_t pid = 0;

	return of && strcmp(of, "reload") == 0
	    && str_to_i64(str_of(getenv("MAINPID")), 2, INT32_MAX, &pid)
	    && kill((pid_t)pid, SIGHUP) == 0;
}

static int
change(struct wait *w, const char *path, const char *query)
{
	int64_t    after = 0;
	int        status = get(w, "/changes?of=%s&format=text", w->of);
	struct str number = buf_view(&w->out);

	if (status != 200 || !str_to_i64(str_cut(&number, '\n'), 0, UINT32_MAX, &after))
		return say_answer(w, status);
	status = post(w, path, query);
	if (status != 202 && !(status == 403 && signal_main(w->of)))
		return say_answer(w, status);
	return wait_for_change(w, after);
}

/* Until nobody listens there any more. */
static int
stop(struct wait *w, const char *path)
{
	int status = post(w, path, ""), silent = 0;

	if (status != 202)
		return say_answer(w, status);
	do {
		silent = get(w, "/live") ? 0 : silent + 1;
		if (silent == 2) {
			printf(w->ctx->json ? "{\"stopped\":true}\n" : "stopped\n");
			return 0;
		}
	} while (pause_a_little(w));
	return cmd_fail(EXIT_DATABASE, "it has not stopped yet; it answers what it has in hand.");
}

/* of: the kind of change, or NULL: the end of the service. */
static int
command(const struct cmd_context *ctx, const char *of, const char *path, const char *query)
{
	struct wait w = {
		.ctx = ctx,
		.of = of,
		.end_ms = clock_mono_ms() + wait_ms(ctx),
		.pause_ms = PAUSE_MIN_MS,
	};
	int code;

	if (ctx->option[OPTION_WAIT].ptr && ctx->option[OPTION_NO_WAIT].ptr)
		return cmd_usage("--wait and --no-wait exclude each other.");
	if (!ctx->conf.admin_listen[0] && signal_main(of)) {
		cmd_say("reload requested by a signal; what comes of it is in the log alone, "
			"because admin_listen is not set.");
		return 0;
	}
	if (!wants_to_wait(ctx) || !ctx->conf.admin_listen[0])
		return ask_service(ctx, "POST", path, query);
	buf_init(&w.out, STATUS_MAX_BYTES);
	buf_init(&w.err, 1024);
	code = of ? change(&w, path, query) : stop(&w, path);
	buf_fini(&w.err);
	buf_fini(&w.out);
	return code;
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
	return command(ctx, "workers", "/workers", query);
}

int
cmd_command(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	char path[32];

	snprintf(path, sizeof(path), "/%s", argv[0]);
	return command(ctx, strcmp(argv[0], "stop") == 0 ? NULL : argv[0], path, "");
}
