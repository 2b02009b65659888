/* clientele org: organizations and their pinned versions. */
#include "cli/listing.h"
#include "cli/owner.h"
#include "http/version.h"

#include <stdio.h>
#include <string.h>

static int
create(struct owner *o, bool json, char **argv)
{
	static const char *const columns[] = { "id", "name" };
	struct tx          tx;
	struct bind       *b;
	struct id          id = id_new(), live = id_new(), sandbox = id_new();
	struct listing     listing;
	struct str        *cells;
	int                code;

	tx_init(&tx, o->db, &o->arena);
	b = tx_step(&tx, SQL_ORG_CREATE);
	bind_id(b, &id);
	bind_text(b, str_of(argv[0]));
	bind_id(b, &live);
	bind_id(b, &sandbox);
	if ((code = owner_run(&tx)) != 0) {
		if (strcmp(tx.constraint, "organization_name_key") == 0)
			log_error("there is an organization %s already", argv[0]);
		return code;
	}
	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	cells = listing_row(&listing);
	cells[0] = owner_id(o, ID_ORGANIZATION, &id);
	cells[1] = str_of(argv[0]);
	listing_print(&listing, json);
	return 0;
}

static int
list(struct owner *o, bool json, char **argv UNUSED)
{
	static const char *const columns[] = { "id", "name", "version", "created" };
	struct tx          tx;
	struct listing     listing;
	int                code;

	tx_init(&tx, o->db, &o->arena);
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
	listing_print(&listing, json);
	return 0;
}

static int
pin(struct owner *o, bool json UNUSED, char **argv)
{
	struct tx    tx;
	struct bind *b;
	enum version version;
	bool         none = strcmp(argv[1], "none") == 0;
	int          code;

	if (!none && !version_find(str_of(argv[1]), &version)) {
		fprintf(stderr, "clientele: there is no version %s; there are:", argv[1]);
		for (enum version v = 0; v < V__COUNT; v++)
			fprintf(stderr, " %s", version_info(v)->name);
		fprintf(stderr, "\n");
		return EXIT_USAGE;
	}
	tx_init(&tx, o->db, &o->arena);
	b = tx_step(&tx, SQL_ORG_PIN);
	bind_text(b, str_of(argv[0]));
	bind_text(b, none ? STR_NONE : str_of(argv[1]));
	if ((code = owner_run(&tx)) != 0)
		return code;
	if (tx_rows(&tx, 0) == 0) {
		log_error("there is no organization %s", argv[0]);
		return EXIT_USAGE;
	}
	printf("%s now gets %s\n", argv[0], none ? "the current version" : argv[1]);
	return 0;
}

static const struct {
	const char *name;
	int         arguments;
	const char *usage;
	int (*run)(struct owner *o, bool json, char **argv);
} actions[] = {
	{ "create", 1, "org create NAME", create },
	{ "list", 0, "org list", list },
	{ "pin", 2, "org pin NAME VERSION|none", pin },
};

int
cmd_org(struct cmd_context *ctx, int argc, char **argv)
{
	for (size_t i = 0; i < COUNTOF(actions) && argc > 1; i++) {
		struct owner owner;
		int          code;

		if (strcmp(argv[1], actions[i].name) != 0)
			continue;
		if (argc - 2 != actions[i].arguments)
			return cmd_usage("clientele %s", actions[i].usage);
		owner_init(&owner, &ctx->conf);
		code = actions[i].run(&owner, ctx->json, argv + 2);
		owner_fini(&owner);
		return code;
	}
	return cmd_usage("clientele org create|list|pin ...");
}
