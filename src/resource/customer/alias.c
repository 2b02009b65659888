/* Merging a customer into another one. */
#include "resource/customer/alias.h"
#include "base/clock.h"
#include "call/revision.h"
#include "resource/customer/store.h"

enum { STEP_LOCK, STEP_HOLD, STEP_LOOK, STEP_DO };

void
alias_note(struct call *c, struct str ref, const struct customer *found)
{
	struct str id = id_prefixed(customer_fields.prefix, &found->id,
	    ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));

	if (!str_eq(ref, id) && !(found->external_id.ptr && str_eq(ref, found->external_id)))
		response_header(c->res, "Clientele-Merged", id);
}

static struct id
id_or_nil(const struct row *row, int column)
{
	static const struct id nil;

	return row_is_null(row, column) ? nil : row_id(row, column);
}

static struct str
shown_id(struct call *c, struct str prefix, const struct row *row, int column)
{
	struct id id = row_id(row, column);

	return id_prefixed(prefix, &id, ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

/*
 * Whether the first step, which has ids in that column, has not locked the customer: while it
 * waited there was a merge or a create, and now the ids that were given lead there.
 */
static bool
is_elsewhere(const struct write *w, int column, const struct id *id)
{
	for (size_t i = 0; i < write_rows(w, STEP_LOCK); i++) {
		struct row row = write_row(w, STEP_LOCK, i);
		struct id  locked = row_id(&row, column);

		if (id_eq(&locked, id))
			return false;
	}
	return !id_is_nil(id);
}

/* ---- merge ---- */

static enum err
refuse_both_live(struct call *c, const struct row *row)
{
	struct str prefix = STR("sub_");
	struct str ours = shown_id(c, prefix, row, COL_CUSTOMER_MERGE_LOOK_INTO_LIVE);
	struct str theirs = shown_id(c, prefix, row, COL_CUSTOMER_MERGE_LOOK_FROM_LIVE);

	c->problem.facts = arena_fmt(c->arena, "{\"subscriptions\":[\"%.*s\",\"%.*s\"]}",
	    STR_ARGS(theirs), STR_ARGS(ours));
	return call_fail(c, ERR_CONFLICT, "from", arena_fmt(c->arena,
	    "Both customers have a subscription. Cancel one of them at once: %.*s is that of the "
	    "customer who would be merged, %.*s that of the other one.", STR_ARGS(theirs),
	    STR_ARGS(ours)).ptr);
}

/* ERR_OK: the customers are merged, now or before. */
static enum err
judge(struct call *c, const struct row *row)
{
	struct id into = id_or_nil(row, COL_CUSTOMER_MERGE_LOOK_INTO_ID);
	struct id from = id_or_nil(row, COL_CUSTOMER_MERGE_LOOK_FROM_ID);
	struct id before = id_or_nil(row, COL_CUSTOMER_MERGE_LOOK_MERGED_INTO);

	if (id_is_nil(&into))
		return stored_missing(c, &customer_fields);
	if (id_is_nil(&from))
		return call_fail(c, ERR_CUSTOMER_NOT_FOUND, "from",
		    "There is no customer with this id.");
	if (id_eq(&into, &from))
		return call_fail(c, ERR_CONFLICT, "from", "Both ids lead to the same customer.");
	if (id_eq(&before, &into))
		return ERR_OK;
	if (!id_is_nil(&before))
		return call_fail(c, ERR_CONFLICT, "from", arena_fmt(c->arena,
		    "This customer was merged into %.*s before. Merge that one, or undo it.",
		    STR_ARGS(shown_id(c, customer_fields.prefix, row,
			COL_CUSTOMER_MERGE_LOOK_MERGED_INTO))).ptr);
	if (row_bool(row, COL_CUSTOMER_MERGE_LOOK_ARCHIVED))
		return call_fail(c, ERR_CONFLICT, "id",
		    "The customer is archived. Restore it first.");
	return row_is_null(row, COL_CUSTOMER_MERGE_LOOK_INTO_LIVE)
	    || row_is_null(row, COL_CUSTOMER_MERGE_LOOK_FROM_LIVE)
	    ? ERR_OK : refuse_both_live(c, row);
}

static enum err
make_merged(struct write *w, void *what UNUSED)
{
	struct row row = write_row(w, STEP_LOOK, 0);
	struct id  into = id_or_nil(&row, COL_CUSTOMER_MERGE_LOOK_INTO_ID);
	struct id  from = id_or_nil(&row, COL_CUSTOMER_MERGE_LOOK_FROM_ID);
	enum err   e;

	w->again = is_elsewhere(w, COL_CUSTOMER_MERGE_LOCK_ID, &into)
	    || is_elsewhere(w, COL_CUSTOMER_MERGE_LOCK_ID, &from);
	if (w->again)
		return ERR_OK;
	e = judge(w->call, &row);
	if (e == ERR_OK && !row_bool(&row, COL_CUSTOMER_MERGE_LOOK_MET))
		e = revision_refuse(w->call);
	return e != ERR_OK ? e
	    : customer_returned(w, STEP_DO);
}

enum err
alias_merge(struct call *c)
{
	static const struct answers answers = { .make = make_merged };
	static const enum sql_id    looks[] = {
		SQL_CUSTOMER_MERGE_LOCK, SQL_CUSTOMER_MERGE_HOLD, SQL_CUSTOMER_MERGE_LOOK,
	};
	struct alias_asked asked = { .given = 0 };
	struct write       w;
	struct bind       *b = NULL;
	enum err           e = field_read_body(c, &alias_fields, FIELD_CREATE, &asked);

	if (e != ERR_OK)
		return e;
	if (!asked.from.ptr) {
		call_field(c, "from", "is required");
		return call_fields_done(c);
	}
	write_begin(&w, c);
	w.tx.again = true; /* what was done before is not done twice */
	w.careful = true;  /* 'make' may find that it must be undone */
	for (size_t i = 0; i < COUNTOF(looks); i++) {
		b = write_step(&w, looks[i]);
		stored_bind_ref(b, &customer_fields, c->param[0]);
		stored_bind_ref(b, &customer_fields, asked.from);
	}
	revision_bind(b, c, &customer_fields); /* the last one looks */
	bind_time(write_step(&w, SQL_CUSTOMER_MERGE), clock_wall_ms());
	return write_run(&w, &answers, NULL);
}

/* ---- unmerge ---- */

static enum err
make_unmerged(struct write *w, void *what UNUSED)
{
	struct call *c = w->call;
	struct row   row;
	struct id    into;

	if (write_rows(w, STEP_LOOK) == 0)
		return stored_missing(c, &customer_fields);
	row = write_row(w, STEP_LOOK, 0);
	into = id_or_nil(&row, COL_CUSTOMER_UNMERGE_LOOK_INTO_ID);
	w->again = is_elsewhere(w, COL_CUSTOMER_UNMERGE_LOCK_ID, &into);
	if (w->again)
		return ERR_OK;
	if (row_is_null(&row, COL_CUSTOMER_UNMERGE_LOOK_LATE))
		return call_fail(c, ERR_CONFLICT, "id", "This customer is not merged.");
	if (row_bool(&row, COL_CUSTOMER_UNMERGE_LOOK_LATE))
		return call_fail(c, ERR_CONFLICT, "id",
		    "The customer was merged more than 30 days ago, which cannot be undone.");
	if (!row_bool(&row, COL_CUSTOMER_UNMERGE_LOOK_MET))
		return revision_refuse(c);
	return customer_returned(w, STEP_DO);
}

enum err
alias_unmerge(struct call *c)
{
	static const struct answers answers = { .make = make_unmerged };
	struct write                w;
	struct bind                *b;

	write_begin(&w, c);
	w.careful = true; /* as in a merge */
	stored_bind_ref(write_step(&w, SQL_CUSTOMER_UNMERGE_LOCK), &customer_fields, c->param[0]);
	stored_bind_ref(write_step(&w, SQL_CUSTOMER_UNMERGE_HOLD), &customer_fields, c->param[0]);
	b = write_step(&w, SQL_CUSTOMER_UNMERGE_LOOK);
	stored_bind_ref(b, &customer_fields, c->param[0]);
	bind_time(b, clock_wall_ms());
	revision_bind(b, c, &customer_fields);
	(void)write_step(&w, SQL_CUSTOMER_UNMERGE);
	return write_run(&w, &answers, NULL);
}
