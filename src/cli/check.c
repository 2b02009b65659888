/* clientele check: judges the configuration, and on request the database behind it. */
#include "app/app.h"
#include "cli/cmd.h"
#include "master/scale.h"
#include "net/listen.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

static bool
user_exists(const char *user, struct buf *err)
{
	if (!user[0] || getpwnam(user))
		return true;
	buf_fmt(err, "user: there is no user \"%s\"", user);
	return false;
}

static void
judge_room(const struct conf *c, struct app *app)
{
	struct db_room room;
	struct buf     sum;
	unsigned       workers;

	if (!app_room(app, &room))
		return;
	buf_init(&sum, 512);
	workers = scale_room(c, &room, &sum);
	if (scale_is_cut(c, cpus_usable(), workers))
		fprintf(stderr,
		    "clientele: the database has room for %u workers, "
		    "fewer than configured: %.*s\n", workers, STR_ARGS(buf_view(&sum)));
	buf_fini(&sum);
}

static int
try_database(const struct conf *c)
{
	struct stats_slot stats = { 0 };
	struct app       *app = app_new(c, &stats, NULL);
	int               code = app_check(app);

	if (code == 0)
		judge_room(c, app);
	app_free(app);
	return code;
}

int
cmd_check(struct cmd_context *ctx, int argc, char **argv)
{
	const struct conf *c = &ctx->conf;
	struct buf         text;
	bool               print = false, connect = false;
	int                code = EXIT_CONFIG;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--print") == 0)
			print = true;
		else if (strcmp(argv[i], "--connect") == 0)
			connect = true;
		else
			return cmd_usage("check knows --print and --connect, not \"%s\"", argv[i]);
	buf_init(&text, 64 * 1024);
	if (!listener_check(c, &text) || !scale_check(c, &text) || !user_exists(c->user, &text)
	    || !log_check(c->log, &text))
		fprintf(stderr, "clientele: %.*s\n", STR_ARGS(buf_view(&text)));
	else {
		if (print)
			conf_print(c, &text);
		printf("%.*s", STR_ARGS(buf_view(&text)));
		code = connect ? try_database(c) : 0;
		if (code == 0 && !print)
			printf("%s ok\n", connect ? "configuration and database" : "configuration");
	}
	buf_fini(&text);
	return code;
}
