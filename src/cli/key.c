/* clientele key: API keys. */
#include "app/router.h"
#include "auth/api_key.h"
#include "auth/origin.h"
#include "auth/permit.h"
#include "base/clock.h"
#include "base/name.h"
#include "base/rate.h"
#include "cli/listing.h"
#include "cli/owner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct owner_noun key_noun = { "a", "key", API_KEY_ID_PREFIX };

#define DAY_MS INT64_C(86400000)

/* ---- what was given */

/* Reads "default", "off" or a rate; out is a view of text, or absent for "default". */
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
	cmd_say("a limit must be default, off or a rate such as 100/s, 1000/m burst 50 or 5000/h, "
	    "with numbers from 1 to %d, not \"%.*s\".", RATE_MAX, STR_ARGS(s));
	return false;
}

/* Reads --permissions and --allow. */
static int
read_restrictions(const struct cmd_context *ctx, struct str *permissions, struct str *addresses)
{
	struct arena  *a = &ctx->owner->arena;
	struct str     given = ctx->option[OPTION_PERMISSIONS], rest = ctx->option[OPTION_ALLOW];
	struct str     fault, one;
	struct origins o = { 0 };
	const char    *why;
	uint64_t       set;

	router_init(); /* which knows what there is to be permitted */
	if (given.ptr && !permit_parse(given, &set, &fault))
		return cmd_usage("--permissions must be none, or such as customer:read,"
		    "customer:write (there is no write without read), not \"%.*s\"; there are %s.",
		    STR_ARGS(fault), permit_names(a).ptr);
	if (given.ptr)
		*permissions = permit_json(a, set);
	while (rest.ptr) {
		one = str_trim(str_cut(&rest, ','));
		if ((why = origins_add(a, &o, one)))
			return cmd_usage("--allow %s, not \"%.*s\".", why, STR_ARGS(one));
	}
	if (ctx->option[OPTION_ALLOW].ptr)
		*addresses = origins_json(a, &o);
	return 0;
}

static int
unknown_key(const char *id)
{
	return cmd_fail(EXIT_UNKNOWN, "there is no key %s, or it was revoked before.", id);
}

/* ---- a new key, which is shown once */

struct new_key {
	struct owner            *o;
	bool                     json;
	struct owner_environment in;
	struct id                id;
	struct api_key           key;
	struct str               name, limit;
	struct str               permissions, addresses; /* JSON; absent: all, and from anywhere */
	int64_t                  expires_ms; /* 0: never */
	int64_t                  most;       /* that there may be in the environment */
	struct id                successor;  /* of the key that was to be rotated, if it had one */
	int64_t                  old_ms;     /* when that one ends by itself; INT64_MAX: never */
	bool                     restricted, shown, lost, gone, many;
	int                      lost_errno;
};

static void
make_key(struct new_key *k)
{
	k->id = id_new();
	api_key_make(k->restricted, k->in.livemode, &k->key);
}

static void
bind_key(struct tx *tx, const struct new_key *k, int64_t now_ms)
{
	struct bind *b;

	(void)owner_step(tx, SQL_API_KEY_TURN, &k->in);
	b = owner_step(tx, SQL_API_KEY_CREATE, &k->in);
	bind_id(b, &k->id);
	bind_text(b, (struct str) { (const char *)k->key.hash, SHA256_BYTES });
	bind_text(b, k->name);
	bind_text(b, str_of(k->key.prefix));
	bind_time(b, now_ms);
	if (k->expires_ms)
		bind_time(b, k->expires_ms);
	else
		bind_null(b);
	bind_text(b, k->limit);
	bind_null(b); /* it is the first of its family */
	bind_null(b); /* no key makes it */
	bind_i64(b, k->most);
	bind_text(b, k->permissions);
	bind_text(b, k->addresses);
}

static void
print_key(const struct new_key *k)
{
	static const char *const columns[] = { "id", "key" };
	struct listing           listing;
	struct str              *cells;

	if (!k->json) {
		printf("%s\n", k->key.text);
		return;
	}
	listing_init(&listing, &k->o->arena, columns, COUNTOF(columns));
	cells = listing_row(&listing);
	cells[0] = owner_id(k->o, API_KEY_ID_PREFIX, &k->id);
	cells[1] = str_of(k->key.text);
	listing_print(&listing, true);
}

