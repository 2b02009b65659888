/* Finding customers. */
#include "resource/customer/find.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "billing/state.h"
#include "call/reply.h"
#include "call/stored.h"
#include "resource/customer/customer.h"

#include <inttypes.h>

/* ---- reading ---- */

void
find_email(struct find *f, struct str value)
{
	f->asked = true;
	f->email = value;
}

static void
read_time(struct call *c, const char *name, struct str value, struct find *f, enum find_time which)
{
	f->asked = f->timed[which] = true;
	if (!clock_read(value, &f->time_ms[which]))
		call_field(c, name, "must be a time of ISO 8601, like 2026-08-01T09:30:00Z");
}

void
find_created_after(struct call *c, struct str value, struct find *f)
{
	read_time(c, "createdAfter", value, f, FIND_CREATED_AFTER);
}

void
find_created_before(struct call *c, struct str value, struct find *f)
{
	read_time(c, "createdBefore", value, f, FIND_CREATED_BEFORE);
}

void
find_updated_after(struct call *c, struct str value, struct find *f)
{
	read_time(c, "updatedAfter", value, f, FIND_UPDATED_AFTER);
}

void
find_status(struct call *c, struct str value, struct find *f)
{
	bool known = false;

	for (enum state s = 0; s < STATE__COUNT; s++)
		known |= str_eq(value, state_text(s));
	if (!known)
		call_field(c, "subscriptionStatus", "must be a status that subscriptions have");
	f->asked = true;
	f->status = value;
}

void
find_plan(struct call *c UNUSED, struct str value, struct find *f)
{
	f->asked = true;
	f->plan = value;
}

/* A pattern that finds the word literally, in any place. */
static struct str
pattern(struct call *c, struct str word)
{
	char *text = ARENA_NEW(c->arena, char, 2 * word.len + 2), *end = text;

	*end++ = '%';
	for (size_t i = 0; i < word.len; i++) {
		if (word.ptr[i] == '%' || word.ptr[i] == '_' || word.ptr[i] == '\\')
			*end++ = '\\';
		*end++ = word.ptr[i];
	}
	*end++ = '%';
	return (struct str) { text, (size_t)(end - text) };
}

void
find_q(struct call *c, struct str value, struct find *f)
{
	f->asked = true;
	if (utf8_exceeds(value, FIND_Q_MAX_CHARS)) {
		call_field(c, "q", "must have at most 200 characters");
		return;
	}
	while (value.len) {
		struct str word = str_cut(&value, ' ');

		if (word.len && f->words == FIND_WORDS) {
			call_field(c, "q", "must have at most 8 words");
			return;
		}
		if (word.len)
			f->word[f->words++] = pattern(c, word);
	}
	if (f->words == 0)
		call_field(c, "q", "must not be empty");
}

static const char *const orders[] = {
#define ORDER(name, text) [FIND_##name] = text,
	FIND_ORDERS(ORDER)
#undef ORDER
};

void
find_sort(struct call *c, struct str value, struct find *f)
{
	f->asked = f->sorted = true;
	for (enum find_order o = FIND_CREATED; o < FIND_ORDER__COUNT; o++)
		if (str_is(value, orders[o]))
			f->order = o;
	if (f->order == FIND_NEWEST)
		call_field(c, "sort",
		    "must be createdAt, -createdAt, updatedAt, email or fullName");
}

void
find_count(struct call *c, struct str value, struct find *f)
{
	bool exact = str_is(value, "exact");

	if (!exact && !str_is(value, "capped"))
		call_field(c, "count", "must be exact or capped");
	f->count_max = exact ? FIND_COUNTED_EXACTLY : FIND_COUNTED;
}

void
find_metadata(struct call *c, struct str key, struct str value, struct find *f)
{
	f->asked = true;
	if (f->members == FIND_MEMBERS_MAX) {
		call_field(c, "metadata", "must be asked for at most 8 members");
		return;
	}
	f->key[f->members] = key;
	f->value[f->members++] = value;
}

/* ---- cursors ---- */

