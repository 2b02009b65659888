/* Reads and judges the configuration of a command. */
#include "cli/load.h"
#include "db/url.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static void
add_mistake(struct buf *mistakes, struct str line)
{
	buf_fmt(mistakes, "%s%.*s", mistakes->len ? "\n" : "", STR_ARGS(line));
}

static bool
judge_url(const char *key, const char *url, struct buf *mistakes)
{
	struct buf line;
	bool       good;

	buf_init(&line, LINE_MAX_BYTES);
	good = db_url_check(key, url, &line);
	if (!good)
		add_mistake(mistakes, buf_view(&line));
	buf_fini(&line);
	return good;
}

bool
load_become(const struct passwd *user)
{
	return initgroups(user->pw_name, user->pw_gid) == 0 && setgid(user->pw_gid) == 0
	    && setuid(user->pw_uid) == 0 && setenv("HOME", user->pw_dir, 1) == 0;
}

/* In a child, which becomes that user. True also when nothing can be found out. */
static bool
can_read(const struct passwd *user, const char *path)
{
	int   status;
	pid_t pid = fork();

	if (pid == 0) {
		if (!load_become(user))
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

/* ---- the owner's file */

/* Beside the configuration, unless it is named by a whole path. */
static void
owner_path(const struct cmd_context *ctx, const struct conf *c, char *out, size_t size)
{
	const char *folder = ctx->config_path, *end = strrchr(folder, '/') + 1;

	snprintf(out, size, "%.*s%s", c->owner_file[0] == '/' ? 0 : (int)(end - folder), folder,
	    c->owner_file);
}

/* How others than its owner could know what is in it, and what to do; NULL: they cannot. */
static const char *
exposure(const struct conf *c, const struct stat *st)
{
	const struct passwd *user = c->user[0] ? getpwnam(c->user) : NULL;

	if (!S_ISREG(st->st_mode))
		return NULL; /* a pipe of the caller's */
	if (st->st_mode & (S_IRWXG | S_IRWXO))
		return "others than its owner may read or write it, and it may hold a password: "
		       "chmod 600";
	if (user && user->pw_uid != 0 && st->st_uid == user->pw_uid)
		return "it belongs to the user of the service, who must not know it: chown root";
	return NULL;
}

/* False: how has the mistakes. A file that nobody named may be missing. */
static bool
read_owner_file(const struct cmd_context *ctx, struct conf *c, struct buf *how)
{
	char        path[PATH_MAX];
	struct stat st;
	const char *exposed;

	owner_path(ctx, c, path, sizeof(path));
	if (stat(path, &st) == -1) {
		if (errno == ENOENT && conf_is_default(c, "owner_file"))
			return true;
		buf_fmt(how, "%s: %s", path, strerror(errno));
		return false;
	}
	exposed = exposure(c, &st);
	if (exposed)
		buf_fmt(how, "%s: %s %s", path, exposed, path);
	else if (ctx->command->needs == CMD_CHECK && access(path, R_OK) == -1)
		return true; /* as it should be for the service's user */
	return !exposed && conf_read_owner_file(c, path, how);
}

/* What the owner's commands connect with; the environment and the command line come first. */
static bool
load_owner(const struct cmd_context *ctx, struct conf *c, struct buf *mistakes)
{
	struct buf how;
	bool       good;

	buf_init(&how, LINE_MAX_BYTES);
	good = c->owner_given || read_owner_file(ctx, c, &how);
	if (!good)
		add_mistake(mistakes, buf_view(&how));
	buf_fini(&how);
	return judge_url("database_owner_url", c->database_owner_url, mistakes) && good;
}

/* ---- all of it */

bool
load_conf(const struct cmd_context *ctx, struct conf *out, struct buf *mistakes)
{
	enum cmd_needs needs = ctx->command->needs;
	bool missing = !ctx->config_named && access(ctx->config_path, F_OK) == -1
	    && errno == ENOENT;
	bool good;

	conf_init(out);
	good = missing || conf_read_file(out, ctx->config_path, mistakes);
	if (needs != CMD_SERVICE)
		conf_allow_owner(out);
	good &= conf_read_env(out, mistakes);
	for (char **flag = ctx->flags; *flag; flag++)
		good &= conf_set_flag(out, *flag, mistakes);
	if (needs == CMD_SERVICE || needs == CMD_CHECK)
		good &= judge_url("database_url", out->database_url, mistakes);
	if (needs == CMD_OWNER || needs == CMD_CHECK)
		good &= load_owner(ctx, out, mistakes);
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
