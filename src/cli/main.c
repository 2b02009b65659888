/* The command line: global options, the table of subcommands, the configuration. */
#include "base/arena.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "guard/harden.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	cmd_fn     *run;
	const char *help;
} commands[] = {
	{ "serve", cmd_serve, "answer requests until it is stopped" },
	{ "status", cmd_status, "what a running service is at [--watch[=SECONDS]]" },
	{ "workers", cmd_workers, "how many there are | N | +N | -N to change it" },
	{ "reload", cmd_reload, "have a running service read its configuration again" },
	{ "upgrade", cmd_upgrade,
	    "have a running service go on with the binary that is installed now" },
	{ "check", cmd_check, "judge the configuration [--print] and the database [--connect]" },
	{ "conf", cmd_conf, "print a web server's file for this configuration: "
	    "nginx | lighttpd | caddy | apache" },
	{ "migrate", cmd_migrate, "bring the database schema up to date" },
	{ "org", cmd_org, "create NAME | list | pin NAME VERSION|none" },
	{ "key", cmd_key, "create --org NAME --env live|sandbox | list [--org NAME] | revoke ID" },
};

int
cmd_usage(const char *fmt, ...)
{
	va_list ap;

	fputs("clientele: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nclientele -h lists the commands\n", stderr);
	return EXIT_USAGE;
}

static void
help(void)
{
	printf("usage: clientele [option ...] command [argument ...]\n\ncommands:\n");
	for (size_t i = 0; i < COUNTOF(commands); i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].help);
	printf("\noptions, before or after the command:\n"
	       "  -c, --config FILE  configuration file (" SYSCONFDIR "/clientele.conf)\n"
	       "  --<key>=VALUE      any key of the configuration, such as --log-level=debug\n"
	       "  --json             results as JSON\n"
	       "  -V, --version      version and how it was built\n"
	       "  -h, --help         this text\n");
}

bool
cmd_load_conf(const struct cmd_context *ctx, struct conf *out, struct buf *err)
{
	struct conf c;
	bool        missing, good;

	missing = !ctx->config_named && access(ctx->config_path, F_OK) == -1 && errno == ENOENT;
	conf_init(&c);
	good = (missing || conf_read_file(&c, ctx->config_path, err)) && conf_read_env(&c, err);
	for (char **flag = ctx->flags; good && *flag; flag++)
		good = conf_set_flag(&c, *flag, err);
	if (good)
		*out = c;
	else
		conf_fini(&c);
	return good;
}

/* Opens standard descriptors that are closed: a socket with such a number would get the log. */
static bool
fill_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd == -1 || close(fd) == 0;
}

static int
run(struct cmd_context *ctx, int argc, char **argv)
{
	struct buf err;
	int        code = EXIT_CONFIG;
	size_t     i = 0;

	while (i < COUNTOF(commands) && strcmp(commands[i].name, argv[0]) != 0)
		i++;
	if (i == COUNTOF(commands))
		return cmd_usage("there is no command \"%s\"", argv[0]);
	buf_init(&err, 4096);
	if (cmd_load_conf(ctx, &ctx->conf, &err)) {
		log_init("clientele", (enum log_level)ctx->conf.log_level);
		code = commands[i].run(ctx, argc, argv);
		conf_fini(&ctx->conf);
	} else
		fprintf(stderr, "clientele: %.*s\n", STR_ARGS(buf_view(&err)));
	buf_fini(&err);
	return code;
}

enum option { OPTION_NONE, OPTION_CONFIG, OPTION_JSON, OPTION_VERSION, OPTION_HELP };

static enum option
option_find(const char *arg)
{
	static const struct {
		const char *name;
		enum option option;
	} options[] = {
		{ "-c", OPTION_CONFIG },
		{ "--config", OPTION_CONFIG },
		{ "--json", OPTION_JSON },
		{ "-V", OPTION_VERSION },
		{ "--version", OPTION_VERSION },
		{ "-h", OPTION_HELP },
		{ "--help", OPTION_HELP },
	};

	for (size_t i = 0; i < COUNTOF(options); i++)
		if (strcmp(arg, options[i].name) == 0)
			return options[i].option;
	return OPTION_NONE;
}

/* The rest of the command line, for the subcommand; global options are in ctx. */
struct arguments {
	int    argc;
	char **argv;
	size_t flags;
	bool   help, version;
};

/* Returns 0, or an exit code. */
static int
sort_arguments(struct cmd_context *ctx, struct arguments *a, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *arg = argv[i];

		if (strncmp(arg, "--config=", 9) == 0) {
			ctx->config_path = arg + 9;
			ctx->config_named = true;
			continue;
		}
		switch (option_find(arg)) {
		case OPTION_CONFIG:
			if (++i == argc)
				return cmd_usage("%s needs a file", arg);
			ctx->config_path = argv[i];
			ctx->config_named = true;
			continue;
		case OPTION_JSON:
			ctx->json = true;
			continue;
		case OPTION_VERSION:
			a->version = true;
			continue;
		case OPTION_HELP:
			a->help = true;
			continue;
		case OPTION_NONE:
			break;
		}
		if (conf_is_flag(arg))
			ctx->flags[a->flags++] = arg;
		else if (a->argc == 0 && arg[0] == '-')
			return cmd_usage("there is no option %s", arg);
		else
			a->argv[a->argc++] = arg;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct cmd_context ctx = { .config_path = SYSCONFDIR "/clientele.conf", .argv = argv };
	struct arguments   a = { 0 };
	int                code;

	harden_process();
	if (argc < 1 || !fill_standard_fds())
		return EXIT_OS;
	ctx.flags = must_alloc(((size_t)argc + 1) * sizeof(*ctx.flags));
	a.argv = must_alloc(((size_t)argc + 1) * sizeof(*a.argv));
	code = sort_arguments(&ctx, &a, argc, argv);
	if (code != 0)
		;
	else if (a.help)
		help();
	else if (a.version)
		printf("%s\n%s\n", PACKAGE_STRING, BUILD_SUMMARY);
	else if (a.argc == 0)
		code = cmd_usage("no command");
	else
		code = run(&ctx, a.argc, a.argv);
	free(ctx.flags);
	free(a.argv);
	return code;
}
