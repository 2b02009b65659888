/* Reads and judges the configuration of a command. */
#include "cli/load.h"
#include "db/url.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static void
add_mistake(struct buf *mistakes, struct str line)
{
	buf_fmt(mistakes, "%s%.*s", mistakes->len ? "\n" : "", STR_ARGS(line));
}

/* Those that this command connects with, and for check all. */
static bool
judge_urls(const struct cmd_context *ctx, const struct conf *c, struct buf *mistakes)
{
	enum cmd_needs needs = ctx->command->needs;
	const struct {
		const char *key, *url;
		bool        used;
	} urls[] = {
		{ "database_url", c->database_url, needs == CMD_SERVICE || needs == CMD_CHECK
		    || (needs == CMD_OWNER && !c->database_owner_url[0]) },
		{ "database_owner_url", c->database_owner_url,
		    (needs == CMD_OWNER || needs == CMD_CHECK) && c->database_owner_url[0] },
	};
	bool good = true;

	for (size_t i = 0; i < COUNTOF(urls); i++) {
		struct buf line;

		buf_init(&line, LINE_MAX_BYTES);
		if (urls[i].used && !db_url_check(urls[i].key, urls[i].url, &line)) {
			add_mistake(mistakes, buf_view(&line));
			good = false;
		}
		buf_fini(&line);
	}
	return good;
}

/* In a child, which becomes that user. True also when nothing can be found out. */
static bool
can_read(const struct passwd *user, const char *path)
{
	int   status;
	pid_t pid = fork();

	if (pid == 0) {
		if (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0
		    || setuid(user->pw_uid) != 0)
			_exit(0);
		_exit(open(path, O_RDONLY | O_CLOEXEC) == -1 && errno == EACCES);
	}
	return pid == -1 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)
	    || WEXITSTATUS(status) == 0;
}

/* A service that becomes another user must be able to read its configuration again. */
static bool
judge_reload(const struct cmd_context *ctx, const struct conf *c, struct buf *mistakes)
{
	enum cmd_needs       needs = ctx->command->needs;
	const struct passwd *user;

	if ((needs != CMD_SERVICE && needs != CMD_CHECK) || geteuid() != 0 || !c->user[0])
		return true;
	user = getpwnam(c->user);
	if (!user || can_read(user, ctx->config_path))
		return true;
	buf_fmt(mistakes, "%s%s: the user \"%s\" cannot read it, so every reload would be refused",
	    mistakes->len ? "\n" : "", ctx->config_path, c->user);
	return false;
}

bool
load_conf(const struct cmd_context *ctx, struct conf *out, struct buf *mistakes)
{
	bool missing = !ctx->config_named && access(ctx->config_path, F_OK) == -1
	    && errno == ENOENT;
	bool good;

	conf_init(out);
	good = missing || conf_read_file(out, ctx->config_path, mistakes);
	good &= conf_read_env(out, mistakes);
	for (char **flag = ctx->flags; *flag; flag++)
		good &= conf_set_flag(out, *flag, mistakes);
	good &= judge_urls(ctx, out, mistakes);
	if (ctx->command->needs == CMD_SERVICE)
		conf_forget_owner(out, ctx->flags);
	return good && judge_reload(ctx, out, mistakes);
}

bool
cmd_load_conf(const struct cmd_context *ctx, struct conf *out, struct buf *err)
{
	struct conf c;
	struct buf  mistakes;
	bool        good;

	buf_init(&mistakes, LINE_MAX_BYTES);
	good = load_conf(ctx, &c, &mistakes);
	if (good)
		*out = c;
	else
		conf_fini(&c);
	for (struct str rest = buf_view(&mistakes); !good && rest.ptr;) {
		struct str line = str_cut(&rest, '\n');

		buf_fmt(err, "%.*s%s", STR_ARGS(line), rest.ptr ? "; " : "");
	}
	buf_fini(&mistakes);
	return good;
}

void
load_warn(const struct cmd_context *ctx)
{
	for (char **flag = ctx->flags; *flag; flag++) {
		const char *url = conf_flag_secret(*flag);

		if (url && db_url_has_password(url))
			cmd_say("%.*s has a password, which everybody on this machine can see in "
			    "the list of processes; put it into the file or the environment.",
			    (int)strcspn(*flag, "="), *flag);
	}
}
