/* clientele org: organizations, their names and their pinned versions. */
#include "base/name.h"
#include "cli/listing.h"
#include "cli/owner.h"
#include "http/version.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	ORG_NAME_MAX_CHARS = 100, /* as long as the name of an API key */
	ERASE_MAX_MS = 10 * 60 * 1000,
	KILLED_AFTER_TIMES = 3, /* of request_timeout: the supervisor kills such a worker */
};

static int
refuse_taken(const char *name)
{
	return cmd_fail(EXIT_DATA, "there is an organization \"%s\" already.", name);
}

int
cmd_org_create(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	static const char *const columns[] = { "id", "name" };
	struct owner   *o = ctx->owner;
	struct id       id = id_new(), live = id_new(), sandbox = id_new();
	char            words[NAME_FAULT_BYTES];
	const char     *fault = name_fault(str_of(argv[1]), ORG_NAME_MAX_CHARS, words);
	struct tx       tx;
	struct bind    *b;
	struct listing  listing;
	struct str     *cells;
	enum db_status  status;

	if (fault)
		return cmd_fail(EXIT_DATA, "the name of an organization %s.", fault);
	tx_init(&tx, o->db, &o->arena);
	b = tx_step(&tx, SQL_ORG_CREATE);
	bind_id(b, &id);
	bind_text(b, str_of(argv[1]));
	bind_id(b, &live);
	bind_id(b, &sandbox);
	status = tx_run(&tx);
	if (status != DB_OK)
		return strcmp(tx.constraint, "organization_name_key") == 0
		    ? refuse_taken(argv[1]) : owner_failed(&tx, status);
	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	cells = listing_row(&listing);
	cells[0] = owner_id(o, ID_ORGANIZATION, &id);
	cells[1] = str_of(argv[1]);
	listing_print(&listing, ctx->json);
	return 0;
}

int
cmd_org_list(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	static const char *const columns[] = { "id", "name", "version", "created" };
	struct owner  *o = ctx->owner;
	struct tx      tx;
	struct listing listing;
	int            code;

	tx_init(&tx, o->db, &o->arena);
	tx.reads = true;
	tx_step(&tx, SQL_ORG_LIST);
	if ((code = owner_run(&tx)) != 0)
		return code;
	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	for (size_t i = 0; i < tx_rows(&tx, 0); i++) {
		struct row  row = tx_row(&tx, 0, i);
		struct id   id = row_id(&row, COL_ORG_LIST_ID);
		struct str *cells = listing_row(&listing);

		cells[0] = owner_id(o, ID_ORGANIZATION, &id);
		cells[1] = row_text(&row, COL_ORG_LIST_NAME);
		cells[2] = row_text(&row, COL_ORG_LIST_API_VERSION);
		cells[3] = owner_time(o, &row, COL_ORG_LIST_CREATED_AT);
	}
	listing_print(&listing, ctx->json);
	return 0;
}

static int
refuse_version(const char *name)
{
	char   known[256] = "";
	size_t len = 0;

	for (enum version v = 0; v < V__COUNT && len < sizeof(known); v++)
		len += (size_t)snprintf(known + len, sizeof(known) - len, " %s",
		    version_info(v)->name);
	return cmd_usage("there is no version \"%s\"; there are:%s.", name, known);
}

int
cmd_org_pin(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	static const char *const columns[] = { "name", "version" };
	struct owner  *o = ctx->owner;
	bool           none = strcmp(argv[2], "none") == 0;
	struct tx      tx;
	struct bind   *b;
	enum version   version;
	struct listing listing;
	struct str    *cells;
	int            code;

	if (!none && !version_find(str_of(argv[2]), &version))
		return refuse_version(argv[2]);
	tx_init(&tx, o->db, &o->arena);
	b = tx_step(&tx, SQL_ORG_PIN);
	bind_text(b, str_of(argv[1]));
	bind_text(b, none ? STR_NONE : str_of(argv[2]));
	if ((code = owner_run(&tx)) != 0)
		return code;
	if (tx_rows(&tx, 0) == 0)
		return owner_unknown_organization(str_of(argv[1]));
	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	cells = listing_row(&listing);
	cells[0] = str_of(argv[1]);
	cells[1] = none ? STR_NONE : str_of(argv[2]);
	listing_print(&listing, ctx->json);
	return 0;
}