/* What the last step, which makes the key, says of it. Returns whether it was made. */
static bool
was_made(const struct tx *tx, struct new_key *k)
{
	size_t     last = tx->steps - 1;
	struct row row;
	bool       made;

	k->gone = tx_rows(tx, last) == 0;
	if (k->gone)
		return false;
	row = tx_row(tx, last, 0);
	if (tx->step[last].id == SQL_API_KEY_CREATE) {
		made = row_bool(&row, COL_API_KEY_CREATE_MADE);
	} else {
		made = row_bool(&row, COL_API_KEY_ROTATE_MADE);
		if (!row_is_null(&row, COL_API_KEY_ROTATE_SUCCESSOR))
			k->successor = row_id(&row, COL_API_KEY_ROTATE_SUCCESSOR);
	}
	k->many = !made && id_is_nil(&k->successor);
	return made;
}

/*
 * Behind the last step and before the commit: a key whose text is lost is never made. When the
 * transaction runs again the text was printed already, and is the same.
 */
static bool
show_key(struct tx *tx, void *with)
{
	struct new_key *k = with;
	bool            made = was_made(tx, k);

	if (!made || k->shown)
		return made;
	print_key(k);
	k->lost = !cmd_flush();
	k->lost_errno = errno;
	k->shown = !k->lost;
	return k->shown;
}

/* Commits what make_key() made; the key is on standard output then. */
static int
run_key(struct tx *tx, struct new_key *k)
{
	enum db_status status;
	int            code = 0;

	tx->then = show_key;
	tx->with = k;
	status = tx_run(tx);
	if (status != DB_OK)
		code = owner_failed(tx, status);
	if (k->lost)
		return cmd_fail(EXIT_OUTPUT, "the key could not be written to standard output "
		    "(%s), so none was made.", strerror(k->lost_errno));
	if (code == 0 && k->many)
		return cmd_fail(EXIT_DATA, "this environment has %jd API keys that work, as many "
		    "as keys_max allows; revoke one, or say --keys-max=%jd.",
		    (intmax_t)k->most, (intmax_t)k->most + 1);
	if (code && k->shown)
		cmd_say("do not use the key above%s.",
		    tx->outcome == TX_UNKNOWN ? " unless clientele key list shows it" : "");
	return code;
}

static void
say_shown(const struct new_key *k)
{
	if (!k->json)
		cmd_say("this key of %.*s (%.*s) is shown only now; its id is %.*s.",
		    STR_ARGS(k->in.organization), STR_ARGS(owner_environment_name(&k->in)),
		    STR_ARGS(owner_id(k->o, API_KEY_ID_PREFIX, &k->id)));
}

int
cmd_key_create(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	const struct str         *given = ctx->option;
	struct new_key            k = { .o = ctx->owner, .json = ctx->json,
		.name = STR("created by the operator") };
	int64_t                   now_ms = clock_wall_ms(), days = ctx->number[OPTION_EXPIRES_DAYS];
	char                      rate[RATE_TEXT_BYTES], words[NAME_FAULT_BYTES];
	const char               *fault;
	struct owner_environment *found;
	struct tx                 tx;
	size_t                    count;
	int                       code;

	if (given[OPTION_NAME].ptr)
		k.name = given[OPTION_NAME];
	fault = name_fault(k.name, API_KEY_NAME_MAX_CHARS, words);
	if (fault)
		return cmd_fail(EXIT_DATA, "--name %s.", fault);
	if (given[OPTION_LIMIT].ptr && !read_limit(given[OPTION_LIMIT], rate, &k.limit))
		return EXIT_USAGE;
	if ((code = read_restrictions(ctx, &k.permissions, &k.addresses)) != 0)
		return code;
	code = owner_environments(k.o, given[OPTION_ORG], given[OPTION_ENV], &found, &count);
	if (code)
		return code;
	k.in = found[0]; /* each organization has both */
	k.expires_ms = days ? now_ms + days * DAY_MS : 0;
	k.most = ctx->conf.keys_max;
	k.restricted = k.permissions.ptr != NULL;
	make_key(&k);
	owner_enter(k.o, &tx, &k.in);
	bind_key(&tx, &k, now_ms);
	if ((code = run_key(&tx, &k)) == 0)
		say_shown(&k);
	return code;
}

/* ---- those that there are */