/* The beginning of the year 0, and the end of the year 9999. */
#define TIME_MIN_MS INT64_C(-62167219200000)
#define TIME_MAX_MS INT64_C(253402300799999)

enum { MARK_BYTES = 8, KEY_MAX_BYTES = 1024, HEAD_BYTES = MARK_BYTES + ID_BYTES };

/* The row before a page. */
struct place {
	struct id  id;
	struct str key; /* absent: it is the first page */
};

/* Of all parameters but those that may change from page to page, in whatever order they come. */
static uint64_t
mark(struct call *c)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < c->query.count; i++) {
		struct str    parts[] = { c->query.parameter[i].name, c->query.parameter[i].value };
		unsigned char hash[SHA256_BYTES];
		uint64_t      part;

		if (str_is(parts[0], "cursor") || str_is(parts[0], "limit")
		    || str_is(parts[0], "count") || !page_knows(c, parts[0]))
			continue;
		hash_sha256_parts(parts, COUNTOF(parts), hash);
		memcpy(&part, hash, sizeof(part));
		sum += part;
	}
	return sum;
}

static struct str
cursor(struct call *c, const struct id *id, struct str key)
{
	size_t   size = HEAD_BYTES + key.len;
	char    *bytes = ARENA_NEW(c->arena, char, size);
	uint64_t all = mark(c);

	memcpy(bytes, &all, MARK_BYTES);
	memcpy(bytes + MARK_BYTES, id->b, ID_BYTES);
	if (key.len)
		memcpy(bytes + HEAD_BYTES, key.ptr, key.len);
	return page_pack(c, (struct str) { bytes, size });
}

static bool
read_key_ms(struct str key, int64_t *ms)
{
	bool before = str_starts(key, STR("-"));

	if (before)
		key = (struct str) { key.ptr + 1, key.len - 1 };
	if (!str_to_i64(key, 0, before ? -TIME_MIN_MS : TIME_MAX_MS, ms))
		return false;
	*ms = before ? -*ms : *ms;
	return true;
}

/* Whether a key is one that rows in this order can have; PostgreSQL must be able to read it. */
static bool
is_key(enum find_order order, struct str key)
{
	int64_t ms;

	if (order == FIND_EMAIL || order == FIND_NAME)
		return utf8_valid(key) && !memchr(key.ptr, 0, key.len);
	if (order == FIND_NEWEST)
		return key.len == 0;
	return read_key_ms(key, &ms);
}

static bool
read_cursor(struct call *c, struct str text, enum find_order order, struct place *at)
{
	uint64_t   all = mark(c);
	struct str bytes = page_unpack(c, text);

	if (!bytes.ptr || bytes.len < HEAD_BYTES
	    || bytes.len > HEAD_BYTES + KEY_MAX_BYTES
	    || memcmp(bytes.ptr, &all, MARK_BYTES) != 0)
		return false;
	memcpy(at->id.b, bytes.ptr + MARK_BYTES, ID_BYTES);
	at->key = (struct str) { bytes.ptr + HEAD_BYTES, bytes.len - HEAD_BYTES };
	return is_key(order, at->key);
}

/* ---- pages ---- */

/* What a statement walks along, and the columns of its result. */
static const struct walk {
	enum sql_id statement;
	int         ended, key; /* key 0: it is not sorted by one, and takes none */
	bool        back;       /* the highest first */
} walks[] = {
	[FIND_NEWEST] = { SQL_CUSTOMER_FIND_NEWEST, COL_CUSTOMER_FIND_NEWEST_ENDED, 0, true },
	[FIND_CREATED] = { SQL_CUSTOMER_FIND_BY_CREATED, COL_CUSTOMER_FIND_BY_CREATED_ENDED,
	    COL_CUSTOMER_FIND_BY_CREATED_KEY, false },
	[FIND_CREATED_LAST] = { SQL_CUSTOMER_FIND_BY_CREATED_LAST,
	    COL_CUSTOMER_FIND_BY_CREATED_LAST_ENDED, COL_CUSTOMER_FIND_BY_CREATED_LAST_KEY, true },
	[FIND_UPDATED] = { SQL_CUSTOMER_FIND_BY_UPDATED, COL_CUSTOMER_FIND_BY_UPDATED_ENDED,
	    COL_CUSTOMER_FIND_BY_UPDATED_KEY, false },
	[FIND_EMAIL] = { SQL_CUSTOMER_FIND_BY_EMAIL, COL_CUSTOMER_FIND_BY_EMAIL_ENDED,
	    COL_CUSTOMER_FIND_BY_EMAIL_KEY, false },
	[FIND_NAME] = { SQL_CUSTOMER_FIND_BY_NAME, COL_CUSTOMER_FIND_BY_NAME_ENDED,
	    COL_CUSTOMER_FIND_BY_NAME_KEY, false },
};

