/* clientele key check: what in a text is an API key, for whoever looks for keys that got out. */
#include "auth/api_key.h"
#include "cli/listing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What is said of each kind, or NULL: nothing. */
static const char *const verdicts[] = {
	[API_KEY_UNCHECKED] = "without checksum",
	[API_KEY_WRONG] = "wrong checksum",
	[API_KEY_RIGHT] = "key",
};

struct finder {
	struct arena   arena;
	struct listing listing;
	uint64_t       line;
	size_t         len; /* of the word in hand, which may be longer than there is room */
	char           word[API_KEY_TEXT_MAX_BYTES];
	bool           found; /* one that may be a key */
};

/* A word has ended. The key itself is not printed: the output may be kept somewhere. */
static void
end_word(struct finder *f)
{
	struct str        word = { f->word, f->len };
	enum api_key_kind kind = f->len <= sizeof(f->word) ? api_key_judge(word) : API_KEY_NONE;
	struct str       *cells;

	f->len = 0;
	if (kind == API_KEY_NONE)
		return;
	f->found |= kind != API_KEY_WRONG;
	cells = listing_row(&f->listing);
	cells[0] = arena_fmt(&f->arena, "%ju", (uintmax_t)f->line);
	cells[1] = arena_str(&f->arena, api_key_prefix(word));
	cells[2] = str_of(verdicts[kind]);
}

static void
look(struct finder *f, FILE *in)
{
	int c;

	do {
		c = getc(in);
		if (c != EOF && (str_is_alnum((char)c) || c == '_')) {
			if (f->len < sizeof(f->word))
				f->word[f->len] = (char)c;
			f->len++;
		} else if (f->len) {
			end_word(f);
		}
		f->line += c == '\n';
	} while (c != EOF);
}

int
cmd_key_check(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	static const char *const columns[] = { "line", "prefix", "verdict" };
	bool                     standard = strcmp(argv[1], "-") == 0;
	FILE                    *in = standard ? stdin : fopen(argv[1], "re");
	struct finder            f = { .line = 1 };
	int                      code = 0;

	if (!in)
		return cmd_fail(EXIT_OS, "%s: %s", argv[1], strerror(errno));
	arena_init(&f.arena);
	listing_init(&f.listing, &f.arena, columns, COUNTOF(columns));
	f.listing.raw = 1U << 0;
	look(&f, in);
	if (ferror(in))
		code = cmd_fail(EXIT_OS, "%s: %s", argv[1], strerror(errno));
	else if (ctx->json || f.listing.rows)
		listing_print(&f.listing, ctx->json);
	if (code == 0 && !f.found)
		code = cmd_fail(EXIT_UNKNOWN, "there is no API key in it.");
	if (!standard)
		fclose(in);
	arena_fini(&f.arena);
	return code;
}
