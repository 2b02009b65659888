/*
 * Finding customers: the filters, orders and counts that lists have from the version on that can
 * sort. Each filter is a row in api.c with a function of these, which reads it.
 *
 * How        Where an index has the order that was asked for, and the filter, the page is read from
 *            it. Elsewhere it is looked for in the first rows of the order, then among the few that
 *            an index finds for one filter, then in more rows of the order: those that the search
 *            index finds among them, or each. Whatever is asked, the
 *            rows that are looked at have a bound; a page may then have fewer rows than asked for,
 *            and the next one goes on from there. One filter, or an order alone, has a statement
 *            of its own; what combines filters has one that knows all of them, and costs more.
 * Cursor     The id of a page's last row, and what it is sorted by; with a mark of order and
 *            filters, so that it cannot be used with others.
 * Errors     A broken parameter becomes a broken field of the call.
 */
#ifndef RESOURCE_CUSTOMER_FIND_H
#define RESOURCE_CUSTOMER_FIND_H

#include "call/page.h"

enum {
	FIND_Q_MAX_CHARS = 200,
	FIND_WORDS = 8,
	FIND_MEMBERS_MAX = 8,
	/* Rows of the order that are looked at before the index is asked: 2 us each. */
	FIND_FIRST_LOOK = 1000,
	/*
	 * Where these tell that a page is among so many rows, they are looked at instead: the
	 * search index reads all that it finds, which takes 60 ms where these are 30,000.
	 */
	FIND_FURTHER = 20000,
	/*
	 * So many are sorted at most. Among a million rows, of which these fit, a page is found by
	 * walking over 13,000.
	 */
	FIND_AMONG = 2000,
	FIND_COUNTED = 10000,
	/*
	 * Among so many that the search index finds there are mostly more than are counted: a few
	 * are archived. Where there are not, CUSTOMER_LOOKED_AT are read of it.
	 */
	FIND_COUNTED_AMONG = 12500,
	/* An exact count ends here, after a second or two. */
	FIND_COUNTED_EXACTLY = 1000000,
};

/* ORDER(name, as it is asked for); the first one, which is not, is that of the plain list. */
#define FIND_ORDERS(ORDER) \
	ORDER(NEWEST,       "newest") \
	ORDER(CREATED,      "createdAt") \
	ORDER(CREATED_LAST, "-createdAt") \
	ORDER(UPDATED,      "updatedAt") \
	ORDER(EMAIL,        "email") \
	ORDER(NAME,         "fullName")

enum find_order {
#define ORDER(name, text) FIND_##name,
	FIND_ORDERS(ORDER)
#undef ORDER
	FIND_ORDER__COUNT,
};

enum find_time { FIND_CREATED_AFTER, FIND_CREATED_BEFORE, FIND_UPDATED_AFTER, FIND_TIME__COUNT };

struct find {
	bool            asked;   /* any of these but the count */
	bool            sorted;  /* an order was named */
	enum find_order order;
	struct str      email;   /* or absent, like all that follow */
	struct str      status, plan;
	struct str      external_id;
	const bool     *archived; /* NULL: both */
	bool            timed[FIND_TIME__COUNT];
	int64_t         time_ms[FIND_TIME__COUNT];
	struct str      word[FIND_WORDS];   /* as LIKE patterns */
	size_t          words;
	struct str      key[FIND_MEMBERS_MAX], value[FIND_MEMBERS_MAX]; /* of metadata */
	size_t          members;
	int64_t         count_max; /* 0: no count was asked for */
};

/* The filters, with a struct find in 'into'. */
void find_email(struct find *f, struct str value);
void find_created_after(struct call *c, struct str value, struct find *f);
void find_created_before(struct call *c, struct str value, struct find *f);
void find_updated_after(struct call *c, struct str value, struct find *f);
void find_status(struct call *c, struct str value, struct find *f);
void find_plan(struct call *c, struct str value, struct find *f);
void find_q(struct call *c, struct str value, struct find *f);
void find_sort(struct call *c, struct str value, struct find *f);
void find_count(struct call *c, struct str value, struct find *f);
void find_metadata(struct call *c, struct str key, struct str value, struct find *f);

/* Answers with the page; for a find that was asked. */
enum err find_page(struct call *c, struct find *f);

/* Adds the count to the list that is the call's reply, if one was asked for. */
enum err find_add_count(struct call *c, const struct find *f);

#endif
