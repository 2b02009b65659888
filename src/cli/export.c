/* clientele export: what there is, as lines of a file. */
#include "base/limits.h"
#include "cli/args.h"
#include "cli/owner.h"
#include "call/call.h"
#include "resource/customer/file.h"

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

static bool
take(const struct row *row, void *with)
{
	struct exporting *e = with;

	file_line(&e->out, &e->call, row, &e->style);
	arena_reset(&e->arena);
	return e->out.len < WRITE_BYTES || flush(e);
}

/* One statement is one snapshot, and its rows are read as they are written. */
static int
write_all(struct owner *o, const struct owner_environment *place, struct exporting *e)
{
	struct tx      tx;
	struct bind   *b;
	enum db_status status;

	owner_enter(o, &tx, place);
	tx.reads = true;
	tx.each = take;
	tx.with = e;
	(void)tx_step(&tx, SQL_UNHURRIED);
	b = owner_step(&tx, SQL_CUSTOMER_EXPORT, place);
	bind_id(b, &(struct id) { 0 });
	bind_null(b);
	bind_null(b);
	file_head(&e->out, &e->call, &e->style);
	status = tx_run(&tx);
	if (status == DB_OK && flush(e))
		return 0;
	if (e->refused)
		return cmd_fail(EXIT_OUTPUT, "standard output does not take the customers: %s.",
		    strerror(errno));
	if (tx.handed)
		cmd_say("the file is not complete.");
	return owner_failed(&tx, status);
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
	buf_init(&e.out, LINE_BYTES_MAX);
	code = write_all(o, &found[0], &e);
	buf_fini(&e.out);
	arena_fini(&e.arena);
	return code;
}
