/* clientele help, version: made of the tables of commands and options. */
#include "base/arena.h"
#include "cli/args.h"
#include "json/jwrite.h"

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX_BYTES = 4096, NAME_WIDTH = 21, OPTION_WIDTH = 26, COLUMNS = 80 };

/* Words of a text, wrapped; the first goes on at column 'at', further lines are indented. */
static void
print_wrapped(const char *text, size_t at, size_t indent)
{
	struct str rest = str_of(text);
	bool       first = true;

	while (rest.ptr) {
		struct str word = str_cut(&rest, ' ');

		if (!first && at + 1 + word.len > COLUMNS) {
			printf("\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			putchar(' ');
			at++;
		}
		printf("%.*s", STR_ARGS(word));
		at += word.len;
		first = false;
	}
	putchar('\n');
}

static void
print_option(const struct cmd_option_info *o)
{
	char left[64];
	int  len = snprintf(left, sizeof(left), "  %s%c%s--%s", o->letter ? "-" : "",
	     o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name);

	if (o->value)
		snprintf(left + len, sizeof(left) - (size_t)len,
		    o->kind == KIND_MAYBE || o->kind == KIND_PERIOD ? "[=%s]" : " %s", o->value);
	if (strlen(left) < OPTION_WIDTH)
		printf("%-*s", OPTION_WIDTH, left);
	else
		printf("%s\n%*s", left, OPTION_WIDTH, "");
	print_wrapped(o->sentence, OPTION_WIDTH, OPTION_WIDTH);
}

static void
print_options(uint64_t set)
{
	for (size_t o = 0; o < OPTION__COUNT; o++)
		if (set & UINT64_C(1) << o)
			print_option(&cmd_options[o]);
}

/* Of one command, of a group, or of all. */
static void
print_commands(const char *group)
{
	for (size_t i = 0; i < cmd_count; i++) {
		struct str of;

		args_last_word(&cmd_table[i], &of);
		if (group && !(of.ptr && str_is(of, group)))
			continue;
		printf("  %-*s", NAME_WIDTH, cmd_table[i].name);
		print_wrapped(cmd_table[i].sentence, NAME_WIDTH + 2, NAME_WIDTH + 2);
	}
}

static void
help_command(const struct cmd *cmd)
{
	struct buf usage;

	buf_init(&usage, TEXT_MAX_BYTES);
	buf_fmt(&usage, "usage: clientele ");
	args_usage(cmd, &usage);
	buf_add(&usage, "", 1);
	print_wrapped(usage.ptr, 0, 8);
	buf_fini(&usage);
	printf("\n%s.\n", cmd->sentence);
	if (cmd->detail[0])
		print_wrapped(cmd->detail, 0, 0);
	printf("\noptions:\n");
	print_options(cmd->takes);
	print_options(CMD_OPTIONS_OF_ALL);
	if (cmd->needs != CMD_NOTHING)
		printf("%-*sany key of the configuration\n", OPTION_WIDTH, "      --<key>=VALUE");
	printf("\nexample:\n  %s\n", cmd->example);
}

static void
help_all(void)
{
	printf("usage: clientele [option ...] command [argument ...]\n\ncommands:\n");
	print_commands(NULL);
	printf("\noptions, before or after the command:\n");
	print_options(CMD_OPTION(JSON) | CMD_OPTIONS_OF_ALL);
	printf("%-*sany key of the configuration, such as --log-level=debug\n\n"
	       "clientele help COMMAND shows the options of one command, and an example.\n",
	    OPTION_WIDTH, "      --<key>=VALUE");
}

int
cmd_help(struct cmd_context *ctx UNUSED, int argc, char **argv)
{
	const struct cmd *cmd = argc > 1 ? args_find(argv[1], argc > 2 ? argv[2] : NULL) : NULL;

	if (argc == 1)
		help_all();
	else if (cmd)
		help_command(cmd);
	else if (!args_is_group(argv[1]))
		return args_unknown_command(NULL, argv[1]);
	else if (argc > 2)
		return args_unknown_command(argv[1], argv[2]);
	else {
		printf("usage: clientele %s command [argument ...]\n\ncommands:\n", argv[1]);
		print_commands(argv[1]);
		printf("\nclientele help %s COMMAND shows the options of one command, and an "
		       "example.\n", argv[1]);
	}
	return 0;
}

int
cmd_version(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	struct json_object *answer;
	struct buf          text;

	if (!ctx->json) {
		printf("%s\n%s\n", PACKAGE_STRING, BUILD_SUMMARY);
		return 0;
	}
	answer = jwrite_object();
	jwrite_put(answer, "version", jwrite_str(STR(PACKAGE_VERSION)));
	jwrite_put(answer, "build", jwrite_str(STR(BUILD_SUMMARY)));
	buf_init(&text, TEXT_MAX_BYTES);
	jwrite_text(answer, &text);
	printf("%.*s\n", STR_ARGS(buf_view(&text)));
	buf_fini(&text);
	jwrite_free(answer);
	return 0;
}