int
cmd_org_rename(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	static const char *const columns[] = { "id", "name" };
	struct owner  *o = ctx->owner;
	char           words[NAME_FAULT_BYTES];
	const char    *fault = name_fault(str_of(argv[2]), ORG_NAME_MAX_CHARS, words);
	struct tx      tx;
	struct bind   *b;
	struct row     row;
	struct id      id;
	struct listing listing;
	struct str    *cells;
	enum db_status status;

	if (fault)
		return cmd_fail(EXIT_DATA, "the name of an organization %s.", fault);
	tx_init(&tx, o->db, &o->arena);
	b = tx_step(&tx, SQL_ORG_RENAME);
	bind_text(b, str_of(argv[1]));
	bind_text(b, str_of(argv[2]));
	status = tx_run(&tx);
	if (status != DB_OK)
		return strcmp(tx.constraint, "organization_name_key") == 0
		    ? refuse_taken(argv[2]) : owner_failed(&tx, status);
	if (tx_rows(&tx, 0) == 0)
		return owner_unknown_organization(str_of(argv[1]));
	row = tx_row(&tx, 0, 0);
	id = row_id(&row, COL_ORG_RENAME_ID);
	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	cells = listing_row(&listing);
	cells[0] = owner_id(o, ID_ORGANIZATION, &id);
	cells[1] = str_of(argv[2]);
	listing_print(&listing, ctx->json);
	return 0;
}

/* ---- the end of one */

struct contents {
	int64_t customers, living_keys;
	bool    others; /* may write there without a key */
};

/* Adds what one of its environments has. A key counts until no request can be running with it. */
static int
look_into(struct owner *o, const struct owner_environment *e, int64_t ended_ms,
    struct contents *sum)
{
	struct tx  tx;
	struct row customers, keys;
	int        code;

	owner_enter(o, &tx, e);
	tx.reads = true;
	(void)owner_step(&tx, SQL_OPERATOR_CUSTOMER_COUNT, e);
	bind_i64(owner_step(&tx, SQL_ENVIRONMENT_LIVING_KEYS, e), ended_ms);
	if ((code = owner_run(&tx)) != 0)
		return code;
	customers = tx_row(&tx, 1, 0);
	keys = tx_row(&tx, 2, 0);
	sum->customers += row_i64(&customers, COL_OPERATOR_CUSTOMER_COUNT_CUSTOMERS);
	sum->living_keys += row_i64(&keys, COL_ENVIRONMENT_LIVING_KEYS_LIVING);
	sum->others |= row_bool(&keys, COL_ENVIRONMENT_LIVING_KEYS_OTHERS);
	return 0;
}

struct leaving {
	struct str                      name;
	const struct owner_environment *environment; /* live and sandbox */
};

/* A second round trip, because a statement is prepared once in a transaction. */
static bool
erase_rest(struct tx *tx, void *with)
{
	const struct leaving *l = with;

	bind_id(tx_step(tx, SQL_ENVIRONMENT_ENTER), &l->environment[1].id);
	(void)owner_step(tx, SQL_ENVIRONMENT_ERASE, &l->environment[1]);
	bind_text(tx_step(tx, SQL_ORG_DELETE), l->name);
	(void)tx_step(tx, SQL_USER_SWEEP);
	return true;
}

/* One transaction. Nobody else waits for it: its locks are those of the organization's own rows. */
static int
erase(struct owner *o, struct leaving *l)
{
	struct tx tx;

	owner_enter(o, &tx, &l->environment[0]);
	(void)owner_step(&tx, SQL_ENVIRONMENT_ERASE, &l->environment[0]);
	tx.then = erase_rest;
	tx.with = l;
	return owner_run(&tx);
}

