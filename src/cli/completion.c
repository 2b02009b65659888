/* clientele completion: scripts for bash and zsh, made of the tables of commands and options. */
#include "cli/args.h"

#include <stdio.h>
#include <string.h>

/*
 * Both scripts do the same. They walk over the words before the cursor, leave out options and their
 * values, and know then which command is meant and how many words it has. What may come next is
 * looked up in three lists: of words, of options, of values.
 */
static const char bash_head[] =
    "# Completion of clientele for bash, printed by `clientele completion bash`.\n"
    "_clientele()\n"
    "{\n"
    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "\tlocal command='' list='' skip='' word i count=0\n"
    "\tlocal -a given=()\n"
    "\tCOMPREPLY=()\n"
    "\tif [ \"$cur\" = = ]; then\n"
    "\t\tcur=''\n"
    "\telif [ \"$prev\" = = ]; then\n"
    "\t\tprev=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "\tfi\n"
    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
    "\t\tword=${COMP_WORDS[i]}\n"
    "\t\tif [ \"$word\" = = ]; then\n"
    "\t\t\tskip=yes\n"
    "\t\t\tcontinue\n"
    "\t\telif [ -n \"$skip\" ]; then\n"
    "\t\t\tskip=''\n"
    "\t\t\tcontinue\n"
    "\t\tfi\n"
    "\t\tcase $word in\n";
static const char bash_words[] =
    "\t\t-*) ;;\n"
    "\t\t*) given+=(\"$word\") ;;\n"
    "\t\tesac\n"
    "\tdone\n"
    "\tcommand=${given[0]}\n"
    "\tcount=$((${#given[@]} - 1))\n"
    "\tcase $command in\n";
static const char bash_values[] =
    "\tesac\n"
    "\tcase $prev in\n"
    "\t-c | --config)\n"
    "\t\tcompopt -o filenames\n"
    "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "\t\treturn\n"
    "\t\t;;\n";
static const char bash_next[] =
    "\tesac\n"
    "\tcase $cur in\n"
    "\t-*)\n"
    "\t\tcase $command in\n";
static const char bash_next_words[] =
    "\t\tesac\n"
    "\t\t;;\n"
    "\t*)\n"
    "\t\tcase \"$command $count\" in\n";
static const char bash_tail[] =
    "\t\tesac\n"
    "\t\t;;\n"
    "\tesac\n"
    "\tmapfile -t COMPREPLY < <(compgen -W \"$list\" -- \"$cur\")\n"
    "\t[[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace\n"
    "}\n"
    "complete -F _clientele clientele\n";

static const char zsh_head[] =
    "#compdef clientele\n"
    "# Completion of clientele for zsh, printed by `clientele completion zsh`.\n"
    "_clientele() {\n"
    "\tlocal cur=$words[CURRENT] prev=$words[CURRENT-1] command= skip= word i count\n"
    "\tlocal -a given list keys\n"
    "\tfor ((i = 2; i < CURRENT; i++)); do\n"
    "\t\tword=$words[i]\n"
    "\t\tif [[ -n $skip ]]; then\n"
    "\t\t\tskip=\n"
    "\t\t\tcontinue\n"
    "\t\tfi\n"
    "\t\tcase $word in\n";
static const char zsh_words[] =
    "\t\t-*) ;;\n"
    "\t\t*) given+=(\"$word\") ;;\n"
    "\t\tesac\n"
    "\tdone\n"
    "\tcommand=$given[1]\n"
    "\tcount=$(($#given - 1))\n"
    "\tcase $command in\n";
static const char zsh_values[] =
    "\tesac\n"
    "\tcase $prev in\n"
    "\t-c | --config)\n"
    "\t\t_files\n"
    "\t\treturn\n"
    "\t\t;;\n";
static const char zsh_next[] =
    "\tesac\n"
    "\tcase $cur in\n"
    "\t-*)\n"
    "\t\tcase $command in\n";
static const char zsh_next_words[] =
    "\t\tesac\n"
    "\t\t;;\n"
    "\t*)\n"
    "\t\tcase \"$command $count\" in\n";
