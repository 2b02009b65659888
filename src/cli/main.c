/* Runs a command of the table. */
#include "base/arena.h"
#include "base/log.h"
#include "cli/args.h"
#include "cli/load.h"
#include "cli/owner.h"
#include "guard/harden.h"
#include "master/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MISTAKES_MAX_BYTES = 16 * 1024 };

/*
 * A socket on a standard descriptor that was closed would have the log written to it. Standard
 * output cannot be written then, so that a command notices that its result is lost.
 */
static bool
fill_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", fcntl(STDIN_FILENO, F_GETFD) == -1 ? O_RDWR
		    : fcntl(STDOUT_FILENO, F_GETFD) == -1		 ? O_RDONLY
									 : O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd == -1 || close(fd) == 0;
}

/* For a service the log speaks as configured, otherwise to a person. */
static void
begin_log(const struct cmd_context *ctx)
{
	enum log_level level = (enum log_level)ctx->conf.log_level;

	if (ctx->command->needs == CMD_SERVICE) {
		log_init("clientele", level);
		return;
	}
	log_init("clientele", level == LOG_LEVEL_DEBUG ? level : LOG_LEVEL_WARN);
	log_plain();
}

static int
run_as_owner(struct cmd_context *ctx, int argc, char **argv)
{
	struct owner owner;
	int          code;

	owner_init(&owner, &ctx->conf);
	ctx->owner = &owner;
	code = ctx->command->run(ctx, argc, argv);
	owner_fini(&owner);
	return code;
}

static void
say_mistakes(const struct cmd_context *ctx)
{
	static struct handover h;

	cmd_say_lines(buf_view(&ctx->mistakes));
	if (ctx->command->needs == CMD_SERVICE && handover_take(&h))
		handover_tell(&h, buf_view(&ctx->mistakes));
}

static int
run(struct cmd_context *ctx, int argc, char **argv)
{
	enum cmd_needs needs = ctx->command->needs;
	bool           good;
	int            code = EXIT_CONFIG;

	if (needs == CMD_NOTHING)
		return ctx->command->run(ctx, argc, argv);
	buf_init(&ctx->mistakes, MISTAKES_MAX_BYTES);
	good = load_conf(ctx, &ctx->conf, &ctx->mistakes);
	begin_log(ctx);
	load_warn(ctx);
	/* A service can be asked whatever else is wrong with its configuration. */
	if (needs == CMD_ADMIN && ctx->conf.admin_listen[0])
		good = true;
	if (!good && needs != CMD_CHECK)
		say_mistakes(ctx);
	else if (needs == CMD_OWNER)
		code = run_as_owner(ctx, argc, argv);
	else
		code = ctx->command->run(ctx, argc, argv);
	buf_fini(&ctx->mistakes);
	conf_fini(&ctx->conf);
	return code;
}

/* A result that did not arrive is no success. */
static int
end_output(int code)
{
	bool taken = cmd_flush() && close(STDOUT_FILENO) == 0;

	if (taken || code != 0)
		return code;
	return cmd_fail(EXIT_OUTPUT, "the result could not be written to standard output%s%s.",
	    errno ? ": " : "", errno ? strerror(errno) : "");
}

int
main(int argc, char **argv)
{
	static char room[64 * 1024]; /* what most results are smaller than */

	struct cmd_context ctx = { .config_path = SYSCONFDIR "/clientele.conf", .argv = argv };
	char             **words;
	int                count, code;

	harden_process();
	if (argc < 1 || !fill_standard_fds())
		return EXIT_OS;
	/* A closed pipe is an error of write(). */
	signal(SIGPIPE, SIG_IGN);
	/* Written when it is complete, so that it is known why not. */
	setvbuf(stdout, room, _IOFBF, sizeof(room));
	ctx.flags = must_alloc(((size_t)argc + 1) * sizeof(*ctx.flags));
	words = must_alloc(((size_t)argc + 1) * sizeof(*words));
	code = args_parse(&ctx, argv, &count, words);
	if (code == 0)
		code = end_output(run(&ctx, count, words));
	free(ctx.flags);
	free(words);
	return code;
}