/* Indexes that serve a filter, and some of them its page in the order of the plain list. */
static const struct driver {
	const char *name; /* in customer_find_among and customer_count */
	bool        walks;
	struct walk walk;
} by_id = { .name = "id" }, by_search = { .name = "search" },
  by_email = { "email", true,
      { SQL_CUSTOMER_FIND_EMAIL, COL_CUSTOMER_FIND_EMAIL_ENDED, 0, true } },
  by_plan = { "plan", true, { SQL_CUSTOMER_FIND_PLAN, COL_CUSTOMER_FIND_PLAN_ENDED, 0, true } },
  by_status = { .name = "status" };

/* The one that finds the fewest, as far as can be guessed; NULL: there is none. */
static const struct driver *
driver(const struct find *f)
{
	return f->external_id.ptr ? &by_id
	    : f->email.ptr ? &by_email
	    : f->words || f->members ? &by_search
	    : f->plan.ptr ? &by_plan
	    : f->status.ptr ? &by_status : NULL;
}

/* ---- pages with one filter, or none ---- */

/* The filters that a request can have, as bits. */
enum {
	HAS_ID = 1 << 0,
	HAS_EMAIL = 1 << 1,
	HAS_WORDS = 1 << 2,
	HAS_MEMBER = 1 << 3,
	HAS_MEMBERS = 1 << 4, /* more than one */
	HAS_STATUS = 1 << 5,
	HAS_PLAN = 1 << 6,
	HAS_TIME = 1 << 7,    /* the first of them */
	HAS_CREATED_AFTER = HAS_TIME << FIND_CREATED_AFTER,
	HAS_CREATED_BEFORE = HAS_TIME << FIND_CREATED_BEFORE,
	HAS_UPDATED_AFTER = HAS_TIME << FIND_UPDATED_AFTER,
	HAS_CREATED = HAS_CREATED_AFTER | HAS_CREATED_BEFORE,
};

static unsigned
filters(const struct find *f)
{
	unsigned has = 0;

	has |= f->external_id.ptr ? HAS_ID : 0;
	has |= f->email.ptr ? HAS_EMAIL : 0;
	has |= f->words ? HAS_WORDS : 0;
	has |= f->members ? HAS_MEMBER : 0;
	has |= f->members > 1 ? HAS_MEMBERS : 0;
	has |= f->status.ptr ? HAS_STATUS : 0;
	has |= f->plan.ptr ? HAS_PLAN : 0;
	for (enum find_time t = 0; t < FIND_TIME__COUNT; t++)
		has |= f->timed[t] ? (unsigned)HAS_TIME << t : 0;
	return has;
}

/* From $6 on. 'key' is that of the row before the page, or absent. */
typedef void bind_sought(struct bind *b, const struct find *f, struct str key);

static void
bind_email(struct bind *b, const struct find *f, struct str key UNUSED)
{
	bind_text(b, f->email);
}

static void
bind_member(struct bind *b, const struct find *f, struct str key UNUSED)
{
	bind_text(b, f->key[0]);
	bind_text(b, f->value[0]);
}

static void
bind_status(struct bind *b, const struct find *f, struct str key UNUSED)
{
	bind_text(b, f->status);
}

static void
bind_plan(struct bind *b, const struct find *f, struct str key UNUSED)
{
	bind_text(b, f->plan);
}

