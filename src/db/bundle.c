/* Bundles: one statement for several members of a group. */
#include "db/bundle.h"
#include "base/log.h"

#include <stdlib.h>

enum sql_id
bundle_statement(const struct tx *tx, size_t step)
{
	enum sql_id id = tx->step[step].id;

	return tx->bundle ? sql_catalogue[id].many : id;
}

static struct str
cell_of(const struct bind *b, int n)
{
	return (struct str) { b->value[n], (size_t)b->length[n] };
}

/* Whether these parameters can be sent together: those that are no arrays must be the same. */
static bool
fits_step(const struct tx_step *a, const struct tx_step *b)
{
	const struct sql_stmt *many;

	if (a->id != b->id || sql_catalogue[a->id].many == SQL__COUNT)
		return false;
	many = &sql_catalogue[sql_catalogue[a->id].many];
	for (int n = 0; n < b->bind.n; n++) {
		struct str x = cell_of(&a->bind, n), y = cell_of(&b->bind, n);

		/* One that is not in the statement for many is NULL there. */
		if (n >= many->nparams ? x.ptr || y.ptr : !many->arrays[n]
		    && (!x.ptr != !y.ptr || !str_eq(x, y)))
			return false;
	}
	return true;
}

bool
bundle_takes(const struct tx *leader, const struct tx *tx)
{
	if (leader->then || tx->then || leader->steps != tx->steps)
		return false;
	for (size_t i = 0; i < tx->steps; i++)
		if (!fits_step(&leader->step[i], &tx->step[i]))
			return false;
	return true;
}

static void
leave(void *what)
{
	struct bundle *b = what;

	if (--b->users)
		return;
	for (size_t i = 0; i < COUNTOF(b->result); i++)
		PQclear(b->result[i]);
	free(b);
}

void
bundle_begin(struct tx *leader)
{
	struct bundle *b = must_alloc(sizeof(*b));

	*b = (struct bundle) { .users = 1 };
	leader->bundle = b;
	leader->place = 0;
	arena_adopt(leader->arena, leave, b);
}

void
bundle_bind(struct bind *b, const struct wait *leader, size_t step)
{
	const struct tx       *tx = leader->tx;
	const struct sql_stmt *many = &sql_catalogue[bundle_statement(tx, step)];
	struct str             cells[LANE_GROUP_MAX];

	bind_init(b, tx->arena, many->nparams);
	for (int n = 0; n < many->nparams; n++) {
		const struct wait *w = leader;

		for (size_t i = 0; i < leader->bundled; i++, w = w->next)
			cells[i] = cell_of(&w->tx->step[step].bind, n);
		if (many->arrays[n])
			bind_array(b, many->arrays[n], cells, leader->bundled);
		else
			bind_text(b, cells[0]);
	}
}

struct verdict
bundle_verdict(struct tx *tx, struct verdict verdict)
{
	if (verdict.status != DB_UNIQUE && verdict.status != DB_LOCKED)
		log_info("running transactions one by one: %s", tx->log);
	tx->failed = TX_STEPS_MAX;
	tx->constraint[0] = tx->sqlstate[0] = '\0';
	verdict.status = DB_GONE;
	verdict.retry = true;
	tx->bundle->failed = true;
	tx->bundle->verdict = verdict;
	return verdict;
}

void
bundle_join(struct tx *tx, const struct wait *leader, size_t place)
{
	struct bundle *b = leader->tx->bundle;

	b->users++;
	tx->bundle = b;
	tx->place = place;
	arena_adopt(tx->arena, leave, b);
	for (size_t i = 0; i < tx->steps; i++)
		tx->step[i].result = b->result[i];
}
