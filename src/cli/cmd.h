/*
 * What main() and the subcommands share.
 *
 * Arguments  argv[0] is the subcommand's own name; global options (-c, --json,
 *            --<key>=value) have been taken out, wherever they stood.
 * Result     The exit code: 0, or one of base.h.
 * Output     Results on stdout, everything else on stderr.
 */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include "conf/conf.h"

struct cmd_context {
	struct conf conf; /* file, environment and flags together */
	bool        json; /* --json: results as JSON */

	/* How the configuration was found, so that a reload can find it again. */
	const char *config_path;
	bool        config_named; /* by -c: then the file must exist */
	char      **flags;        /* "--key=value", NULL at the end */

	char **argv; /* as the process got it */
};

/* Reads file, environment and flags into out, which must not be initialised; false: nothing is. */
bool cmd_load_conf(const struct cmd_context *ctx, struct conf *out, struct buf *err) MUSTCHECK;

/* Says on stderr what is wrong with the command line; returns EXIT_USAGE. */
int cmd_usage(const char *fmt, ...) PRINTF(1, 2);

typedef int cmd_fn(struct cmd_context *ctx, int argc, char **argv);

cmd_fn cmd_serve;
cmd_fn cmd_status;
cmd_fn cmd_workers;
cmd_fn cmd_reload;
cmd_fn cmd_upgrade;
cmd_fn cmd_check;
cmd_fn cmd_conf;
cmd_fn cmd_migrate;
cmd_fn cmd_org;
cmd_fn cmd_key;

#endif
