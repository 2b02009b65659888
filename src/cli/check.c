/* clientele check: judges the configuration, and on request the database behind it. */
#include "app/app.h"
#include "billing/checkout.h"
#include "cli/load.h"
#include "master/scale.h"
#include "net/listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- the configuration */

static bool
user_exists(const struct conf *c, struct buf *err)
{
	if (!c->user[0] || getpwnam(c->user))
		return true;
	buf_fmt(err, "user: there is no user \"%s\"", c->user);
	return false;
}

static bool
log_is_fit(const struct conf *c, struct buf *err)
{
	return log_check(c->log, err);
}

typedef bool judge_fn(const struct conf *c, struct buf *err);

/* Each is asked, whatever the others say. */
static judge_fn *const judges[] = {
	listener_check, scale_check, checkout_check, user_exists, log_is_fit,
};

/* Adds their mistakes to those of the reading. */
static void
judge(struct cmd_context *ctx)
{
	struct buf *mistakes = &ctx->mistakes;

	for (size_t i = 0; i < COUNTOF(judges); i++) {
		if (mistakes->len)
			buf_str(mistakes, STR("\n"));
		(void)judges[i](&ctx->conf, mistakes);
	}
	while (mistakes->len && mistakes->ptr[mistakes->len - 1] == '\n')
		mistakes->len--;
}

/* ---- the database */

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
		cmd_say("the database has room for %u workers, fewer than configured: %.*s",
		    workers, STR_ARGS(buf_view(&sum)));
	buf_fini(&sum);
}

/*
 * The service connects as its user, by whose name PostgreSQL may know it (peer authentication), so
 * root becomes that user for the rest of the command.
 */
static bool
become_user(const char *name)
{
	const struct passwd *user = name[0] && geteuid() == 0 ? getpwnam(name) : NULL;

	return !user || load_become(user);
}

/* fit: it does all that a service wants of it. */
static int
try_database(const struct conf *c, bool *fit)
{
	struct stats_slot stats = { 0 };
	struct app       *app;
	enum db_condition found;
	int               code;

	if (!become_user(c->user))
		return cmd_fail(EXIT_OS, "user: cannot become \"%s\": %s.", c->user,
		    strerror(errno));
	app = app_new(c, &stats, NULL);
	found = app_check(app);
	code = db_exit_code(found);
	if (code == 0)
		judge_room(c, app);
	else if (found != DB_CONDITION_NO_ROOM && code == EXIT_DATABASE && geteuid() == 0)
		cmd_say("this was tried as root; if the database knows the service by the name of "
		    "its user, set user, and check becomes it");
	app_free(app);
	*fit = found == DB_CONDITION_FIT;
	return code;
}

static void
print_conf(const struct conf *c)
{
	struct buf text;

	buf_init(&text, 64 * 1024);
	conf_print(c, &text);
	printf("%.*s", STR_ARGS(buf_view(&text)));
	buf_fini(&text);
}

int
cmd_check(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	bool print = ctx->option[OPTION_PRINT].ptr, connect = ctx->option[OPTION_CONNECT].ptr;
	bool fit = false;
	int  code = 0;

	judge(ctx);
	if (ctx->mistakes.len) {
		cmd_say_lines(buf_view(&ctx->mistakes));
		return EXIT_CONFIG;
	}
	if (print)
		print_conf(&ctx->conf);
	if (connect)
		code = try_database(&ctx->conf, &fit);
	if (code == 0 && !print)
		printf("%s ok\n", fit ? "configuration and database" : "configuration");
	return code;
}