static void
bind_key(struct bind *b, const struct find *f UNUSED, struct str key)
{
	bind_text(b, key.ptr ? key : STR(""));
}

/* Where an order by time begins: behind the row before the page, or where the filter does. */
static void
bind_time_from(struct bind *b, const struct find *f, struct str key, enum find_time from,
    int64_t otherwise)
{
	int64_t ms;

	if (!key.ptr || !read_key_ms(key, &ms))
		ms = f->timed[from] ? f->time_ms[from] : otherwise;
	bind_time(b, ms);
}

static void
bind_created(struct bind *b, const struct find *f, struct str key)
{
	bind_time_from(b, f, key, FIND_CREATED_AFTER, BIND_TIME_FIRST);
	bind_time_from(b, f, STR_NONE, FIND_CREATED_BEFORE, BIND_TIME_LAST);
}

static void
bind_created_last(struct bind *b, const struct find *f, struct str key)
{
	bind_time_from(b, f, key, FIND_CREATED_BEFORE, BIND_TIME_LAST);
	bind_time_from(b, f, STR_NONE, FIND_CREATED_AFTER, BIND_TIME_FIRST);
}

static void
bind_updated(struct bind *b, const struct find *f, struct str key)
{
	bind_time_from(b, f, key, FIND_UPDATED_AFTER, BIND_TIME_FIRST);
}

/*
 * Statements that can do one thing, and what a request has that they can answer; how many rows they
 * look at. Those that look at as many as any may are the whole answer.
 */
static const struct lone {
	enum find_order order;
	unsigned        must, may; /* all of these filters; none but these, too */
	int64_t         look;
	bind_sought    *bind;
	struct walk     walk;
} lones[] = {
	{ FIND_NEWEST, HAS_EMAIL, 0, CUSTOMER_LOOKED_AT, bind_email,
	    { SQL_CUSTOMER_PAGE_EMAIL, COL_CUSTOMER_PAGE_EMAIL_ENDED, 0, true } },
	{ FIND_NEWEST, HAS_MEMBER, 0, FIND_FIRST_LOOK, bind_member,
	    { SQL_CUSTOMER_PAGE_METADATA, COL_CUSTOMER_PAGE_METADATA_ENDED, 0, true } },
	{ FIND_NEWEST, HAS_STATUS, 0, CUSTOMER_LOOKED_AT, bind_status,
	    { SQL_CUSTOMER_PAGE_STATUS, COL_CUSTOMER_PAGE_STATUS_ENDED, 0, true } },
	{ FIND_NEWEST, HAS_PLAN, 0, CUSTOMER_LOOKED_AT, bind_plan,
	    { SQL_CUSTOMER_PAGE_PLAN, COL_CUSTOMER_PAGE_PLAN_ENDED, 0, true } },
	{ FIND_CREATED, 0, HAS_CREATED, CUSTOMER_LOOKED_AT, bind_created,
	    { SQL_CUSTOMER_PAGE_BY_CREATED,
	        COL_CUSTOMER_PAGE_BY_CREATED_ENDED, COL_CUSTOMER_CREATED_AT, false } },
	{ FIND_CREATED_LAST, 0, HAS_CREATED, CUSTOMER_LOOKED_AT, bind_created_last,
	    { SQL_CUSTOMER_PAGE_BY_CREATED_LAST,
	        COL_CUSTOMER_PAGE_BY_CREATED_LAST_ENDED, COL_CUSTOMER_CREATED_AT, true } },
	{ FIND_UPDATED, 0, HAS_UPDATED_AFTER, CUSTOMER_LOOKED_AT, bind_updated,
	    { SQL_CUSTOMER_PAGE_BY_UPDATED,
	        COL_CUSTOMER_PAGE_BY_UPDATED_ENDED, COL_CUSTOMER_UPDATED_AT, false } },
	{ FIND_EMAIL, 0, 0, CUSTOMER_LOOKED_AT, bind_key,
	    { SQL_CUSTOMER_PAGE_BY_EMAIL,
	        COL_CUSTOMER_PAGE_BY_EMAIL_ENDED, COL_CUSTOMER_PAGE_BY_EMAIL_KEY, false } },
	{ FIND_NAME, 0, 0, CUSTOMER_LOOKED_AT, bind_key,
	    { SQL_CUSTOMER_PAGE_BY_NAME,
	        COL_CUSTOMER_PAGE_BY_NAME_ENDED, COL_CUSTOMER_PAGE_BY_NAME_KEY, false } },
};

