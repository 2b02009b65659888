/*
 * The command line: options anywhere, words in order, judged by the rows of the command table.
 *
 * Words      cmd->args names them with blanks between: NAME stands for any word, words of small
 *            letters with | between (nginx|caddy) are the ones there are, [X] may be left out, and
 *            X... takes all that follow, one at least.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "cli/cmd.h"

/*
 * Fills ctx, and argc and argv as the command gets them: words alone. 0, or an exit code, and
 * stderr says why. argv and ctx->flags are zeroed, with room for all of the process's arguments and
 * one more; ctx keeps views of these.
 */
int args_parse(struct cmd_context *ctx, char **process_argv, int *argc, char **argv) MUSTCHECK;

/* One word of cmd->args. */
struct args_word {
	struct str text;    /* without brackets and dots */
	bool       choices; /* it is a list of the words that there are */
	bool       optional;
	bool       more;    /* all that follow */
};

/* Cuts the first word off *args; false: there is none left. */
bool args_word_next(struct str *args, struct args_word *out);

/* The part of a command's name after its group, or all of it; *group is absent without one. */
struct str args_last_word(const struct cmd *cmd, struct str *group);

/* Says that there is no such command, in a group or at all; word NULL: none was given. */
int args_unknown_command(const char *group, const char *word);

/* Whether commands of two words begin with it. */
bool args_is_group(const char *word);

/*
 * For an option of several commands, of which each has its own choices ("a|b|c"). 0 if it is not
 * given or is one of them; otherwise EXIT_USAGE, and stderr says which ones there are.
 */
int args_judge_choice(const struct cmd_context *ctx, enum cmd_option which, const char *choices)
    MUSTCHECK;

/* The command of this name: its one word, or both of them; NULL: there is none. */
const struct cmd *args_find(const char *first, const char *second);

/* The usage line of a command, without "clientele". */
void args_usage(const struct cmd *cmd, struct buf *out);

#endif
