/* clientele export, and org export: what there is, as lines of a file. */
#include "base/limits.h"
#include "cli/args.h"
#include "cli/owner.h"
#include "call/call.h"
#include "resource/customer/file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

enum { WRITE_BYTES = 64 * 1024, LINE_BYTES_MAX = 64 * 1024 * 1024 };

struct exporting {
	struct call       call;
	struct arena      arena; /* of one row */
	struct file_style style;
	struct buf        out;
	bool              refused; /* by standard output; errno says why */
};

static bool
flush(struct exporting *e)
{
	struct str text = buf_view(&e->out);

	e->refused = fwrite(text.ptr, 1, text.len, stdout) != text.len;
	buf_reset(&e->out, WRITE_BYTES * 2);
	return !e->refused;
}

/* A row that is a line. */
static bool
take_line(const struct row *row, void *with)
{
	struct exporting *e = with;

	buf_str(&e->out, row_text(row, COL_ORG_EXPORT_LINE));
	buf_str(&e->out, STR("\n"));
	return e->out.len < WRITE_BYTES || flush(e);
}

static bool
take_customer(const struct row *row, void *with)
{
	struct exporting *e = with;

	file_line(&e->out, &e->call, row, &e->style);
	arena_reset(&e->arena);
	return e->out.len < WRITE_BYTES || flush(e);
}

/* One statement is one snapshot, and its rows are read as they are written. */
static void
begin(struct owner *o, const struct owner_environment *place, struct tx *tx,
    bool (*take)(const struct row *row, void *with), struct exporting *e)
{
	owner_enter(o, tx, place);
	tx->reads = true;
	tx->each = take;
	tx->with = e;
	(void)tx_step(tx, SQL_UNHURRIED);
	buf_init(&e->out, LINE_BYTES_MAX);
}

static int
run(struct tx *tx, struct exporting *e, const char *what)
{
	enum db_status status = tx_run(tx);

	if (status == DB_OK && flush(e))
		return 0;
	if (e->refused)
		return cmd_fail(EXIT_OUTPUT, "standard output does not take the %s: %s.", what,
		    strerror(errno));
	if (tx->handed)
		cmd_say("the file is not complete.");
	return owner_failed(tx, status);
}

static int
write_customers(struct owner *o, const struct owner_environment *place, struct exporting *e)
{
	struct tx    tx;
	struct bind *b;

	begin(o, place, &tx, take_customer, e);
	b = owner_step(&tx, SQL_CUSTOMER_EXPORT, place);
	bind_id(b, &(struct id) { 0 });
	bind_null(b);
	bind_null(b);
	file_head(&e->out, &e->call, &e->style);
	return run(&tx, e, "customers");
}

int
cmd_export_customers(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	struct owner             *o = ctx->owner;
	struct str                format = ctx->option[OPTION_FORMAT];
	struct exporting          e = { .call = { .conf = &ctx->conf, .version = V_CURRENT } };
	struct owner_environment *found;
	size_t                    count;
	int                       code;

	e.style.format = str_is(format, "csv") ? FILE_CSV : FILE_NDJSON;
	e.style.neutral = ctx->option[OPTION_NEUTRALISE].ptr;
	if (e.style.neutral && e.style.format != FILE_CSV)
		return cmd_usage("--neutralise is for --format csv alone.");
	code = owner_environments(o, ctx->option[OPTION_ORG], ctx->option[OPTION_ENV], &found,
	    &count);
	if (code)
		return code;
	arena_init(&e.arena);
	e.call.arena = &e.arena;
	code = write_customers(o, &found[0], &e);
	buf_fini(&e.out);
	arena_fini(&e.arena);
	return code;
}

int
cmd_org_export(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	enum { BOTH = 2 };
	static const struct str   mode[] = { { "\0", 1 }, { "\1", 1 } };
	struct owner             *o = ctx->owner;
	struct exporting          e = { .refused = false };
	struct owner_environment *found;
	struct str                ids[BOTH], live[BOTH];
	struct tx                 tx;
	struct bind              *b;
	size_t                    count;
	int code = owner_environments(o, str_of(argv[1]), STR_NONE, &found, &count);

	if (code)
		return code;
	assert(count == BOTH);
	for (size_t i = 0; i < count; i++) {
		ids[i] = (struct str) { (const char *)found[i].id.b, ID_BYTES };
		live[i] = mode[found[i].livemode];
	}
	begin(o, &found[0], &tx, take_line, &e);
	b = tx_step(&tx, SQL_ORG_EXPORT);
	bind_text(b, str_of(argv[1]));
	bind_array(b, BIND_UUID, ids, count);
	bind_array(b, BIND_BOOL, live, count);
	code = run(&tx, &e, "lines");
	buf_fini(&e.out);
	return code;
}