/* NULL: there is none, and one that can combine filters is needed. */
static const struct lone *
lone(const struct find *f)
{
	unsigned has = filters(f);

	for (const struct lone *l = lones; l < lones + COUNTOF(lones); l++)
		if (l->order == f->order && (has & l->must) == l->must
		    && (has & ~(l->must | l->may)) == 0)
			return l;
	return NULL;
}

/* ---- a page ---- */

/* A page on its way. */
struct found {
	struct customer *rows;
	size_t           count;
	struct str       next; /* the cursor, or absent */
	bool             done; /* nothing that comes later could add to it */
};

static void
bind_texts(struct bind *b, const struct str *texts, size_t count)
{
	if (count)
		bind_array(b, BIND_TEXT, texts, count);
	else
		bind_null(b);
}

static void
bind_kept(struct bind *b, const struct find *f)
{
	if (f->archived)
		bind_bool(b, *f->archived);
	else
		bind_null(b);
}

/* $4 to $13, and $14: how many rows are looked at. */
static void
bind_filters(struct bind *b, const struct find *f, int64_t look)
{
	bind_text(b, f->email);
	for (enum find_time t = 0; t < FIND_TIME__COUNT; t++)
		if (f->timed[t])
			bind_time(b, f->time_ms[t]);
		else
			bind_null(b);
	bind_texts(b, f->word, f->words);
	bind_texts(b, f->key, f->members);
	bind_texts(b, f->value, f->members);
	bind_text(b, f->status);
	bind_text(b, f->plan);
	bind_kept(b, f);
	bind_i64(b, look);
}

static struct bind *
ask(struct call *c, struct tx *tx, enum sql_id statement, const struct find *f,
    const struct page *page, const struct place *at, int64_t look)
{
	struct bind *b = call_read(c, tx, statement);

	bind_id(b, &at->id);
	bind_i64(b, page_rows(page));
	bind_filters(b, f, look);
	return b;
}

static struct bind *
ask_alone(struct call *c, struct tx *tx, const struct lone *l, const struct find *f,
    const struct page *page, const struct place *at, int64_t look)
{
	struct bind *b = call_read(c, tx, l->walk.statement);

	bind_id(b, &at->id);
	bind_i64(b, page_rows(page));
	bind_kept(b, f);
	bind_i64(b, look);
	l->bind(b, f, at->key);
	return b;
}

/* By what a row is sorted, as a cursor has it. */
static struct str
key_of(struct call *c, const struct row *row, const struct walk *w)
{
	if (w->key == COL_CUSTOMER_CREATED_AT || w->key == COL_CUSTOMER_UPDATED_AT)
		return arena_fmt(c->arena, "%" PRId64, row_time(row, w->key));
	return w->key ? row_text(row, w->key) : STR("");
}

/* Takes the rows of the transaction from the first one on, and cuts the page. */
static void
take(struct call *c, const struct tx *tx, size_t count, const struct page *page,
    const struct walk *w, struct found *out)
{
	out->rows = ARENA_NEW(c->arena, struct customer, count + 1);
	out->count = count;
	for (size_t i = 0; i < count; i++) {
		struct row row = tx_row(tx, READ_STEP, i);

		stored_read(&row, &customer_fields, &out->rows[i]);
	}
	out->next = STR_NONE;
	out->done = page_cut(page, &out->count);
	if (out->done) {
		struct row last = tx_row(tx, READ_STEP, out->count - 1);

		out->next = cursor(c, &out->rows[out->count - 1].id, key_of(c, &last, w));
	}
}