/*
 * Again, for what that transaction did not see: what a step of the clerk wrote, for whose end it
 * waited, and what is written without a key, as with a session that a worker still knew; of that no
 * more comes after wait_ms. By ids, because there may be a new organization of that name.
 */
static int
erase_late(struct owner *o, const struct leaving *l, int64_t wait_ms)
{
	int64_t wait_s = (wait_ms + 999) / 1000;
	int     code = 0;

	if (wait_s)
		cmd_say("\"%.*s\" is deleted; in %jd s so is what its users or an import wrote "
		    "meanwhile.", STR_ARGS(l->name), (intmax_t)wait_s);
	sleep((unsigned)wait_s);
	for (size_t i = 0; i < 2 && code == 0; i++) {
		struct tx tx;

		owner_enter(o, &tx, &l->environment[i]);
		(void)owner_step(&tx, SQL_ENVIRONMENT_ERASE, &l->environment[i]);
		code = owner_run(&tx);
	}
	return code;
}

static int
refuse_living(const char *name, int64_t keys, int64_t ended_ms)
{
	const char *them = keys == 1 ? "it" : "them";

	return cmd_fail(EXIT_DATA, "\"%s\" has %jd %s in the last %jd s: clientele key list --org "
	    "\"%s\" shows %s; revoke %s, and try again after that time.", name, (intmax_t)keys,
	    keys == 1 ? "key that works or worked" : "keys that work or worked",
	    (intmax_t)(ended_ms + 999) / 1000, name, them, them);
}

/* What has no customers goes at once; else their number is a proof that they are meant. */
static int
confirm(struct cmd_context *ctx, const char *name, int64_t customers)
{
	bool counted = ctx->option[OPTION_CUSTOMERS].ptr;

	if (counted ? customers == ctx->number[OPTION_CUSTOMERS] : !customers)
		return 0;
	if (!counted && ctx->option[OPTION_YES].ptr)
		return 0;
	if (counted)
		return cmd_fail(EXIT_DATA, "\"%s\" has %jd customers; to delete all of them with "
		    "it, give --customers %jd.", name, (intmax_t)customers, (intmax_t)customers);
	cmd_say("to delete \"%s\" with its %jd customers for good, type its name once more.", name,
	    (intmax_t)customers);
	return cmd_typed(name) ? 0 : cmd_fail(EXIT_DATA, "\"%s\" was not typed, and nothing was "
	    "deleted; --customers %jd, or --yes, deletes it without asking.", name,
	    (intmax_t)customers);
}

int
cmd_org_delete(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	static const char *const columns[] = { "name", "customers" };
	struct conf              *c = &ctx->conf;
	struct owner             *o = ctx->owner;
	int64_t ended_ms = c->auth_cache_ttl_ms + KILLED_AFTER_TIMES * c->request_timeout_ms;
	struct owner_environment *found;
	struct contents           has = { 0 };
	struct leaving            leaving;
	struct listing            listing;
	struct str               *cells;
	size_t                    count = 0;
	int                       code;

	/* It may have millions of rows. Nothing has connected yet. */
	c->statement_timeout_ms = c->request_timeout_ms = ERASE_MAX_MS;
	code = owner_environments(o, str_of(argv[1]), STR_NONE, &found, &count);
	for (size_t i = 0; i < count && code == 0; i++)
		code = look_into(o, &found[i], ended_ms, &has);
	if (code)
		return code;
	if (has.living_keys)
		return refuse_living(argv[1], has.living_keys, ended_ms);
	if ((code = confirm(ctx, argv[1], has.customers)) != 0)
		return code;
	assert(count == 2);
	leaving = (struct leaving) { str_of(argv[1]), found };
	if ((code = erase(o, &leaving)) != 0
	    || (code = erase_late(o, &leaving, has.others ? ended_ms : 0)) != 0)
		return code;
	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	listing.raw = 1u << 1;
	cells = listing_row(&listing);
	cells[0] = str_of(argv[1]);
	cells[1] = owner_number(o, has.customers);
	listing_print(&listing, ctx->json);
	return 0;
}
