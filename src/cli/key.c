/* clientele key: API keys. */
#include "auth/api_key.h"
#include "base/clock.h"
#include "base/rate.h"
#include "cli/listing.h"
#include "cli/owner.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

struct options {
	struct str org, env, name;
	struct str limit;        /* as the database keeps it: absent is the configured one */
	char       limit_text[RATE_TEXT_BYTES];
	int64_t    expires_days; /* 0: never */
};

/* Reads "default", "off" or a rate; out is a view of text or of a constant. */
static bool
read_limit(struct str s, char text[RATE_TEXT_BYTES], struct str *out)
{
	struct rate rate;

	*out = STR_NONE;
	if (str_is(s, "default"))
		return true;
	if (rate_parse(s, &rate)) {
		*out = rate_text(&rate, text);
		return true;
	}
	log_error("a limit is default, off or a rate such as 100/s, 1000/m burst 50 or 5000/h, "
	    "with numbers from 1 to %d", RATE_MAX);
	return false;
}

static bool
read_options(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "org", required_argument, NULL, 'o' },
		{ "env", required_argument, NULL, 'e' },
		{ "name", required_argument, NULL, 'n' },
		{ "expires-days", required_argument, NULL, 'x' },
		{ "limit", required_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	*o = (struct options) { .name = STR("created by the operator") };
	optind = 1;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (letter) {
		case 'o':
			o->org = str_of(optarg);
			break;
		case 'e':
			o->env = str_of(optarg);
			break;
		case 'n':
			o->name = str_of(optarg);
			break;
		case 'x':
			if (!str_to_i64(str_of(optarg), 1, API_KEY_DAYS_MAX, &o->expires_days))
				return false;
			break;
		case 'l':
			if (!read_limit(str_of(optarg), o->limit_text, &o->limit))
				return false;
			break;
		default:
			return false;
		}
	}
	return true;
}

static int
create(struct owner *o, bool json, int argc, char **argv)
{
	static const char *const  columns[] = { "id", "key" };
	struct tx                 tx;
	struct options            options;
	struct owner_environment *environments;
	struct api_key            key;
	struct bind              *b;
	struct id                 id = id_new();
	size_t                    count, at = 0;
	int64_t                   now_ms = clock_wall_ms();
	bool                      livemode;
	int                       code;

	tx_init(&tx, o->db, &o->arena);
	if (!read_options(argc, argv, &options) || optind != argc || !options.org.ptr
	    || !(str_is(options.env, "live") || str_is(options.env, "sandbox")))
		return cmd_usage("clientele key create --org NAME --env live|sandbox "
		    "[--name TEXT] [--expires-days N] [--limit RATE]");
	livemode = str_is(options.env, "live");
	if ((code = owner_environments(o, options.org, &environments, &count)) != 0)
		return code;
	while (environments[at].livemode != livemode) /* each organization has both */
		at++;
	api_key_make(livemode, &key);
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &environments[at].id);
	b = tx_step(&tx, SQL_API_KEY_CREATE);
	bind_id(b, &environments[at].id);
	bind_id(b, &id);
	bind_text(b, (struct str) { (char *)key.hash, SHA256_BYTES });
	bind_text(b, options.name);
	bind_text(b, str_of(key.prefix));
	bind_time(b, now_ms);
	if (options.expires_days)
		bind_time(b, now_ms + options.expires_days * 24 * 3600 * 1000);
	else
		bind_null(b);
	bind_text(b, options.limit);
	if ((code = owner_run(&tx)) != 0)
		return code;
	if (json) {
		struct listing listing;
		struct str    *cells;

		listing_init(&listing, &o->arena, columns, COUNTOF(columns));
		cells = listing_row(&listing);
		cells[0] = owner_id(o, API_KEY_ID_PREFIX, &id);
		cells[1] = str_of(key.text);
		listing_print(&listing, true);
	} else {
		printf("%s\n", key.text);
		fprintf(stderr, "This key of %.*s (%.*s) is shown only now; its id is %.*s.\n",
		    STR_ARGS(options.org), STR_ARGS(options.env),
		    STR_ARGS(owner_id(o, API_KEY_ID_PREFIX, &id)));
	}
	return 0;
}

