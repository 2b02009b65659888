/* clientele history: whether what it says was tampered with. */
#include "cli/listing.h"
#include "db/row.h"

#include <stdio.h>

enum { PAGE_ROWS = 500 };

static const struct owner_noun noun = { "a", "customer", STR("cus_") };

/* What the words of operator_history_verify mean. */
static const struct {
	const char *word, *sentence;
} faults[] = {
	{ "link", "does not follow from the one before it: it was changed or moved, or one before "
		  "it was removed, inserted or changed" },
	{ "content", "its before and after were changed" },
	{ "emptied", "its before and after were removed, which only an erase of the customer "
		     "does" },
	{ "unchained", "is not in the chain: it was inserted, or its digest was removed" },
	{ "gone", "the customer is gone, and the chain does not end with an erase: its row was "
		  "deleted, or its newest events were" },
	{ "head", "the customer names another newest event: that was removed or inserted, or the "
		  "customer's row was changed" },
};

struct verified {
	int64_t customers, gone, events, erased, earlier, broken;
};

static struct str
sentence_of(struct str word)
{
	for (size_t i = 0; i < COUNTOF(faults); i++)
		if (str_is(word, faults[i].word))
			return str_of(faults[i].sentence);
	return word;
}

/* The number of an event as the API shows it. */
static struct str
event_id(struct owner *o, int64_t number)
{
	struct id id = { { 0 } };

	bind_put_i64((char *)id.b + ID_BYTES / 2, number);
	return number ? owner_id(o, STR("evt_"), &id) : STR_NONE;
}

static void
take_row(struct owner *o, const struct row *row, struct listing *l, struct verified *sum)
{
	struct str  fault = row_text(row, COL_OPERATOR_HISTORY_VERIFY_FAULT);
	int64_t     events = row_i64(row, COL_OPERATOR_HISTORY_VERIFY_EVENTS);
	int64_t     chained = row_i64(row, COL_OPERATOR_HISTORY_VERIFY_CHAINED);
	struct id   id = row_id(row, COL_OPERATOR_HISTORY_VERIFY_ID);
	struct str *cells;

	sum->customers++;
	sum->gone += row_bool(row, COL_OPERATOR_HISTORY_VERIFY_GONE);
	sum->events += chained;
	sum->erased += row_i64(row, COL_OPERATOR_HISTORY_VERIFY_ERASED);
	sum->earlier += chained < events;
	if (!fault.ptr)
		return;
	sum->broken++;
	cells = listing_row(l);
	cells[0] = owner_id(o, STR("cus_"), &id);
	cells[1] = event_id(o, row_i64(row, COL_OPERATOR_HISTORY_VERIFY_EVENT));
	cells[2] = sentence_of(fault);
}

/* The customers behind *after, which moves to the last of them. *found: how many there were. */
static int
verify_page(struct owner *o, const struct owner_environment *e, const struct id *only,
    struct id *after, struct listing *l, struct verified *sum, struct str *head, size_t *found)
{
	struct tx    tx;
	struct bind *b;
	int          code;

	owner_enter(o, &tx, e);
	tx.reads = true;
	b = owner_step(&tx, SQL_OPERATOR_HISTORY_VERIFY, e);
	bind_id(b, after);
	bind_i64(b, PAGE_ROWS);
	bind_id(b, only);
	if ((code = owner_run(&tx)) != 0)
		return code;
	*found = tx_rows(&tx, 1);
	for (size_t i = 0; i < *found; i++) {
		struct row row = tx_row(&tx, 1, i);

		take_row(o, &row, l, sum);
		*after = row_id(&row, COL_OPERATOR_HISTORY_VERIFY_ID);
		*head = row_text(&row, COL_OPERATOR_HISTORY_VERIFY_HEAD);
	}
	return 0;
}

/*
 * The public id of the customer that --customer names by either id. One who was erased is known by
 * events alone, and so by the public id.
 */