static const char zsh_tail[] =
    "\t\tesac\n"
    "\t\t;;\n"
    "\tesac\n"
    "\t_describe -t words clientele list\n"
    "\t((! $#keys)) || _describe -t keys 'key of the configuration' keys -S ''\n"
    "}\n"
    "if [[ $funcstack[1] == _clientele ]]; then\n"
    "\t_clientele \"$@\"\n"
    "else\n"
    "\tcompdef _clientele clientele\n"
    "fi\n";

struct shell {
	const char *name;
	const char *head, *words, *values, *next, *next_words, *tail;
	const char *keys;      /* stands before keys of the configuration */
	bool        describes; /* list is an array of 'word:sentence' */
};

static const struct shell shells[] = {
	{ "bash", bash_head, bash_words, bash_values, bash_next, bash_next_words, bash_tail, "",
	    false },
	{ "zsh", zsh_head, zsh_words, zsh_values, zsh_next, zsh_next_words, zsh_tail, ") keys=(",
	    true },
};

/* ---- what may come next: "list='a b'" or "list=('a:what a is' 'b:...')" */

static void
begin_list(const struct shell *sh)
{
	printf("list=%s", sh->describes ? "(" : "'");
}

static void
end_list(const struct shell *sh)
{
	printf("%s ;;\n", sh->describes ? ")" : "'");
}

/* Within single quotes. */
static void
put_quoted(const char *text)
{
	for (; *text; text++)
		if (*text == '\'')
			printf("'\\''");
		else
			putchar(*text);
}

/* One more; sentence may be NULL. */
static void
put_item(const struct shell *sh, const char *before, struct str word, const char *after,
    const char *sentence)
{
	if (!sh->describes) {
		printf(" %s%.*s%s", before, STR_ARGS(word), after);
		return;
	}
	printf(" '%s%.*s%s", before, STR_ARGS(word), after);
	if (sentence) {
		putchar(':');
		put_quoted(sentence);
	}
	putchar('\'');
}

/* First words of commands; or the second words of those of a group. */
static void
put_commands(const struct shell *sh, const char *group)
{
	for (size_t i = 0; i < cmd_count; i++) {
		struct str of, last = args_last_word(&cmd_table[i], &of);

		if (group ? of.ptr && str_is(of, group) : !of.ptr)
			put_item(sh, "", last, "", cmd_table[i].sentence);
	}
	for (size_t i = 0; i < cmd_group_count && !group; i++)
		put_item(sh, "", str_of(cmd_groups[i].name), "", cmd_groups[i].sentence);
}

static void
put_option(const struct shell *sh, const struct cmd_option_info *o)
{
	put_item(sh, "--", str_of(o->name), "", o->sentence);
}

static void
put_keys(const struct shell *sh)
{
	const char *name, *dflt, *sentence;

	for (size_t i = 0; (name = conf_key(i, &dflt, &sentence)) != NULL; i++) {
		char dashed[64];

		snprintf(dashed, sizeof(dashed), "%s", name);
		for (char *p = dashed; *p; p++)
			*p = *p == '_' ? '-' : *p;
		put_item(sh, "--", str_of(dashed), "=", sentence);
	}
}

/* ---- the parts of a script */

/* Options whose value is the next word. */
static bool
has_value(const struct cmd_option_info *o)
{
	return o->kind != KIND_SWITCH && o->kind != KIND_MAYBE && o->kind != KIND_PERIOD;
}

static void
print_valued(bool choices)
{
	bool first = true;

	for (size_t i = 0; i < OPTION__COUNT; i++) {
		const struct cmd_option_info *o = &cmd_options[i];

		if (!has_value(o) || (choices && (o->kind == KIND_CHOICE || i == OPTION_CONFIG)))
			continue;
		printf("%s--%s", first ? "" : " | ", o->name);
		if (o->letter)
			printf(" | -%c", o->letter);
		first = false;
	}
}