static int
list(struct owner *o, bool json, int argc, char **argv)
{
	static const char *const columns[] = {
		"id", "organization", "environment", "prefix", "name", "expires", "revoked",
		"lastUsed", "limit",
	};
	struct options            options;
	struct owner_environment *environments;
	struct listing            listing;
	size_t                    count;
	int                       code;

	if (!read_options(argc, argv, &options) || optind != argc)
		return cmd_usage("clientele key list [--org NAME]");
	if ((code = owner_environments(o, options.org, &environments, &count)) != 0)
		return code;
	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	for (size_t e = 0; e < count; e++) {
		struct tx tx;

		tx_init(&tx, o->db, &o->arena);
		bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &environments[e].id);
		bind_id(tx_step(&tx, SQL_API_KEY_LIST_ALL), &environments[e].id);
		if ((code = owner_run(&tx)) != 0)
			return code;
		for (size_t i = 0; i < tx_rows(&tx, 1); i++) {
			struct row  row = tx_row(&tx, 1, i);
			struct id   id = row_id(&row, COL_API_KEY_ID);
			struct str *cells = listing_row(&listing);

			cells[0] = owner_id(o, API_KEY_ID_PREFIX, &id);
			cells[1] = environments[e].organization;
			cells[2] = environments[e].livemode ? STR("live") : STR("sandbox");
			cells[3] = arena_str(&o->arena, row_text(&row, COL_API_KEY_PREFIX));
			cells[4] = arena_str(&o->arena, row_text(&row, COL_API_KEY_NAME));
			cells[5] = owner_time(o, &row, COL_API_KEY_EXPIRES_AT);
			cells[6] = owner_time(o, &row, COL_API_KEY_LIST_ALL_REVOKED_AT);
			cells[7] = owner_time(o, &row, COL_API_KEY_LAST_USED_AT);
			cells[8] = arena_str(&o->arena,
			    row_text(&row, COL_API_KEY_LIST_ALL_RATE_LIMIT));
		}
	}
	listing_print(&listing, json);
	return 0;
}

/*
 * Runs a statement on a key, in whichever environment it is: $1 environment, $2 key and, with a
 * limit, $3 its text. Says so when there is no such key.
 */
static int
change(struct owner *o, struct str id_text, enum sql_id statement, const struct str *limit)
{
	struct owner_environment *environments;
	struct id                 id;
	size_t                    count;
	int                       code;

	if (!id_parse(API_KEY_ID_PREFIX, id_text, &id))
		return cmd_usage("ID is that of clientele key list");
	if ((code = owner_environments(o, STR_NONE, &environments, &count)) != 0)
		return code;
	for (size_t e = 0; e < count; e++) {
		struct tx    tx;
		struct bind *b;

		tx_init(&tx, o->db, &o->arena);
		bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &environments[e].id);
		b = tx_step(&tx, statement);
		bind_id(b, &environments[e].id);
		bind_id(b, &id);
		if (limit)
			bind_text(b, *limit);
		if ((code = owner_run(&tx)) != 0)
			return code;
		if (tx_rows(&tx, 1))
			return 0;
	}
	log_error("there is no key %.*s, or it was revoked before", STR_ARGS(id_text));
	return EXIT_USAGE;
}

static int
revoke(struct owner *o, bool json UNUSED, int argc, char **argv)
{
	int code;

	if (argc != 2)
		return cmd_usage("clientele key revoke ID (of clientele key list)");
	code = change(o, str_of(argv[1]), SQL_API_KEY_REVOKE, NULL);
	if (code == 0)
		printf("%s stops working within a second\n", argv[1]);
	return code;
}

static int
limit(struct owner *o, bool json UNUSED, int argc, char **argv)
{
	char       text[RATE_TEXT_BYTES];
	struct str words = STR(""), stored;
	int        code;

	if (argc < 3)
		return cmd_usage("clientele key limit ID RATE|off|default "
		    "(RATE: 100/s, or 100/s burst 200)");
	/* With and without quotation marks around the rate. */
	for (int i = 2; i < argc; i++)
		words = arena_fmt(&o->arena, "%.*s%s%s", STR_ARGS(words), i > 2 ? " " : "",
		    argv[i]);
	if (!read_limit(words, text, &stored))
		return EXIT_USAGE;
	code = change(o, str_of(argv[1]), SQL_API_KEY_LIMIT, &stored);
	if (code == 0)
		printf("%s: %.*s\n", argv[1], STR_ARGS(stored.ptr ? stored : STR("as configured")));
	return code;
}

static const struct {
	const char *name;
	int (*run)(struct owner *o, bool json, int argc, char **argv);
} actions[] = {
	{ "create", create },
	{ "limit", limit },
	{ "list", list },
	{ "revoke", revoke },
};

int
cmd_key(struct cmd_context *ctx, int argc, char **argv)
{
	for (size_t i = 0; i < COUNTOF(actions) && argc > 1; i++) {
		struct owner owner;
		int          code;

		if (strcmp(argv[1], actions[i].name) != 0)
			continue;
		owner_init(&owner, &ctx->conf);
		code = actions[i].run(&owner, ctx->json, argc - 1, argv + 1);
		owner_fini(&owner);
		return code;
	}
	return cmd_usage("clientele key create|limit|list|revoke ...");
}