/* Whether it works, and otherwise why not. */
static struct str
state_of(const struct row *row)
{
	if (!row_is_null(row, COL_API_KEY_LIST_ALL_REVOKED_AT))
		return STR("revoked");
	return row_bool(row, COL_API_KEY_LIST_ALL_EXPIRED) ? STR("expired") : STR("active");
}

static int
list_environment(struct owner *o, const struct owner_environment *e, struct listing *listing)
{
	struct tx tx;
	int       code;

	owner_enter(o, &tx, e);
	tx.reads = true;
	(void)owner_step(&tx, SQL_API_KEY_LIST_ALL, e);
	if ((code = owner_run(&tx)) != 0)
		return code;
	for (size_t i = 0; i < tx_rows(&tx, 1); i++) {
		struct row  row = tx_row(&tx, 1, i);
		struct id   id = row_id(&row, COL_API_KEY_ID);
		struct str *cells = listing_row(listing);

		cells[0] = owner_id(o, API_KEY_ID_PREFIX, &id);
		cells[1] = e->organization;
		cells[2] = owner_environment_name(e);
		cells[3] = row_text(&row, COL_API_KEY_PREFIX);
		cells[4] = row_text(&row, COL_API_KEY_NAME);
		cells[5] = state_of(&row);
		cells[6] = owner_time(o, &row, COL_API_KEY_EXPIRES_AT);
		cells[7] = owner_time(o, &row, COL_API_KEY_LIST_ALL_REVOKED_AT);
		cells[8] = owner_time(o, &row, COL_API_KEY_LAST_USED_AT);
		cells[9] = row_text(&row, COL_API_KEY_LIST_ALL_RATE_LIMIT);
		cells[10] = row_text(&row, COL_API_KEY_PERMISSIONS);
		cells[11] = row_text(&row, COL_API_KEY_ALLOWED_ADDRESSES);
	}
	return 0;
}

int
cmd_key_list(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	static const char *const columns[] = { "id", "organization", "environment", "prefix",
		"name", "state", "expires", "revoked", "lastUsed", "limit", "permissions",
		"allowedAddresses" };
	struct owner             *o = ctx->owner;
	struct owner_environment *found;
	struct listing            listing;
	size_t                    count = 0;
	int code = owner_environments(o, ctx->option[OPTION_ORG], STR_NONE, &found, &count);

	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	listing.raw = 3U << 10; /* permissions and addresses */
	for (size_t e = 0; e < count && code == 0; e++)
		code = list_environment(o, &found[e], &listing);
	if (code == 0)
		listing_print(&listing, ctx->json);
	return code;
}

/* ---- changes of one key, whichever environment it is in */

/*
 * Runs a statement on a key: $1 environment, $2 key and, with limit, $3 that text. EXIT_UNKNOWN
 * when there is no such key.
 */
static int
change(struct owner *o, const char *id_text, enum sql_id statement, const struct str *limit)
{
	struct owner_environment *found;
	struct id                 id;
	size_t                    count;
	int                       code;

	if ((code = owner_read_id(&key_noun, id_text, &id)) != 0)
		return code;
	if ((code = owner_environments(o, STR_NONE, STR_NONE, &found, &count)) != 0)
		return code;
	for (size_t e = 0; e < count; e++) {
		struct tx    tx;
		struct bind *b;

		owner_enter(o, &tx, &found[e]);
		b = owner_step(&tx, statement, &found[e]);
		bind_id(b, &id);
		if (limit)
			bind_text(b, *limit);
		if ((code = owner_run(&tx)) != 0)
			return code;
		if (tx_rows(&tx, 1))
			return 0;
	}
	return unknown_key(id_text);
}

/* {"id":..., member: value} or a sentence. */
static void
print_change(const struct cmd_context *ctx, const char *id, const char *member, struct str value,
    struct str sentence)
{
	const char *const columns[] = { "id", member };
	struct listing    listing;
	struct str       *cells;

	if (!ctx->json) {
		printf("%.*s\n", STR_ARGS(sentence));
		return;
	}
	listing_init(&listing, &ctx->owner->arena, columns, COUNTOF(columns));
	cells = listing_row(&listing);
	cells[0] = str_of(id);
	cells[1] = value;
	listing_print(&listing, true);
}

int
cmd_key_revoke(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	struct arena *a = &ctx->owner->arena;
	int           code = change(ctx->owner, argv[1], SQL_API_KEY_REVOKE, NULL);

	if (code == 0)
		print_change(ctx, argv[1], "state", STR("revoked"),
		    arena_fmt(a, "%s stops working within a second", argv[1]));
	return code;
}