static int
find_customer(struct owner *o, const struct owner_environment *e, struct str ref, struct id *out)
{
	struct tx  tx;
	struct row row;
	int        code;

	owner_enter(o, &tx, e);
	tx.reads = true;
	listing_bind_customer(owner_step(&tx, SQL_OPERATOR_CUSTOMER_GET, e), ref);
	if ((code = owner_run(&tx)) != 0)
		return code;
	if (tx_rows(&tx, 1) == 0)
		return id_parse(noun.prefix, ref, out) ? 0 : owner_unknown(&noun, ref);
	row = tx_row(&tx, 1, 0);
	*out = row_id(&row, COL_CUSTOMER_ID);
	return 0;
}

/* What was looked at. */
static void
print_sum(const struct verified *sum, bool one, struct str head)
{
	printf("%jd customers, %jd events in their chains: ", (intmax_t)sum->customers,
	    (intmax_t)sum->events);
	if (sum->broken)
		printf("%jd chains do not hold\n", (intmax_t)sum->broken);
	else
		printf("all chains hold\n");
	if (sum->gone)
		printf("%jd of the customers are erased: their chains end with that\n",
		    (intmax_t)sum->gone);
	if (sum->erased)
		printf("%jd of the events are erased: only the chain could be compared\n",
		    (intmax_t)sum->erased);
	if (sum->earlier)
		printf("%jd customers have events from before there was a history, in no chain\n",
		    (intmax_t)sum->earlier);
	if (one && head.ptr)
		printf("newest digest: %.*s\n", STR_ARGS(head));
}

/* The same for programs, with the faults: a row of its own. */
static void
print_json(struct owner *o, const struct verified *sum, bool one, struct str head,
    const struct listing *faults_found)
{
	static const char *const names[] = { "customers", "events", "broken", "gone", "erased",
		"earlier", "digest", "faults" };
	const int64_t  numbers[] = { sum->customers, sum->events, sum->broken, sum->gone,
		 sum->erased, sum->earlier };
	struct listing listing;
	struct str    *cells;

	listing_init(&listing, &o->arena, names, COUNTOF(names));
	listing.raw = 0xff & ~(1u << COUNTOF(numbers)); /* all but the digest */
	cells = listing_row(&listing);
	for (size_t i = 0; i < COUNTOF(numbers); i++)
		cells[i] = owner_number(o, numbers[i]);
	cells[COUNTOF(numbers)] = one ? head : STR_NONE;
	cells[COUNTOF(numbers) + 1] = listing_json(faults_found);
	listing_print(&listing, true);
}

int
cmd_history_verify(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	static const char *const  names[] = { "customer", "event", "fault" };
	struct owner             *o = ctx->owner;
	struct str                ref = ctx->option[OPTION_CUSTOMER], head = STR_NONE;
	struct owner_environment *e;
	struct verified           sum = { 0 };
	struct listing            listing;
	struct id                 after = { { 0 } }, only;
	size_t                    count, found = PAGE_ROWS;
	int                       code;

	code = owner_environments(o, ctx->option[OPTION_ORG], ctx->option[OPTION_ENV], &e, &count);
	if (code == 0 && ref.ptr)
		code = find_customer(o, e, ref, &only);
	listing_init(&listing, &o->arena, names, COUNTOF(names));
	while (code == 0 && found == PAGE_ROWS)
		code = verify_page(o, e, ref.ptr ? &only : NULL, &after, &listing, &sum, &head,
		    &found);
	if (code)
		return code;
	if (ref.ptr && sum.customers == 0)
		return owner_unknown(&noun, ref);
	if (ctx->json) {
		print_json(o, &sum, ref.ptr, head, &listing);
		return sum.broken ? EXIT_DATA : 0;
	}
	if (sum.broken)
		listing_print(&listing, false);
	print_sum(&sum, ref.ptr, head);
	return sum.broken ? EXIT_DATA : 0;
}