/* A group and its word are one command. */
static void
print_groups(void)
{
	printf("\t");
	for (size_t i = 0; i < cmd_group_count; i++)
		printf("%s%s", i ? " | " : "", cmd_groups[i].name);
	printf(")\n\t\tcommand=\"${given[*]:0:2}\"\n\t\tcount=$((count - 1))\n\t\t;;\n");
}

static void
print_values(const struct shell *sh)
{
	for (size_t i = 0; i < OPTION__COUNT; i++) {
		struct str rest = str_of(cmd_options[i].value);

		if (cmd_options[i].kind != KIND_CHOICE)
			continue;
		printf("\t--%s)\n\t\t", cmd_options[i].name);
		begin_list(sh);
		while (rest.ptr)
			put_item(sh, "", str_cut(&rest, '|'), "", NULL);
		printf("%s\n\t\tcommand=value\n\t\tcount=0\n\t\t;;\n", sh->describes ? ")" : "'");
	}
	printf("\t");
	print_valued(true);
	printf(") return ;;\n");
}

static void
print_options(const struct shell *sh)
{
	for (size_t i = 0; i < cmd_count; i++) {
		const struct cmd *cmd = &cmd_table[i];

		printf("\t\t'%s') ", cmd->name);
		begin_list(sh);
		for (size_t o = 0; o < OPTION__COUNT; o++)
			if ((cmd->takes | CMD_OPTIONS_OF_ALL) & UINT64_C(1) << o)
				put_option(sh, &cmd_options[o]);
		if (cmd->needs == CMD_SERVICE || cmd->needs == CMD_CHECK) {
			printf("%s", sh->keys);
			put_keys(sh);
		}
		end_list(sh);
	}
	printf("\t\t*) ");
	begin_list(sh);
	for (size_t o = 0; o < OPTION__COUNT; o++)
		if (CMD_OPTIONS_OF_ALL & UINT64_C(1) << o)
			put_option(sh, &cmd_options[o]);
	end_list(sh);
}

static bool
is_small(struct str word)
{
	return word.len && word.ptr[0] >= 'a' && word.ptr[0] <= 'z';
}

/* The words of small letters among those that a place takes. */
static void
print_place(const struct shell *sh, const struct cmd *cmd, size_t at, const struct args_word *w)
{
	struct str rest = w->text;
	bool       commands = str_is(w->text, "COMMAND"), any = commands;

	for (struct str all = w->text; all.ptr;)
		any |= is_small(str_cut(&all, '|'));
	if (!any)
		return;
	printf("\t\t'%s %zu') ", cmd->name, at);
	begin_list(sh);
	if (commands)
		put_commands(sh, NULL);
	while (rest.ptr && !commands) {
		struct str one = str_cut(&rest, '|');

		if (is_small(one))
			put_item(sh, "", one, "", NULL);
	}
	end_list(sh);
}

static void
print_words(const struct shell *sh)
{
	printf("\t\t' -1') ");
	begin_list(sh);
	put_commands(sh, NULL);
	end_list(sh);
	for (size_t i = 0; i < cmd_group_count; i++) {
		printf("\t\t'%s -1') ", cmd_groups[i].name);
		begin_list(sh);
		put_commands(sh, cmd_groups[i].name);
		end_list(sh);
	}
	for (size_t i = 0; i < cmd_count; i++) {
		struct str       args = str_of(cmd_table[i].args);
		struct args_word w;

		for (size_t at = 0; args_word_next(&args, &w); at++)
			print_place(sh, &cmd_table[i], at, &w);
	}
}

int
cmd_completion(struct cmd_context *ctx UNUSED, int argc UNUSED, char **argv)
{
	const struct shell *sh = &shells[strcmp(argv[1], shells[0].name) != 0];

	printf("%s\t\t", sh->head);
	print_valued(false);
	printf(") skip=yes ;;\n%s", sh->words);
	print_groups();
	printf("%s", sh->values);
	print_values(sh);
	printf("%s", sh->next);
	print_options(sh);
	printf("%s", sh->next_words);
	print_words(sh);
	printf("%s", sh->tail);
	return 0;
}
