/* clientele migrate: brings the schema up to date, or says how far it is. */
#include "base/clock.h"
#include "cli/listing.h"
#include "cli/owner.h"
#include "db/migrate.h"
#include "db/sqlcat.h"

#include <stdio.h>

enum { WAIT_MS = 5 * 60 * 1000 };

struct progress {
	struct listing applied;
	bool           json;
};

static void
note_applied(void *with, const char *name)
{
	struct progress *p = with;

	listing_row(&p->applied)[0] = str_of(name);
	if (!p->json)
		printf("applied %s\n", name);
	fflush(stdout); /* the next one may take long; main() asks whether all was taken */
}

static void
note_waiting(void *with UNUSED, const char *sentence)
{
	cmd_say("%s.", sentence);
}

static void
say_up_to_date(void)
{
	printf("the schema is up to date (%s)\n", sql_migrations[sql_migrations_count - 1].name);
}

static int
fail(int code, const struct buf *why)
{
	return cmd_fail(code, "%.*s.", STR_ARGS(buf_view(why)));
}

static int
apply(struct cmd_context *ctx, struct buf *why)
{
	static const char *const columns[] = { "name" };
	struct progress   p = { .json = ctx->json };
	struct db_migrate how = { WAIT_MS, note_applied, note_waiting, &p };
	int               code;

	if (ctx->option[OPTION_WAIT].len)
		how.wait_ms = ctx->number[OPTION_WAIT];
	listing_init(&p.applied, &ctx->owner->arena, columns, COUNTOF(columns));
	code = db_migrate(ctx->owner->db, &how, why);
	/* Those before the one that failed are done. */
	if (p.json && (code == 0 || p.applied.rows))
		listing_print(&p.applied, true);
	if (code != 0)
		return fail(code, why);
	if (!p.json && p.applied.rows == 0)
		say_up_to_date();
	return 0;
}

/* All of them; or only those that are missing, for the dry run. */
static int
show(struct cmd_context *ctx, bool missing, struct buf *why)
{
	static const char *const columns[] = { "name", "class", "applied" };
	struct arena        *a = &ctx->owner->arena;
	struct db_migration *list;
	struct listing       listing;
	size_t               count;
	int                  code = db_migrations(ctx->owner->db, a, &list, &count, why);

	if (code)
		return fail(code, why);
	listing_init(&listing, a, columns, COUNTOF(columns));
	for (size_t i = 0; i < count; i++) {
		struct str *cells;
		char        when[CLOCK_ISO_BYTES + 1];

		if (missing && list[i].applied)
			continue;
		clock_iso(list[i].applied_ms, when);
		cells = listing_row(&listing);
		cells[0] = str_of(list[i].name);
		cells[1] = list[i].online ? STR("online") : STR("offline");
		cells[2] = list[i].applied ? arena_str(a, str_of(when)) : STR_NONE;
	}
	if (listing.rows == 0 && !ctx->json)
		say_up_to_date();
	else
		listing_print(&listing, ctx->json);
	return 0;
}

int
cmd_migrate(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	bool       status = ctx->option[OPTION_STATUS].ptr, dry = ctx->option[OPTION_DRY_RUN].ptr;
	struct buf why;
	int        code;

	if (status && dry)
		return cmd_usage("give --status or --dry-run, not both.");
	buf_init(&why, 1024);
	code = status || dry ? show(ctx, dry, &why) : apply(ctx, &why);
	buf_fini(&why);
	return code;
}
