/*
 * What main() and the commands agree on.
 *
 * Table      A command is a row of commands.c: its name, what it takes, what it needs. Parsing
 *            (args.c), help (help.c) and completion (completion.c) know no command by name.
 * Arguments  argv[0] is the command's name, the rest are its words; how many there may be, and
 *            which, was judged by the row. Options are in ctx->option.
 * Result     The exit code: 0, or one of base.h.
 * Output     Results on stdout; main() sees to it that they arrive. Everything else on stderr.
 */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include "conf/conf.h"

/* In the order of help. */
enum cmd_option {
	OPTION_ORG,
	OPTION_ENV,
	OPTION_NAME,
	OPTION_EXPIRES_DAYS,
	OPTION_LIMIT,
	OPTION_PERMISSIONS,
	OPTION_ALLOW,
	OPTION_OVERLAP,
	OPTION_FIRST,
	OPTION_AFTER,
	OPTION_CUSTOMER,
	OPTION_STATE,
	OPTION_CUSTOMERS,
	OPTION_PRICES,
	OPTION_TRIAL_DAYS,
	OPTION_CURRENCY,
	OPTION_COLLECTION,
	OPTION_NET_DAYS,
	OPTION_GRACE_DAYS,
	OPTION_INSTRUCTIONS,
	OPTION_FREE,
	OPTION_PUBLIC,
	OPTION_WATCH,
	OPTION_PRINT,
	OPTION_CONNECT,
	OPTION_STATUS,
	OPTION_DRY_RUN,
	OPTION_WAIT,
	OPTION_NO_WAIT,
	OPTION_BY,
	OPTION_SECOND_FACTOR,
	OPTION_YES,
	OPTION_JSON,
	OPTION_CSV,
	OPTION_FORMAT,
	OPTION_NEUTRALISE,
	OPTION_ON_CONFLICT,
	OPTION_CREATED_AT,
	OPTION_RESULTS,
	OPTION_AGAIN,
	OPTION_CONFIG, /* these three: of every command */
	OPTION_VERSION,
	OPTION_HELP,
	OPTION__COUNT
};

/* The set of one option. */
#define CMD_OPTION(name) (UINT64_C(1) << OPTION_##name)

/* What is done before the command runs. */
enum cmd_needs {
	CMD_NOTHING, /* it works without a configuration */
	CMD_CONF,    /* the configuration is read */
	CMD_CHECK,   /* the same, but mistakes in it are left to the command */
	CMD_SERVICE, /* the configuration, and the log is not for a person at a terminal */
	CMD_ADMIN,   /* the configuration; a running service is asked over admin_listen */
	CMD_OWNER,   /* the configuration, and ctx->owner, which has not connected yet */
};

struct cmd_context {
	struct conf conf; /* file, environment and flags together */
	bool        json; /* --json: results as JSON */

	/* How the configuration was found, so that a reload can find it again. */
	const char *config_path;  /* absolute */
	bool        config_named; /* by -c: then the file must exist */
	char      **flags;        /* "--key=value", NULL at the end */

	char **argv; /* as the process got it */

	const struct cmd *command;
	struct str        option[OPTION__COUNT]; /* absent: not given; a switch is empty */
	int64_t           number[OPTION__COUNT]; /* of those that are numbers or times (ms) */
	struct owner     *owner;                 /* cli/owner.h; for CMD_OWNER */
	struct buf        mistakes;              /* of the configuration, a line each */
};

typedef int cmd_fn(struct cmd_context *ctx, int argc, char **argv);

struct cmd {
	const char    *name;     /* one word, or a group and a word: "org create" */
	const char    *args;     /* its words, see args.h */
	uint64_t       takes;    /* CMD_OPTION()s, without those of every command */
	uint64_t       wants;    /* those of them that must be given */
	enum cmd_needs needs;
	cmd_fn        *run;
	const char    *sentence; /* what it does, for a list of commands */
	const char    *detail;   /* more of it, or "" */
	const char    *example;
};