int
cmd_key_limit(struct cmd_context *ctx, int argc, char **argv)
{
	struct arena *a = &ctx->owner->arena;
	char          text[RATE_TEXT_BYTES];
	struct str    words = STR(""), stored;
	int           code;

	/* With and without quotation marks around the rate. */
	for (int i = 2; i < argc; i++)
		words = arena_fmt(a, "%.*s%s%s", STR_ARGS(words), i > 2 ? " " : "", argv[i]);
	if (!read_limit(words, text, &stored))
		return EXIT_USAGE;
	code = change(ctx->owner, argv[1], SQL_API_KEY_LIMIT, &stored);
	if (code == 0)
		print_change(ctx, argv[1], "limit", stored, arena_fmt(a, "%s: %.*s", argv[1],
		    STR_ARGS(stored.ptr ? stored : STR("as configured"))));
	return code;
}

/* ---- a successor */

/* Where it is, whether it is restricted, and its end. EXIT_UNKNOWN: there is none that works. */
static int
find_old(struct new_key *k, const char *id_text, const struct id *id)
{
	struct owner_environment *found;
	size_t                    count;
	int code = owner_environments(k->o, STR_NONE, STR_NONE, &found, &count);

	for (size_t e = 0; e < count && code == 0; e++) {
		struct tx  tx;
		struct row row;

		owner_enter(k->o, &tx, &found[e]);
		tx.reads = true;
		bind_id(owner_step(&tx, SQL_API_KEY_FIND, &found[e]), id);
		if ((code = owner_run(&tx)) != 0)
			return code;
		if (tx_rows(&tx, 1) == 0)
			continue;
		row = tx_row(&tx, 1, 0);
		k->in = found[e];
		k->restricted = !row_is_null(&row, COL_API_KEY_PERMISSIONS);
		k->old_ms = row_is_null(&row, COL_API_KEY_EXPIRES_AT)
		    ? INT64_MAX : row_time(&row, COL_API_KEY_EXPIRES_AT);
		return 0;
	}
	return code ? code : unknown_key(id_text);
}

static void
bind_rotation(struct tx *tx, const struct new_key *k, const struct id *old, int64_t overlap_ms)
{
	struct bind *b;

	(void)owner_step(tx, SQL_API_KEY_TURN, &k->in);
	b = owner_step(tx, SQL_API_KEY_ROTATE, &k->in);
	bind_id(b, old);
	bind_id(b, &k->id);
	bind_text(b, (struct str) { (const char *)k->key.hash, SHA256_BYTES });
	bind_text(b, str_of(k->key.prefix));
	bind_time(b, clock_wall_ms());
	bind_i64(b, overlap_ms);
	bind_null(b); /* no key calls */
	bind_i64(b, k->most);
}

int
cmd_key_rotate(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	/* Of the two keys one is to end, so their number is no matter. */
	struct new_key k = { .o = ctx->owner, .json = ctx->json, .most = INT64_MAX };
	int64_t        overlap_ms = API_KEY_GRACE_HOURS_DEFAULT * INT64_C(3600000), rest_ms;
	struct id      old;
	struct tx      tx;
	int            code;

	if ((code = owner_read_id(&key_noun, argv[1], &old)) != 0)
		return code;
	if (ctx->option[OPTION_OVERLAP].ptr)
		overlap_ms = ctx->number[OPTION_OVERLAP];
	if ((code = find_old(&k, argv[1], &old)) != 0)
		return code;
	make_key(&k);
	owner_enter(k.o, &tx, &k.in);
	bind_rotation(&tx, &k, &old, overlap_ms);
	if ((code = run_key(&tx, &k)) != 0)
		return code;
	if (k.gone)
		return unknown_key(argv[1]);
	if (!id_is_nil(&k.successor))
		return cmd_fail(EXIT_DATA, "%s was rotated before; rotate its successor, %.*s.",
		    argv[1], STR_ARGS(owner_id(k.o, API_KEY_ID_PREFIX, &k.successor)));
	say_shown(&k);
	rest_ms = k.old_ms - clock_wall_ms();
	if (rest_ms > overlap_ms)
		rest_ms = overlap_ms;
	if (!k.json)
		cmd_say("%s keeps working for %jd s.", argv[1], (intmax_t)rest_ms / 1000);
	return 0;
}
