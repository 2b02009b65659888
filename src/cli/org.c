/* clientele org: organizations and their pinned versions. */
#include "base/name.h"
#include "cli/listing.h"
#include "cli/owner.h"
#include "http/version.h"

#include <stdio.h>
#include <string.h>

enum { ORG_NAME_MAX_CHARS = 100 }; /* as long as the name of an API key */

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