enum cmd_kind {
	KIND_SWITCH, /* has no value */
	KIND_TEXT,
	KIND_CHOICE, /* one of the words in 'value' */
	KIND_NUMBER, /* from min to max */
	KIND_TIME,   /* ms, with a unit */
	KIND_PERIOD, /* the same, or nothing: --wait, --wait=5s, --wait 5s */
	KIND_MAYBE,  /* a number, or nothing: --watch, --watch=5 */
};

struct cmd_option_info {
	const char   *name;  /* without its dashes */
	char          letter; /* 0: none */
	enum cmd_kind kind;
	const char   *value; /* what stands for it in help: NAME, live|sandbox */
	int64_t       min, max;
	const char   *sentence;
};

/* The first words of commands that have two. */
struct cmd_group {
	const char *name, *sentence;
};

extern const struct cmd_group       cmd_groups[];
extern const size_t                 cmd_group_count;
extern const struct cmd             cmd_table[];
extern const size_t                 cmd_count;
extern const struct cmd_option_info cmd_options[OPTION__COUNT];

/* Those that every command takes. */
#define CMD_OPTIONS_OF_ALL (CMD_OPTION(CONFIG) | CMD_OPTION(VERSION) | CMD_OPTION(HELP))

/* Reads file, environment and flags into out, which must not be initialised; false: nothing is. */
bool cmd_load_conf(const struct cmd_context *ctx, struct conf *out, struct buf *err) MUSTCHECK;

/*
 * One sentence on stderr after "clientele: ", with hidden characters escaped. cmd_fail() returns
 * code, cmd_usage() EXIT_USAGE: something is wrong with the command line.
 */
void cmd_say(const char *fmt, ...) PRINTF(1, 2);
int  cmd_fail(int code, const char *fmt, ...) PRINTF(2, 3);
int  cmd_usage(const char *fmt, ...) PRINTF(1, 2);

/* The same for each line of a text. */
void cmd_say_lines(struct str text);

/* Whether the next line of standard input is this text. */
bool cmd_typed(const char *text);

/* Whether all that was printed so far was taken; false: errno says why, or is 0. */
bool cmd_flush(void) MUSTCHECK;

cmd_fn cmd_serve;
cmd_fn cmd_status;
cmd_fn cmd_workers;
cmd_fn cmd_command; /* reload, upgrade, reopen, stop */
cmd_fn cmd_check;
cmd_fn cmd_conf;
cmd_fn cmd_migrate;
cmd_fn cmd_org_billing;
cmd_fn cmd_org_create;
cmd_fn cmd_org_delete;
cmd_fn cmd_org_export;
cmd_fn cmd_org_list;
cmd_fn cmd_org_pin;
cmd_fn cmd_org_rename;
cmd_fn cmd_key_check;
cmd_fn cmd_key_create;
cmd_fn cmd_key_limit;
cmd_fn cmd_key_list;
cmd_fn cmd_key_revoke;
cmd_fn cmd_key_rotate;
cmd_fn cmd_customer_archive;
cmd_fn cmd_customer_count;
cmd_fn cmd_customer_create;
cmd_fn cmd_customer_duplicates;
cmd_fn cmd_customer_erase;
cmd_fn cmd_customer_get;
cmd_fn cmd_customer_list;
cmd_fn cmd_customer_restore;
cmd_fn cmd_customer_update;
cmd_fn cmd_export_customers;
cmd_fn cmd_history_verify;
cmd_fn cmd_import_customers;
cmd_fn cmd_plan_create;
cmd_fn cmd_plan_list;
cmd_fn cmd_subscription_list;
cmd_fn cmd_subscription_show;
cmd_fn cmd_invoice_list;
cmd_fn cmd_invoice_paid;
cmd_fn cmd_invoice_show;
cmd_fn cmd_invoice_void;
cmd_fn cmd_user_create;
cmd_fn cmd_user_invite;
cmd_fn cmd_user_list;
cmd_fn cmd_user_remove;
cmd_fn cmd_user_link;
cmd_fn cmd_user_reset;
cmd_fn cmd_user_role;
cmd_fn cmd_completion;
cmd_fn cmd_help;
cmd_fn cmd_version;

#endif