/*
 * The page of a walk along an index. Where that stops looking it is not done, and the next page
 * begins there.
 */
static enum err
walked(struct call *c, struct tx *tx, const struct walk *w, const struct page *page,
    struct found *out)
{
	struct row last;
	size_t     count;
	enum err   e = call_read_run(c, tx);

	if (e != ERR_OK)
		return e;
	count = tx_rows(tx, READ_STEP);
	take(c, tx, count, page, w, out);
	if (out->done || count == 0) {
		out->done = true;
		return ERR_OK;
	}
	last = tx_row(tx, READ_STEP, count - 1);
	out->done = row_is_null(&last, w->ended);
	if (!out->done) {
		out->next = cursor(c, &out->rows[count - 1].id, key_of(c, &last, w));
		out->count -= !row_bool(&last, w->ended);
	}
	return ERR_OK;
}

static enum err
walk(struct call *c, const struct walk *w, const struct find *f, const struct page *page,
    const struct place *at, int64_t look, struct found *out)
{
	struct tx    tx;
	struct bind *b = ask(c, &tx, w->statement, f, page, at, look);

	if (w->key)
		bind_text(b, at->key);
	return walked(c, &tx, w, page, out);
}

static enum err
walk_alone(struct call *c, const struct lone *l, const struct find *f, const struct page *page,
    const struct place *at, int64_t look, struct found *out)
{
	struct tx tx;

	ask_alone(c, &tx, l, f, page, at, look);
	return walked(c, &tx, &l->walk, page, out);
}

/* Among those that an index finds. Not done: these are too many. */
static enum err
among(struct call *c, const struct driver *d, const struct find *f, const struct page *page,
    const struct place *at, struct found *out)
{
	struct tx    tx;
	struct bind *b = ask(c, &tx, SQL_CUSTOMER_FIND_AMONG, f, page, at, FIND_AMONG);
	struct walk  w = { .key = f->order == FIND_NEWEST ? 0 : COL_CUSTOMER_FIND_AMONG_KEY };
	struct row   first;
	enum err     e;

	bind_text(b, at->key);
	bind_text(b, str_of(d->name));
	bind_text(b, f->external_id);
	bind_text(b, str_of(orders[f->order]));
	if ((e = call_read_run(c, &tx)) != ERR_OK)
		return e;
	first = tx_row(&tx, READ_STEP, 0);
	take(c, &tx, row_is_null(&first, COL_CUSTOMER_ID) ? 0 : tx_rows(&tx, READ_STEP), page, &w,
	    out);
	out->done = !row_bool(&first, COL_CUSTOMER_FIND_AMONG_MANY);
	return ERR_OK;
}

/*
 * In the order of the plain list, among those of its next rows that the search index finds. Not
 * done: there are too many of them, or the index cannot tell. Where there are too many among all
 * rows that may be looked at, fewer rows are tried, and must have a whole page.
 */
static enum err
between(struct call *c, const struct find *f, const struct page *page, const struct place *at,
    struct found *out)
{
	static const int64_t looks[] = { CUSTOMER_LOOKED_AT, CUSTOMER_LOOKED_AT / 5 };

	for (size_t i = 0; i < COUNTOF(looks) && !out->done; i++) {
		struct tx    tx;
		struct bind *b = ask(c, &tx, SQL_CUSTOMER_FIND_BETWEEN, f, page, at, looks[i]);
		struct row   first;
		struct id    low;
		size_t       count = 0;
		enum err     e;

		bind_i64(b, FIND_AMONG);
		if ((e = call_read_run(c, &tx)) != ERR_OK)
			return e;
		first = tx_row(&tx, READ_STEP, 0);
		if (row_bool(&first, COL_CUSTOMER_FIND_BETWEEN_MANY))
			continue;
		if (!row_is_null(&first, COL_CUSTOMER_ID))
			count = tx_rows(&tx, READ_STEP);
		take(c, &tx, count, page, &walks[FIND_NEWEST], out);
		if (out->done || i > 0)
			break;
		out->done = true;
		if (row_is_null(&first, COL_CUSTOMER_FIND_BETWEEN_LOW))
			break;
		low = row_id(&first, COL_CUSTOMER_FIND_BETWEEN_LOW);
		out->next = cursor(c, &low, STR(""));
	}
	return ERR_OK;
}

