/* The command line, judged by the tables of commands and options. */
#include "cli/args.h"
#include "base/arena.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGE_MAX_BYTES = 1024 };

/* ---- words of the tables */

bool
args_word_next(struct str *args, struct args_word *out)
{
	struct str text = str_cut(args, ' ');

	*out = (struct args_word) { .optional = text.len && text.ptr[0] == '[' };
	if (text.len == 0)
		return false;
	if (out->optional)
		text = (struct str) { text.ptr + 1, text.len - 2 };
	out->more = text.len > 3 && memcmp(text.ptr + text.len - 3, "...", 3) == 0;
	text.len -= out->more ? 3 : 0;
	out->text = text;
	out->choices = true;
	for (size_t i = 0; i < text.len; i++)
		out->choices &= (text.ptr[i] >= 'a' && text.ptr[i] <= 'z') || text.ptr[i] == '|';
	return true;
}

struct str
args_last_word(const struct cmd *cmd, struct str *group)
{
	struct str rest = str_of(cmd->name), first = str_cut(&rest, ' ');

	*group = rest.ptr ? first : STR_NONE;
	return rest.ptr ? rest : first;
}

static bool
is_choice(struct str choices, struct str word)
{
	while (choices.ptr)
		if (str_eq(str_cut(&choices, '|'), word))
			return true;
	return false;
}

/* "live|sandbox" as "live or sandbox" */
static void
print_choices(struct str choices, const char *last, struct buf *out)
{
	while (choices.ptr) {
		struct str one = str_cut(&choices, '|');

		buf_str(out, one);
		if (choices.ptr)
			buf_fmt(out, "%s", memchr(choices.ptr, '|', choices.len) ? ", " : last);
	}
}

/* ---- commands */

bool
args_is_group(const char *word)
{
	for (size_t i = 0; i < cmd_group_count; i++)
		if (strcmp(cmd_groups[i].name, word) == 0)
			return true;
	return false;
}

const struct cmd *
args_find(const char *first, const char *second)
{
	for (size_t i = 0; i < cmd_count; i++) {
		struct str group, last = args_last_word(&cmd_table[i], &group);

		if (group.ptr ? str_is(group, first) && second && str_is(last, second)
			      : str_is(last, first))
			return &cmd_table[i];
	}
	return NULL;
}

int
args_unknown_command(const char *group, const char *word)
{
	char       names[256] = "";
	size_t     len = 0;
	struct buf list;
	int        code;

	if (!group)
		return word
		    ? cmd_usage("there is no command \"%s\"; clientele help lists them.", word)
		    : cmd_usage("no command was given; clientele help lists them.");
	for (size_t i = 0; i < cmd_count; i++) {
		struct str of, last = args_last_word(&cmd_table[i], &of);

		if (of.ptr && str_is(of, group) && len < sizeof(names))
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%.*s",
			    len ? "|" : "", STR_ARGS(last));
	}
	buf_init(&list, MESSAGE_MAX_BYTES);
	print_choices(str_of(names), word ? " and " : " or ", &list);
	code = word
	    ? cmd_usage("%s has no command \"%s\"; it has %.*s.", group, word,
		  STR_ARGS(buf_view(&list)))
	    : cmd_usage("%s needs a command: %.*s.", group, STR_ARGS(buf_view(&list)));
	buf_fini(&list);
	return code;
}

static void
print_option(const struct cmd_option_info *o, struct buf *out)
{
	buf_fmt(out, "--%s", o->name);
	if (o->kind == KIND_MAYBE || o->kind == KIND_PERIOD)
		buf_fmt(out, "[=%s]", o->value);
	else if (o->value)
		buf_fmt(out, " %s", o->value);
}

void
args_usage(const struct cmd *cmd, struct buf *out)
{
	buf_fmt(out, "%s%s%s", cmd->name, cmd->args[0] ? " " : "", cmd->args);
	for (int wanted = 1; wanted >= 0; wanted--)
		for (size_t o = 0; o < OPTION__COUNT; o++) {
			bool want = (cmd->wants & UINT64_C(1) << o) != 0;

			if (!(cmd->takes & UINT64_C(1) << o) || want != wanted)
				continue;
			buf_fmt(out, want ? " " : " [");
			print_option(&cmd_options[o], out);
			buf_fmt(out, want ? "" : "]");
		}
}

/* A sentence with how it would be right. */
static int PRINTF(2, 3)
wrong(const struct cmd *cmd, const char *fmt, ...)
{
	char       problem[256];
	struct buf usage;
	va_list    ap;

	va_start(ap, fmt);
	vsnprintf(problem, sizeof(problem), fmt, ap);
	va_end(ap);
	buf_init(&usage, MESSAGE_MAX_BYTES);
	args_usage(cmd, &usage);
	cmd_say("%s: clientele %.*s", problem, STR_ARGS(buf_view(&usage)));
	buf_fini(&usage);
	return EXIT_USAGE;
}