/* Whether there are filters that the order, or the driver's index, does not serve. */
static bool
has_more(const struct find *f, const struct driver *d)
{
	bool   updated = f->order == FIND_UPDATED;
	bool   created = f->order == FIND_CREATED || f->order == FIND_CREATED_LAST;
	size_t filters = (f->email.ptr != NULL) + (f->words || f->members)
	    + (f->plan.ptr != NULL) + (f->status.ptr != NULL);

	for (enum find_time t = 0; t < FIND_TIME__COUNT; t++)
		filters += f->timed[t] && !(t == FIND_UPDATED_AFTER ? updated : created);
	return filters > (d != NULL);
}

/*
 * How many rows have a page of those that fit, if these are as many among all rows as among the
 * first ones: and half as many again, because they are not spread evenly. 0: too many, or unknown.
 */
static int64_t
further(const struct found *first, const struct page *page)
{
	int64_t fit = (int64_t)first->count;
	int64_t look = fit ? page_rows(page) * FIND_FIRST_LOOK * 3 / 2 / fit : 0;

	return look <= FIND_FURTHER ? look : 0;
}

static enum err
look_for(struct call *c, const struct find *f, const struct page *page, const struct place *at,
    struct found *out)
{
	const struct driver *d = driver(f);
	const struct lone   *l = lone(f);
	const struct walk   *w = &walks[f->order];
	bool                 along = !d || (d->walks && f->order == FIND_NEWEST);
	bool                 ready = l ? l->look == CUSTOMER_LOOKED_AT : along;
	int64_t              more;
	enum err             e = ERR_OK;

	if (!ready || has_more(f, d))
		db_slow(c->db);
	if (l)
		e = walk_alone(c, l, f, page, at, l->look, out);
	else if (along)
		e = walk(c, d ? &d->walk : w, f, page, at, CUSTOMER_LOOKED_AT, out);
	else if (d == &by_search)
		e = walk(c, w, f, page, at, FIND_FIRST_LOOK, out);
	if (ready)
		return e;
	if (e == ERR_OK && !out->done && (more = further(out, page)))
		e = l ? walk_alone(c, l, f, page, at, more, out)
		      : walk(c, w, f, page, at, more, out);
	if (e == ERR_OK && !out->done)
		e = among(c, d, f, page, at, out);
	if (e == ERR_OK && !out->done && d == &by_search && f->order == FIND_NEWEST)
		e = between(c, f, page, at, out);
	return e != ERR_OK || out->done ? e : walk(c, w, f, page, at, CUSTOMER_LOOKED_AT, out);
}

/* Without one that was named: that of the filter's index. */
static void
choose_order(struct find *f)
{
	if (f->sorted)
		return;
	if (f->timed[FIND_UPDATED_AFTER])
		f->order = FIND_UPDATED;
	else if (f->timed[FIND_CREATED_AFTER] || f->timed[FIND_CREATED_BEFORE])
		f->order = FIND_CREATED_LAST;
}

enum err
find_page(struct call *c, struct find *f)
{
	static const unsigned begins[FIND_ORDER__COUNT] = {
		[FIND_CREATED] = HAS_CREATED_AFTER,
		[FIND_CREATED_LAST] = HAS_CREATED_BEFORE,
		[FIND_UPDATED] = HAS_UPDATED_AFTER,
	};
	struct found        found = { .done = false };
	struct json_object *array;
	struct page         page;
	struct place        at = { .key = STR_NONE };
	struct str          text;
	bool                begun;
	enum err            e;

	choose_order(f);
	/* Where a filter's time begins it, all who have just that time lie before the page. */
	begun = (filters(f) & begins[f->order]) != 0;
	memset(at.id.b, walks[f->order].back != begun ? 0xFF : 0, ID_BYTES);
	page_read_limit(c, &page);
	if (call_parameter(c, "cursor", &text) && text.ptr && !read_cursor(c, text, f->order, &at))
		call_field(c, "cursor",
		    "must be the nextCursor of a previous page with the same filters and sort");
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	if ((e = look_for(c, f, &page, &at, &found)) != ERR_OK)
		return e;
	array = jwrite_array();
	for (size_t i = 0; i < found.count; i++)
		jwrite_push(array,
		    field_write(c, &customer_fields, &found.rows[i], CUSTOMER_PLAIN));
	return reply_list(c, array, found.next);
}

/* ---- counting ---- */

_Static_assert((int)COL_CUSTOMER_COUNT_ROWS == (int)COL_CUSTOMER_COUNT_CREATED_ROWS
        && (int)COL_CUSTOMER_COUNT_WHOLE == (int)COL_CUSTOMER_COUNT_CREATED_WHOLE,
    "both have the same columns");

/* One more than is counted tells whether that is all. */
static int64_t
count_look(const struct find *f)
{
	return f->count_max == FIND_COUNTED ? CUSTOMER_LOOKED_AT : f->count_max + 1;
}

/* How many are read of the index at first. Not all of them fit. */
static int64_t
count_read(const struct find *f)
{
	bool search = driver(f) == &by_search;

	if (f->count_max == FIND_COUNTED)
		return search ? FIND_COUNTED_AMONG : CUSTOMER_LOOKED_AT;
	return search ? CUSTOMER_LOOKED_AT : f->count_max + 1;
}

static enum err
count_among(struct call *c, struct tx *tx, const struct find *f, int64_t read)
{
	const struct driver *d = driver(f);
	struct bind         *b = call_read(c, tx, SQL_CUSTOMER_COUNT);

	bind_i64(b, f->count_max);
	bind_i64(b, read);
	bind_filters(b, f, count_look(f));
	bind_text(b, d ? str_of(d->name) : STR("updated"));
	bind_text(b, f->external_id);
	return call_read_run(c, tx);
}

/* With a filter that is not the time of creation. */
static enum err
count_filtered(struct call *c, struct tx *tx, const struct find *f)
{
	int64_t    read = count_read(f);
	enum err   e = count_among(c, tx, f, read);
	struct row row;

	if (e != ERR_OK || read >= CUSTOMER_LOOKED_AT)
		return e;
	row = tx_row(tx, READ_STEP, 0);
	return row_bool(&row, COL_CUSTOMER_COUNT_MORE)
	    ? count_among(c, tx, f, CUSTOMER_LOOKED_AT) : ERR_OK;
}

static enum err
count_created(struct call *c, struct tx *tx, const struct find *f)
{
	struct bind *b = call_read(c, tx, SQL_CUSTOMER_COUNT_CREATED);

	bind_i64(b, f->count_max);
	bind_kept(b, f);
	bind_created(b, f, STR_NONE);
	bind_i64(b, count_look(f));
	return call_read_run(c, tx);
}

enum err
find_add_count(struct call *c, const struct find *f)
{
	char       text[STR_NUM_BYTES + 1];
	struct tx  tx;
	struct row row;
	struct str number;
	int64_t    count;
	enum err   e;

	if (f->count_max == 0)
		return ERR_OK;
	db_slow(c->db);
	e = filters(f) & ~HAS_CREATED ? count_filtered(c, &tx, f) : count_created(c, &tx, f);
	if (e != ERR_OK)
		return e;
	row = tx_row(&tx, READ_STEP, 0);
	count = row_i64(&row, COL_CUSTOMER_COUNT_ROWS);
	if (row_bool(&row, COL_CUSTOMER_COUNT_WHOLE)) {
		jwrite_put(c->reply, "count", jwrite_int(count));
		return ERR_OK;
	}
	number = str_num(text, (uint64_t)count);
	memmove(text, number.ptr, number.len);
	text[number.len] = '+';
	jwrite_put(c->reply, "count", jwrite_str((struct str) { text, number.len + 1 }));
	return ERR_OK;
}