/* ---- options */

struct parser {
	struct cmd_context *ctx;
	char              **in; /* the process's, NULL at the end */
	char              **words;
	int                 count;
	size_t              flags;
	bool                words_only; /* after "--" */
};

/* choices: of the option, or of the command for it. */
static int
refuse_value(const struct cmd_option_info *o, const char *choices, const char *value)
{
	struct buf what;
	int        code;

	buf_init(&what, MESSAGE_MAX_BYTES);
	if (choices)
		print_choices(str_of(choices), " or ", &what);
	else if (o->kind == KIND_TIME || o->kind == KIND_PERIOD)
		buf_fmt(&what, "a time such as 90s, 30m or 24h, at most %jdh",
		    (intmax_t)o->max / (3600 * 1000));
	else
		buf_fmt(&what, "a number from %jd to %jd", (intmax_t)o->min, (intmax_t)o->max);
	code = cmd_usage("--%s must be %.*s, not \"%s\".", o->name, STR_ARGS(buf_view(&what)),
	    value);
	buf_fini(&what);
	return code;
}

/* An absolute path: it is read again at a reload, and messages show all of it. */
static const char *
absolute(const char *path)
{
	static char whole[4096 + 4096]; /* PATH_MAX, twice */
	char        folder[4096];

	if (path[0] == '/' || !getcwd(folder, sizeof(folder)))
		return path;
	snprintf(whole, sizeof(whole), "%s/%s", folder, path);
	return whole;
}

static int
keep_value(struct parser *p, enum cmd_option which, const char *value)
{
	const struct cmd_option_info *o = &cmd_options[which];
	struct cmd_context           *ctx = p->ctx;
	int64_t                      *number = &ctx->number[which];
	bool                          good = true;

	if (value && ctx->option[which].ptr)
		return cmd_usage("--%s is given twice.", o->name);
	ctx->option[which] = value ? str_of(value) : STR("");
	switch (o->kind) {
	case KIND_SWITCH:
		break;
	case KIND_TEXT: /* a path may have any bytes */
		if (which != OPTION_CONFIG && !utf8_valid(str_of(value)))
			return cmd_usage("--%s must be UTF-8, not \"%s\".", o->name, value);
		break;
	case KIND_CHOICE:
		good = is_choice(str_of(o->value), str_of(value));
		break;
	case KIND_MAYBE:
	case KIND_NUMBER:
		good = !value || str_to_i64(str_of(value), o->min, o->max, number);
		break;
	case KIND_PERIOD:
		good = !value || conf_time(str_of(value), o->min, o->max, number);
		break;
	case KIND_TIME:
		good = conf_time(str_of(value), o->min, o->max, number);
		break;
	}
	if (which == OPTION_CONFIG) {
		ctx->config_path = absolute(value);
		ctx->config_named = true;
	}
	return good ? 0 : refuse_value(o, o->kind == KIND_CHOICE ? o->value : NULL, value);
}

int
args_judge_choice(const struct cmd_context *ctx, enum cmd_option which, const char *choices)
{
	struct str value = ctx->option[which];

	return !value.ptr || is_choice(str_of(choices), value)
	    ? 0 : refuse_value(&cmd_options[which], choices, value.ptr);
}

/* "--name", "--name=value", "-c", "-cvalue"; *value is the part after the name, or NULL. */
static bool
find_option(const char *arg, enum cmd_option *out, const char **value)
{
	bool        is_long = arg[1] == '-';
	const char *end = is_long ? strchr(arg, '=') : arg[2] ? arg + 2 : NULL;
	size_t      len = end ? (size_t)(end - arg) : strlen(arg);

	*value = end ? end + is_long : NULL;
	for (size_t o = 0; o < OPTION__COUNT; o++)
		if (is_long ? str_is((struct str) { arg + 2, len - 2 }, cmd_options[o].name)
			    : cmd_options[o].letter == arg[1]) {
			*out = (enum cmd_option)o;
			return true;
		}
	return false;
}

/* A key of the configuration whose value stands apart is a mistake that is easy to make. */
static int
refuse_option(const char *arg)
{
	char key[64];

	snprintf(key, sizeof(key), "%s=", arg);
	if (conf_is_flag(key))
		return cmd_usage("%s takes its value after a =: %s=VALUE.", arg, arg);
	return cmd_usage("there is no option %.*s; clientele help lists them.",
	    (int)strcspn(arg, "="), arg);
}

/* The next word is one: a number that ends in its unit, or 0. */
static bool
is_period(const char *word)
{
	size_t len = word ? strlen(word) : 0;

	if (len == 1)
		return word[0] == '0';
	return len > 1 && word[0] >= '0' && word[0] <= '9' && word[len - 1] >= 'a'
	    && word[len - 1] <= 'z';
}

static int
take_option(struct parser *p, const char *arg)
{
	const struct cmd_option_info *o;
	enum cmd_option               which;
	const char                   *value;

	if (!find_option(arg, &which, &value))
		return refuse_option(arg);
	o = &cmd_options[which];
	if (o->kind == KIND_SWITCH && value)
		return cmd_usage("--%s takes no value.", o->name);
	if (o->kind == KIND_PERIOD) {
		if (!value && is_period(p->in[1]))
			value = *++p->in;
		return keep_value(p, which, value);
	}
	if (o->kind != KIND_SWITCH && o->kind != KIND_MAYBE && !value && !(value = *++p->in))
		return cmd_usage("--%s needs a value: --%s %s.", o->name, o->name, o->value);
	return keep_value(p, which, value);
}

/* "-2" is a word: fewer workers. */
static bool
is_option(const char *arg)
{
	return arg[0] == '-' && arg[1] && !(arg[1] >= '0' && arg[1] <= '9');
}

static int
sort(struct parser *p)
{
	for (p->in++; *p->in; p->in++) {
		char *arg = *p->in;
		int   code = 0;

		if (p->words_only || !is_option(arg))
			p->words[p->count++] = arg;
		else if (strcmp(arg, "--") == 0)
			p->words_only = true;
		else if (conf_is_flag(arg))
			p->ctx->flags[p->flags++] = arg;
		else
			code = take_option(p, arg);
		if (code)
			return code;
	}
	return 0;
}

/* ---- what the command takes */

static int
judge_options(const struct cmd_context *ctx)
{
	const struct cmd *cmd = ctx->command;

	for (size_t o = 0; o < OPTION__COUNT; o++) {
		bool given = ctx->option[o].ptr != NULL;

		if (given && !((cmd->takes | CMD_OPTIONS_OF_ALL) & UINT64_C(1) << o))
			return wrong(cmd, "%s takes no --%s", cmd->name, cmd_options[o].name);
		if (!given && cmd->wants & UINT64_C(1) << o)
			return wrong(cmd, "--%s is missing", cmd_options[o].name);
	}
	return 0;
}

/* word NULL: there is none. */
static int
refuse_choice(const struct cmd *cmd, struct str choices, const char *word)
{
	struct buf list;
	int        code;

	buf_init(&list, MESSAGE_MAX_BYTES);
	print_choices(choices, " or ", &list);
	code = word ? cmd_usage("%s takes %.*s, not \"%s\".", cmd->name, STR_ARGS(buf_view(&list)),
			  word)
		    : cmd_usage("%s needs %.*s.", cmd->name, STR_ARGS(buf_view(&list)));
	buf_fini(&list);
	return code;
}

static int
judge_words(const struct cmd *cmd, char **word)
{
	struct str       args = str_of(cmd->args);
	struct args_word w;

	while (args_word_next(&args, &w)) {
		if (!*word && w.optional)
			return 0;
		if (w.choices && !(*word && is_choice(w.text, str_of(*word))))
			return refuse_choice(cmd, w.text, *word);
		if (!*word)
			return wrong(cmd, "%.*s is missing", STR_ARGS(w.text));
		if (!utf8_valid(str_of(*word)))
			return cmd_usage("an argument must be UTF-8, not \"%s\".", *word);
		do
			word++;
		while (w.more && *word);
	}
	return *word ? wrong(cmd, "unexpected \"%s\"", *word) : 0;
}

static int
find_command(struct cmd_context *ctx, char **words, int *used)
{
	if (!words[0])
		return args_unknown_command(NULL, NULL);
	ctx->command = args_find(words[0], words[1]);
	*used = args_is_group(words[0]) ? 2 : 1;
	if (ctx->command)
		return 0;
	return *used == 2 ? args_unknown_command(words[0], words[1])
			  : args_unknown_command(NULL, words[0]);
}

int
args_parse(struct cmd_context *ctx, char **process_argv, int *argc, char **argv)
{
	struct parser p = { .ctx = ctx, .in = process_argv, .words = argv };
	int           code = sort(&p), used = 1;

	if (code)
		return code;
	ctx->json = ctx->option[OPTION_JSON].ptr != NULL;
	*argc = p.count;
	/* Help and version are commands, too, whatever else is said. */
	if (ctx->option[OPTION_HELP].ptr || ctx->option[OPTION_VERSION].ptr) {
		ctx->command = args_find(ctx->option[OPTION_HELP].ptr ? "help" : "version", NULL);
		memmove(argv + 1, argv, (size_t)p.count * sizeof(*argv));
		*argc = ctx->option[OPTION_HELP].ptr ? p.count + 1 : 1;
		return 0;
	}
	if ((code = find_command(ctx, argv, &used)) != 0)
		return code;
	*argc = p.count - (used - 1);
	memmove(argv, argv + used - 1, ((size_t)*argc + 1) * sizeof(*argv));
	code = judge_words(ctx->command, argv + 1);
	return code ? code : judge_options(ctx);
}
