/* base/rate and shm/buckets: the spelling of rates, the arithmetic of a bucket, and the buckets that processes share. */
#include "shm/buckets.h"
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define S INT64_C(1000000000)
#define MS INT64_C(1000000)

/* ---- spelling */

static void
rates_have_one_spelling(void **state UNUSED)
{
	static const struct {
		const char *text, *canonical; /* NULL: refused */
	} cases[] = {
		{ "off", "off" }, { " off ", "off" }, { "100/s", "100/s burst 100" }, { "100/s burst 200", "100/s burst 200" },
		{ "1/h", "1/h burst 1" }, { "60/m burst 1", "60/m burst 1" }, { "100/s   burst   7", "100/s burst 7" },
		{ "999999/s burst 999999", "999999/s burst 999999" }, { "007/s", "7/s burst 7" },
		{ "", NULL }, { "0/s", NULL }, { "100", NULL }, { "100/", NULL }, { "/s", NULL }, { "100/d", NULL },
		{ "100/sec", NULL }, { "100 /s", NULL }, { "100/ s", NULL }, { "-1/s", NULL }, { "1.5/s", NULL },
		{ "1000000/s", NULL }, { "1/s burst 0", NULL }, { "1/s burst 1000000", NULL }, { "1/s burst", NULL },
		{ "1/s burst 5 6", NULL }, { "1/s 5", NULL }, { "1/s bursts 5", NULL }, { "off burst 5", NULL },
		{ "Off", NULL }, { "on", NULL }, { "1/S", NULL }, { "1/s/s", NULL }, { "1e3/s", NULL },
		{ "99999999999999999999/s", NULL },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct rate r = { 42, 42, 42 }, again;
		char        text[RATE_TEXT_BYTES];

		if (rate_parse(str_of(cases[i].text), &r) != (cases[i].canonical != NULL))
			fail_msg("\"%s\"", cases[i].text);
		if (!cases[i].canonical) {
			assert_int_equal(r.count, 42); /* untouched */
			continue;
		}
		if (!str_is(rate_text(&r, text), cases[i].canonical))
			fail_msg("\"%s\" becomes \"%s\"", cases[i].text, text);
		again = rate_unpack(rate_pack(&r));
		assert_memory_equal(&again, &r, sizeof(r));
	}
}

static struct rate
rate(const char *text)
{
	struct rate r;

	assert_true(rate_parse(str_of(text), &r));
	return r;
}

/* ---- arithmetic: a clock that the cases move */

static void
a_bucket_gives_its_burst_and_then_the_rate(void **state UNUSED)
{
	static const struct {
		const char *rate;
		struct {
			int64_t  at_ns;
			bool     taken;
			uint32_t left;
			int64_t  next_ns;
		} steps[8];
	} cases[] = {
		{ "10/s burst 3", { { 0, true, 2, 100 * MS }, { 0, true, 1, 100 * MS }, { 0, true, 0, 100 * MS },
		    { 0, false, 0, 100 * MS }, { 99 * MS, false, 0, 1 * MS }, { 100 * MS, true, 0, 100 * MS },
		    { 399 * MS, true, 1, 1 * MS }, { 10 * S, true, 2, 100 * MS } } },
		{ "1/h burst 1", { { 0, true, 0, 3600 * S }, { 1, false, 0, 3600 * S - 1 }, { 3600 * S - 1, false, 0, 1 },
		    { 3600 * S, true, 0, 3600 * S }, { 7201 * S, true, 0, 3600 * S } } },
		{ "60/m burst 2", { { 0, true, 1, 1 * S }, { S / 2, true, 0, S / 2 }, { S / 2, false, 0, S / 2 },
		    { S, true, 0, 1 * S }, { S + 1, false, 0, S - 1 } } },
		/* A third of a second is rounded up: three in a second, never more. */
		{ "3/s burst 1", { { 0, true, 0, 333333334 }, { 333333333, false, 0, 1 }, { 333333334, true, 0, 333333334 } } },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct rate r = rate(cases[i].rate);
		int64_t     start = 1000 * S, full_at = 5;

		for (size_t k = 0; k < COUNTOF(cases[i].steps) && cases[i].steps[k].next_ns; k++) {
			struct rate_view view;
			int64_t          before = full_at;
			bool taken = rate_take(&r, &full_at, start + cases[i].steps[k].at_ns, &view);

			if (taken != cases[i].steps[k].taken || view.left != cases[i].steps[k].left
			    || view.next_ns != cases[i].steps[k].next_ns)
				fail_msg("%s, step %zu: %d left %u next %jd", cases[i].rate, k, taken, view.left,
				    (intmax_t)view.next_ns);
			assert_true(taken ? full_at > before : full_at == before);
		}
	}
}

/* Any greedy caller gets at most the burst and what has come back since, and at most one token less. */
static void
the_bound_holds_for_every_rate(void **state UNUSED)
{
	static const char *const rates[] = { "1/s", "3/s burst 2", "7/s burst 1", "999999/s burst 10", "100/s burst 200",
		"1000/m burst 50", "999983/h burst 999999", "999999/h" };

	for (size_t i = 0; i < COUNTOF(rates); i++) {
		struct rate r = rate(rates[i]);
		int64_t     start = 77 * S, now = start, full_at = 0, pause = (int64_t)r.per_s * S / r.count / 3 + 1;
		uint64_t    taken = 0;

		for (int k = 0; k < 20000; k++, now += pause) {
			struct rate_view view;
			double           most = r.burst + (double)(now - start) * r.count / (double)(r.per_s * S);

			taken += rate_take(&r, &full_at, now, &view);
			if ((double)taken > most || view.left > r.burst)
				fail_msg("%s: %ju in %jd ns", rates[i], (uintmax_t)taken, (intmax_t)(now - start));
			if (view.left == 0 && (double)taken < most * 0.999 - 1)
				fail_msg("%s: only %ju in %jd ns", rates[i], (uintmax_t)taken, (intmax_t)(now - start));
		}
	}
}

static void
other_terms_keep_what_was_taken(void **state UNUSED)
{
	static const struct {
		const char *from, *to;
		unsigned    taken, left;
	} cases[] = {
		{ "1/h burst 10", "100/s burst 200", 10, 190 }, { "100/s burst 200", "1/h burst 10", 4, 6 },
		{ "100/s burst 200", "1/h burst 10", 200, 0 }, { "10/s burst 10", "20/s burst 10", 10, 0 },
		{ "off", "5/s", 0, 5 }, { "5/s", "5/s", 3, 2 },
	};
	const struct rate some = rate("5/s"), none = rate("off");

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct rate      from = rate(cases[i].from), to = rate(cases[i].to);
		struct rate_view view;
		int64_t          now = 50 * S, full_at = 0;

		for (unsigned k = 0; k < cases[i].taken; k++)
			assert_true(rate_take(&from, &full_at, now, &view));
		full_at = rate_convert(&from, &to, full_at, now);
		rate_look(&to, full_at, now, &view);
		if (view.left != cases[i].left)
			fail_msg("%s to %s: %u", cases[i].from, cases[i].to, view.left);
	}
	assert_int_equal(rate_convert(&some, &none, 7 * S, 5 * S), 5 * S);
}

/* ---- buckets */

static struct buckets *buckets;
static struct rate     ten;

static int
set_up(void **state UNUSED)
{
	log_init("test", LOG_LEVEL_ERROR);
	buckets = buckets_new();
	ten = rate("10/s burst 3");
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	buckets_free(buckets);
	return 0;
}

/* An id whose bucket begins at the same place as those of others with this 'place'. */
static struct id
id_of(uint64_t place, uint64_t name)
{
	const uint64_t words[2] = { name + 1, place };
	struct id      id;

	memcpy(id.b, words, sizeof(words));
	return id;
}

static void
hash_of(uint64_t name, unsigned char out[SHA256_BYTES])
{
	const uint64_t words[4] = { name, name + 7 };

	memcpy(out, words, SHA256_BYTES);
}

/* Of a key in an environment of its own. */
static struct limits
own(uint64_t place, uint64_t name, struct rate r)
{
	return (struct limits) { .organization = id_of(1, 1), .environment = id_of(place + 500000, name), .family = id_of(place, name),
		.own = true, .rate = r };
}

/* A whole request, as api_key_check() makes it. */
static enum bucket_answer
ask_as(uint64_t key, const struct limits *l, bool looked_up, int64_t now_ns, struct bucket *b)
{
	unsigned char hash[SHA256_BYTES];

	hash_of(key, hash);
	if (!buckets_refuse(buckets, hash, now_ns, b))
		buckets_take(buckets, hash, l, looked_up, now_ns, b);
	return b->answer;
}

static enum bucket_answer
ask(uint64_t place, uint64_t name, struct rate r, bool looked_up, int64_t now_ns)
{
	struct limits l = own(place, name, r);
	struct bucket b;

	return ask_as(place << 20 | name, &l, looked_up, now_ns, &b);
}

static void
a_key_is_refused_without_a_look_up_and_no_other_is(void **state UNUSED)
{
	unsigned char hash[SHA256_BYTES];
	struct limits l = own(1, 1, ten);
	struct bucket b;

	for (int i = 0; i < 3; i++)
		assert_int_equal(ask(1, 1, ten, i == 0, S), BUCKET_TAKEN);
	hash_of(1 << 20 | 1, hash);
	assert_false(buckets_refuse(buckets, hash, S, &b)); /* nobody was refused yet */
	assert_int_equal(ask(1, 1, ten, false, S), BUCKET_EMPTY);
	assert_true(buckets_refuse(buckets, hash, S, &b));
	assert_true(id_eq(&b.organization, &l.organization));
	assert_int_equal(ask(1, 2, ten, true, S), BUCKET_TAKEN); /* another key of the same place */
	assert_false(buckets_refuse(buckets, hash, S + 100 * MS, &b));
	assert_int_equal(ask(1, 1, ten, false, S + 100 * MS), BUCKET_TAKEN);
	assert_int_equal(ask(1, 3, (struct rate) { 0 }, true, S), BUCKET_FREE);
}

static void
an_environment_has_one_bucket_for_all_its_keys(void **state UNUSED)
{
	struct limits l = { .environment = id_of(9, 9) };
	struct bucket b;

	assert_int_equal(ask_as(0, &l, true, S, &b), BUCKET_FREE);
	buckets_configure(buckets, rate("5/h"));
	for (uint64_t key = 0; key < 59; key++) {
		l.family = id_of(key, key);
		assert_int_equal(ask_as(key, &l, true, S, &b), key < 5 ? BUCKET_TAKEN : BUCKET_EMPTY);
		assert_true(b.shared);
		assert_int_equal(b.view.left, key < 5 ? 4 - key : 0);
	}
	l.environment = id_of(9, 10);
	assert_int_equal(ask_as(100, &l, true, S, &b), BUCKET_TAKEN);
}

static void
a_family_has_one_bucket_below_the_environment_s(void **state UNUSED)
{
	struct limits family = own(1, 1, rate("2/h")), other = own(2, 2, rate("4/h")), plain = family;
	struct bucket b;

	other.environment = family.environment;
	plain.own = false;
	buckets_configure(buckets, rate("5/h"));
	for (uint64_t key = 0; key < 20; key++) {
		assert_int_equal(ask_as(key, &family, true, S, &b), key < 2 ? BUCKET_TAKEN : BUCKET_EMPTY);
		assert_false(b.shared);
	}
	/* Who was refused by its own limit has taken nothing of the others'. */
	for (uint64_t n = 0; n < 3; n++)
		assert_int_equal(ask_as(100, &plain, true, S, &b), BUCKET_TAKEN);
	assert_int_equal(ask_as(100, &plain, true, S, &b), BUCKET_EMPTY);
	/* Below the environment's limit both count; and its refusal takes nothing of the key's own. */
	assert_int_equal(ask_as(101, &other, true, S, &b), BUCKET_EMPTY);
	assert_true(b.shared);
	assert_int_equal(ask_as(101, &other, true, S + 720 * S, &b), BUCKET_TAKEN);
	assert_int_equal(b.view.left, 0);
	/* Above it, or without one, the key goes by its own. */
	other.rate = rate("5/h burst 7");
	for (uint64_t n = 0; n < 6; n++)
		assert_int_equal(ask_as(102, &other, true, S + 720 * S, &b), BUCKET_TAKEN);
	assert_int_equal(ask_as(102, &other, true, S + 720 * S, &b), BUCKET_EMPTY);
	other.rate = (struct rate) { 0 };
	assert_int_equal(ask_as(103, &other, true, S, &b), BUCKET_FREE);
}

static void
a_rate_changes_by_a_look_up_and_not_by_what_a_worker_remembers(void **state UNUSED)
{
	struct rate hundred = rate("100/s burst 50");

	assert_int_equal(ask(1, 1, ten, true, S), BUCKET_TAKEN);
	assert_int_equal(ask(1, 1, hundred, false, S), BUCKET_TAKEN);
	assert_int_equal(ask(1, 1, ten, false, S), BUCKET_TAKEN);
	assert_int_equal(ask(1, 1, hundred, false, S), BUCKET_EMPTY); /* still ten */
	assert_int_equal(ask(1, 1, hundred, true, S + 100 * MS), BUCKET_TAKEN);
	for (int i = 0; i < 47; i++)
		assert_int_equal(ask(1, 1, ten, false, S + 100 * MS), BUCKET_TAKEN);
	assert_int_equal(ask(1, 1, ten, false, S + 100 * MS), BUCKET_EMPTY);
}

static void
another_configured_rate_keeps_what_was_taken(void **state UNUSED)
{
	struct limits l = { .environment = id_of(3, 3) };
	struct bucket b;

	buckets_configure(buckets, rate("5/s burst 1"));
	assert_int_equal(ask_as(1, &l, true, S, &b), BUCKET_TAKEN);
	assert_int_equal(ask_as(1, &l, false, S, &b), BUCKET_EMPTY);
	buckets_configure(buckets, rate("1/m burst 1"));
	assert_int_equal(ask_as(1, &l, false, S, &b), BUCKET_EMPTY); /* as empty as it was */
	buckets_configure(buckets, rate("1/m burst 3"));
	for (int i = 0; i < 2; i++)
		assert_int_equal(ask_as(1, &l, false, S, &b), BUCKET_TAKEN);
	assert_int_equal(ask_as(1, &l, false, S, &b), BUCKET_EMPTY);
	buckets_configure(buckets, (struct rate) { 0 });
	assert_int_equal(ask_as(1, &l, false, S, &b), BUCKET_FREE);
	/* An hour's wait does not outlive the rate that it was for. */
	l.environment = id_of(4, 4);
	buckets_configure(buckets, rate("1/h burst 1"));
	assert_int_equal(ask_as(2, &l, true, S, &b), BUCKET_TAKEN);
	assert_int_equal(ask_as(2, &l, false, S, &b), BUCKET_EMPTY);
	buckets_configure(buckets, rate("100/s burst 3"));
	assert_int_equal(ask_as(2, &l, false, S, &b), BUCKET_TAKEN);
	assert_int_equal(b.view.left, 1);
}

static void
one_of_those_who_are_refused_looks_up_in_five_seconds(void **state UNUSED)
{
	struct limits hour = own(1, 1, rate("1/h")), more = own(1, 1, rate("5/h"));
	unsigned char hash[SHA256_BYTES];
	struct bucket b;
	unsigned      told = 0;

	hash_of(1, hash);
	assert_int_equal(ask_as(1, &hour, true, S, &b), BUCKET_TAKEN);
	assert_int_equal(ask_as(1, &hour, true, S, &b), BUCKET_EMPTY);
	for (int64_t now = S; now <= 17 * S; now += 10 * MS) {
		assert_true(buckets_refuse(buckets, hash, now, &b));
		told += b.confirm;
	}
	assert_int_equal(told, 3);
	/* Confirming takes no token, and the new limit applies at once. */
	buckets_confirm(buckets, hash, &more, 17 * S);
	for (int i = 0; i < 4; i++)
		assert_int_equal(ask_as(1, &more, false, 17 * S, &b), BUCKET_TAKEN);
	assert_int_equal(ask_as(1, &more, false, 17 * S, &b), BUCKET_EMPTY);
	/* A key that there is no more must be looked up. */
	buckets_confirm(buckets, hash, NULL, 17 * S);
	assert_false(buckets_refuse(buckets, hash, 17 * S, &b));
}

/* With all places of a bucket in use: the one that is nearest to full gives way, and nobody is let through uncounted. */
static void
a_full_table_opens_no_gate(void **state UNUSED)
{
	struct rate   hour = rate("1/h"), minute = rate("1/m");
	struct limits l;
	struct bucket b;

	for (uint64_t name = 0; name < BUCKETS_PROBED; name++)
		assert_int_equal(ask(7, name, name == 5 ? minute : hour, true, S), BUCKET_TAKEN);
	for (uint64_t name = 0; name < BUCKETS_PROBED; name++)
		assert_int_equal(ask(7, name, name == 5 ? minute : hour, false, S), BUCKET_EMPTY);
	l = own(7, 100, hour);
	assert_int_equal(ask_as(100, &l, true, 2 * S, &b), BUCKET_TAKEN);
	assert_true(b.evicted);
	assert_int_equal(ask_as(100, &l, true, 2 * S, &b), BUCKET_EMPTY);
	assert_false(b.evicted);
	for (uint64_t name = 0; name < BUCKETS_PROBED; name++)
		if (name != 5)
			assert_int_equal(ask(7, name, hour, false, 2 * S), BUCKET_EMPTY);
}

/* What is logged meanwhile goes into this file. */
static size_t
lines_of(FILE *file)
{
	size_t n = 0;

	rewind(file);
	for (int c; (c = getc(file)) != EOF;)
		n += c == '\n';
	return n;
}

static void
the_lack_of_room_is_told_once_a_minute(void **state UNUSED)
{
	struct rate rare = rate("1/h");
	FILE       *file = tmpfile();
	int         kept = dup(STDERR_FILENO);
	size_t      first, soon, later;

	assert_non_null(file);
	log_init("test", LOG_LEVEL_WARN);
	dup2(fileno(file), STDERR_FILENO);
	for (uint64_t name = 0; name < 2 * BUCKETS_PROBED; name++)
		ask(7, name, rare, true, 100 * S);
	first = lines_of(file);
	for (uint64_t name = 100; name < 200; name++)
		ask(7, name, rare, true, (100 + BUCKETS_LOG_S) * S);
	soon = lines_of(file);
	ask(7, 300, rare, true, (101 + BUCKETS_LOG_S) * S);
	ask(7, 301, rare, true, (101 + BUCKETS_LOG_S) * S);
	later = lines_of(file);
	dup2(kept, STDERR_FILENO);
	close(kept);
	fclose(file);
	assert_int_equal(first, 1);
	assert_int_equal(soon, 1);
	assert_int_equal(later, 2);
}

static void
thirty_thousand_keys_used_once_do_not_end_the_limits_of_others(void **state UNUSED)
{
	enum { STRANGERS = 30000, VICTIMS = 50 };
	struct rate strict = rate("2/h"), once = rate("60/h");
	size_t      counted = 0, refused = 0;

	for (uint64_t v = 0; v < VICTIMS; v++)
		for (int i = 0; i < 2; i++)
			assert_int_equal(ask(v * 7919, v, strict, true, S), BUCKET_TAKEN);
	for (uint64_t k = 0; k < STRANGERS; k++) {
		assert_int_equal(ask(k * 7907 + 1, 1000 + k, once, true, 2 * S), BUCKET_TAKEN);
		counted += ask(k * 7907 + 1, 1000 + k, once, true, 2 * S) == BUCKET_TAKEN;
	}
	assert_int_equal(counted, STRANGERS); /* burst 60: the second, too */
	for (uint64_t v = 0; v < VICTIMS; v++)
		refused += ask(v * 7919, v, strict, true, 3 * S) == BUCKET_EMPTY;
	assert_int_equal(refused, VICTIMS);
}

static void
another_program_goes_on_with_them(void **state UNUSED)
{
	struct buckets *first = buckets, *second;
	int             fd = dup(first->fd);

	for (int i = 0; i < 3; i++)
		assert_int_equal(ask(1, 1, ten, true, S), BUCKET_TAKEN);
	assert_null(buckets_attach(fd, BUCKETS_LAYOUT + 1));
	assert_null(buckets_attach(STDIN_FILENO, BUCKETS_LAYOUT));
	second = buckets_attach(fd, BUCKETS_LAYOUT);
	assert_non_null(second);
	buckets = second;
	assert_int_equal(ask(1, 1, ten, true, S), BUCKET_EMPTY);
	buckets = first;
	buckets_free(second);
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

static void
the_memory_is_closed_by_who_has_it(void **state UNUSED)
{
	struct buckets *second;
	int             fd = dup(buckets->fd), other = dup(buckets->fd), small = memfd_create("small", 0);

	second = buckets_attach(fd, BUCKETS_LAYOUT);
	assert_int_equal(second->fd, fd);
	buckets_keep(second);
	buckets_free(second);
	assert_true(is_open(fd)); /* it is the caller's */
	second = buckets_attach(other, BUCKETS_LAYOUT);
	buckets_free(second);
	assert_false(is_open(other));
	/* Another size is another layout; and a descriptor that is none has none. */
	assert_int_equal(ftruncate(small, lseek(fd, 0, SEEK_END) - 1), 0);
	assert_null(buckets_attach(small, BUCKETS_LAYOUT));
	close(small);
	close(fd);
	assert_null(buckets_attach(fd, BUCKETS_LAYOUT));
}

static void
a_refused_key_is_looked_up_once_in_a_while(void **state UNUSED)
{
	static const struct {
		int64_t at_ns;
		bool    confirm;
	} steps[] = {
		{ 100 * S, false }, { (100 + BUCKETS_CONFIRM_S) * S, false }, { (100 + BUCKETS_CONFIRM_S) * S + 1, true },
		{ (100 + BUCKETS_CONFIRM_S) * S + 1, false }, { (100 + 2 * BUCKETS_CONFIRM_S) * S + 1, false },
		{ (100 + 2 * BUCKETS_CONFIRM_S) * S + 2, true },
		/* A moment that lies ahead is of a clock that was wrong, if it is far. */
		{ (100 + BUCKETS_CONFIRM_S) * S + 2, false }, { (100 + BUCKETS_CONFIRM_S) * S + 1, true }, { (100 + BUCKETS_CONFIRM_S) * S + 1, false },
	};
	struct limits hour = own(1, 1, rate("1/h"));
	unsigned char hash[SHA256_BYTES];
	struct bucket b;

	hash_of(1, hash);
	buckets_take(buckets, hash, &hour, true, 100 * S, &b);
	buckets_take(buckets, hash, &hour, true, 100 * S, &b);
	assert_int_equal(b.answer, BUCKET_EMPTY);
	assert_false(b.confirm);
	for (size_t i = 0; i < COUNTOF(steps); i++) {
		assert_true(buckets_refuse(buckets, hash, steps[i].at_ns, &b));
		if (b.confirm != steps[i].confirm)
			fail_msg("step %zu", i);
	}
	/* What a worker remembered is old from the beginning, also soon after the machine's. */
	for (int i = 0; i < 2; i++) {
		hash_of(2 + (uint64_t)i, hash);
		hour = own(9, (uint64_t)i, rate("1/h"));
		for (int n = 0; n < 2; n++)
			buckets_take(buckets, hash, &hour, false, i ? S : 100 * S, &b);
		assert_int_equal(b.answer, BUCKET_EMPTY);
		assert_true(buckets_refuse(buckets, hash, i ? S : 100 * S, &b));
		assert_true(b.confirm);
	}
}

/* Which of the two buckets a key takes from, and which of them it is shown. */
static void
the_fewest_tokens_are_shown(void **state UNUSED)
{
	static const struct {
		const char *own, *all;
		bool        shared; /* what is shown */
		unsigned    left;   /* in it */
		bool        both;   /* the environment's bucket counts, too */
	} cases[] = {
		{ "5/h", "5/h", false, 4, true }, { "5/h burst 9", "5/h burst 5", false, 8, false }, { "6/h burst 5", "5/h burst 5", false, 4, false },
		{ "5/h burst 4", "5/h burst 5", false, 3, true }, { "1/m burst 2", "60/h burst 3", false, 1, true }, { "1/m burst 2", "59/h burst 3", false, 1, false },
		{ "4/h burst 5", "5/h burst 5", false, 4, true }, { "off", "5/h", false, 0, false },
	};
	uint64_t name = 100;

	for (size_t i = 0; i < COUNTOF(cases); i++, name++) {
		struct limits l = own(name, name, rate(cases[i].own)), plain = l;
		struct rate   all = rate(cases[i].all);
		struct bucket b;

		plain.own = false;
		plain.family = id_of(name + 1000, name);
		buckets_configure(buckets, all);
		ask_as(name, &l, true, S, &b);
		assert_int_equal(b.answer, strcmp(cases[i].own, "off") == 0 ? BUCKET_FREE : BUCKET_TAKEN);
		if (b.answer == BUCKET_TAKEN && (b.shared != cases[i].shared || b.view.left != cases[i].left))
			fail_msg("%s below %s: %d, %u left", cases[i].own, cases[i].all, b.shared, b.view.left);
		assert_int_equal(ask_as(name + 5000, &plain, true, S, &b), BUCKET_TAKEN);
		assert_true(b.shared);
		if (b.view.left != all.burst - 1 - cases[i].both)
			fail_msg("%s below %s: %u left for all", cases[i].own, cases[i].all, b.view.left);
		/* Now the environment has fewer than the key. */
		while (cases[i].both && b.view.left > 1)
			assert_int_equal(ask_as(name + 5000, &plain, true, S, &b), BUCKET_TAKEN);
		if (cases[i].both && rate(cases[i].own).burst > 2) {
			assert_int_equal(ask_as(name, &l, true, S, &b), BUCKET_TAKEN);
			assert_true(b.shared);
			assert_int_equal(b.view.left, 0);
		}
	}
}

/* A bucket that is full at this very moment gives way without a word. */
static void
a_bucket_at_rest_is_not_missed(void **state UNUSED)
{
	struct rate   second = rate("1/s");
	struct limits l = own(7, 100, second);
	struct bucket b;

	for (uint64_t name = 0; name < BUCKETS_PROBED; name++)
		assert_int_equal(ask(7, name, second, true, S), BUCKET_TAKEN);
	assert_int_equal(ask_as(100, &l, true, 2 * S, &b), BUCKET_TAKEN);
	assert_false(b.evicted);
	l = own(7, 101, second);
	assert_int_equal(ask_as(101, &l, true, 2 * S - 1, &b), BUCKET_TAKEN);
	assert_true(b.evicted);
}

/* One bit is another: then there is no bucket, and no key that was refused. */
static void
what_has_no_seal_is_not_there(void **state UNUSED)
{
	enum { HEAD = 64, PLACE = 64, RECORD = 128 };
	const size_t   refused = (HEAD + (size_t)BUCKETS * PLACE + RECORD - 1) / RECORD * RECORD;
	unsigned char *memory = (unsigned char *)buckets->table, hash[SHA256_BYTES];
	struct limits  hour = own(1, 1, rate("1/h"));
	struct bucket  b;

	hash_of(1, hash);
	assert_int_equal(ask_as(1, &hour, true, S, &b), BUCKET_TAKEN);
	assert_int_equal(ask_as(1, &hour, true, S, &b), BUCKET_EMPTY);
	for (size_t at = 0; at < RECORD - 8; at++) { /* but for the time at its end, which has no seal */
		for (size_t i = refused + at; i < refused + BUCKETS_REFUSED * RECORD; i += RECORD)
			memory[i] ^= 1;
		if (buckets_refuse(buckets, hash, S, &b) && at < 80)
			fail_msg("byte %zu of a record", at);
		for (size_t i = refused + at; i < refused + BUCKETS_REFUSED * RECORD; i += RECORD)
			memory[i] ^= 1;
	}
	assert_true(buckets_refuse(buckets, hash, S, &b));
	for (size_t at = 8; at < 40; at++) { /* behind the time */
		for (size_t i = HEAD + at; i < HEAD + (size_t)BUCKETS * PLACE; i += PLACE)
			memory[i] ^= 1;
		if (buckets_refuse(buckets, hash, S, &b))
			fail_msg("byte %zu of a bucket", at);
		for (size_t i = HEAD + at; i < HEAD + (size_t)BUCKETS * PLACE; i += PLACE)
			memory[i] ^= 1;
	}
	assert_true(buckets_refuse(buckets, hash, S, &b));
}

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * S + ts.tv_nsec;
}

/*
 * All processes use each key for the first time at once, and four keys share their first place. Then all of them use one
 * key without a pause.
 */
static void
many_processes_take_no_token_twice(void **state UNUSED)
{
	enum { PROCESSES = 4, KEYS = 4000, BURST = 5, EACH = 3, HOT = KEYS, HOT_BURST = 100000 };
	struct rate        terms = rate("1/h burst 5");
	struct rate        hot = rate("1/h burst 100000");
	size_t             size = (KEYS + 2) * sizeof(_Atomic(uint32_t));
	_Atomic(uint32_t) *taken = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	_Atomic(uint32_t) *arrived = &taken[KEYS + 1];

	assert_ptr_not_equal(taken, MAP_FAILED);
	for (int p = 0; p < PROCESSES; p++) {
		if (fork() != 0)
			continue;
		for (uint64_t k = 0; k < KEYS; k++) {
			/* Side by side, as long as the system lets them. */
			atomic_fetch_add(arrived, 1);
			for (int spins = 0; spins < 2000 && atomic_load(arrived) < (k + 1) * PROCESSES; spins++)
				;
			for (int i = 0; i < EACH; i++)
				if (ask(k - k % 4, k, terms, true, S + (int64_t)k) == BUCKET_TAKEN)
					atomic_fetch_add(&taken[k], 1);
		}
		for (int i = 0; i < HOT_BURST / 2; i++)
			if (ask(KEYS + 100, KEYS, hot, i == 0, 2 * S) == BUCKET_TAKEN)
				atomic_fetch_add(&taken[HOT], 1);
		_exit(0);
	}
	for (int p = 0; p < PROCESSES; p++)
		wait(NULL);
	for (uint64_t k = 0; k < KEYS; k++)
		assert_int_equal(taken[k], BURST);
	assert_int_equal(taken[HOT], HOT_BURST);
	munmap(taken, size);
}

/* Processes are killed while places change hands: the others go on, and each key has its rate. */
static void
killed_processes_hold_nobody_up(void **state UNUSED)
{
	struct rate quick = rate("999999/s burst 1");

	for (int round = 0; round < 60; round++) {
		pid_t pids[3];

		for (size_t i = 0; i < COUNTOF(pids); i++) {
			if ((pids[i] = fork()) != 0)
				continue;
			for (uint64_t k = 0;; k++)
				ask(k % 3, k % 64, quick, true, now_ns());
		}
		usleep(3000);
		for (size_t i = 0; i < COUNTOF(pids); i++) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
	}
	for (uint64_t name = 1000; name < 1000 + BUCKETS_PROBED; name++) {
		int64_t now = now_ns();

		assert_int_equal(ask(0, name, ten, true, now), BUCKET_TAKEN);
		assert_int_equal(ask(0, name, ten, false, now), BUCKET_TAKEN);
		assert_int_equal(ask(0, name, ten, false, now), BUCKET_TAKEN);
		assert_int_equal(ask(0, name, ten, false, now), BUCKET_EMPTY);
	}
}

/* A process that was stopped half-way may go on when its place has another key: nobody gets a mixture of both. */
static void
stopped_processes_hold_nobody_up_either(void **state UNUSED)
{
	struct rate quick = rate("999999/s burst 1");

	for (int round = 0; round < 60; round++) {
		pid_t pid = fork();

		if (pid == 0)
			for (uint64_t k = 0;; k++)
				ask(k % 3, k % 64, quick, true, now_ns());
		usleep(1000);
		kill(pid, SIGSTOP);
		for (uint64_t name = 0; name < 64; name++) {
			int64_t begun = now_ns();

			ask(name % 3, name, quick, true, begun);
			assert_true(now_ns() - begun < 20 * BUCKETS_LEASE_MS * MS);
		}
		kill(pid, SIGCONT);
		usleep(1000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask(0, 1000, ten, true, now_ns()), BUCKET_TAKEN);
}

/*
 * Another process takes the lock anew all the time: who cannot have it is refused, soon, and asked to come back in a second.
 * On a machine that lets that process stand still the lock's time is over, and the bucket is made.
 */
static void
a_lock_that_is_never_free_is_not_waited_for(void **state UNUSED)
{
	_Atomic(int64_t) *locked = (void *)buckets->table;
	struct limits     l = own(1, 1, ten), known = own(2, 2, ten);
	enum bucket_answer unknown_one, known_one;
	int64_t           took_ns;
	struct bucket     b, other;
	pid_t             pid;

	assert_int_equal(ask_as(2, &known, true, now_ns(), &b), BUCKET_TAKEN);
	if ((pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			atomic_store(locked, now_ns());
	}
	while (atomic_load(locked) == 0)
		;
	took_ns = now_ns();
	unknown_one = ask_as(1, &l, true, took_ns, &b);
	known_one = ask_as(2, &known, false, took_ns, &other); /* needs no lock */
	took_ns = now_ns() - took_ns;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (unknown_one == BUCKET_EMPTY) {
		assert_int_equal(b.view.left, 0);
		assert_int_equal(b.view.next_ns, S);
	} else
		assert_int_equal(unknown_one, BUCKET_TAKEN);
	assert_int_equal(known_one, BUCKET_TAKEN);
	assert_true(took_ns < 10 * S);
	l = own(3, 3, ten);
	assert_int_equal(ask_as(3, &l, true, now_ns() + S, &b), BUCKET_TAKEN); /* the time of that lock is over */
	/* A moment that lies ahead is none. */
	atomic_store(locked, now_ns() + 1000 * S);
	l = own(4, 4, ten);
	assert_int_equal(ask_as(4, &l, true, now_ns(), &b), BUCKET_TAKEN);
	assert_int_equal(atomic_load(locked), 0);
	atomic_store(locked, -5);
	l = own(5, 5, ten);
	assert_int_equal(ask_as(5, &l, true, now_ns(), &b), BUCKET_TAKEN);
	assert_int_equal(atomic_load(locked), 0);
}

/* What a compromised worker may leave there. */
static void
nonsense_in_the_shared_memory_does_no_lasting_harm(void **state UNUSED)
{
	static const unsigned char patterns[] = { 0x00, 0xff, 0x7f, 0x80, 0x01, 0xa5 };
	const size_t               bytes = (size_t)BUCKETS * 64 + BUCKETS_REFUSED * 128;
	unsigned char             *memory = (unsigned char *)buckets->table;

	srand(1);
	for (size_t pattern = 0; pattern < 3 * COUNTOF(patterns); pattern++) {
		int64_t begun = now_ns(), now = begun;

		for (size_t i = 0; i < bytes; i++)
			memory[i] = pattern < COUNTOF(patterns) ? patterns[pattern] : (unsigned char)rand();
		for (uint64_t name = 0; name < 100; name++) {
			for (int i = 0; i < 3; i++)
				assert_int_equal(ask(name * 50, name, ten, i == 0, now), BUCKET_TAKEN);
			assert_int_equal(ask(name * 50, name, ten, false, now), BUCKET_EMPTY);
			assert_int_equal(ask(name * 50, name, ten, false, now + 100 * MS), BUCKET_TAKEN);
		}
		assert_true(now_ns() - begun < 2 * S);
		buckets_configure(buckets, rate("5/s"));
		assert_int_equal(buckets_configured(buckets).count, 5);
	}
}

/* The clock is read before the key is looked up; meanwhile other workers take tokens. */
static void
a_clock_that_was_read_late_gives_nothing_back(void **state UNUSED)
{
	struct rate      r = rate("100/s burst 5");
	int64_t          now = 50 * S, full_at = 0, empty;
	struct rate_view view;

	for (int i = 0; i < 5; i++)
		assert_true(rate_take(&r, &full_at, now, &view));
	empty = full_at;
	assert_false(rate_take(&r, &full_at, now - 30 * MS, &view));
	assert_int_equal(full_at, empty);
	assert_int_equal(view.left, 0);
	assert_false(rate_take(&r, &full_at, now - 49 * S, &view));
	assert_int_equal(full_at, empty);
	assert_false(rate_take(&r, &full_at, now, &view));
}

static void
a_bucket_that_is_emptier_than_empty_fills_again(void **state UNUSED)
{
	struct rate      r = rate("10/s burst 3");
	int64_t          now = 50 * S, full_at = INT64_MAX;
	struct rate_view view;

	assert_false(rate_take(&r, &full_at, now, &view));
	assert_true(rate_take(&r, &full_at, now + 100 * MS, &view));
	/* And one that is full has nothing to wait for. */
	rate_look(&r, now, now, &view);
	assert_int_equal(view.left, 3);
	assert_int_equal(view.next_ns, 0);
}

static void
what_is_no_rate_is_no_limit(void **state UNUSED)
{
	static const uint64_t packed[] = { 0, 1, UINT64_C(1) << 20, 1 | UINT64_C(1048575) << 20, 1000000 | 1 << 20, 1 | UINT64_C(1000000) << 20, UINT64_MAX, UINT64_C(3) << 40 | 1 << 20 | 1,
		UINT64_C(1) << 42 | 1 << 20 | 1, 1048575 | 1 << 20 };
	struct rate           r = rate("7/h burst 9");

	for (size_t i = 0; i < COUNTOF(packed); i++)
		assert_int_equal(rate_unpack(packed[i]).count, 0);
	assert_int_equal(rate_unpack(rate_pack(&r)).per_s, 3600);
	/* Another program reads it after an upgrade. */
	assert_int_equal(rate_pack(&r), 7 | 9 << 20 | UINT64_C(2) << 40);
	r = (struct rate) { 0 };
	assert_int_equal(rate_pack(&r), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_have_one_spelling),
		cmocka_unit_test(a_bucket_gives_its_burst_and_then_the_rate),
		cmocka_unit_test(the_bound_holds_for_every_rate),
		cmocka_unit_test(other_terms_keep_what_was_taken),
		cmocka_unit_test_setup_teardown(a_key_is_refused_without_a_look_up_and_no_other_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_environment_has_one_bucket_for_all_its_keys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_family_has_one_bucket_below_the_environment_s, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_rate_changes_by_a_look_up_and_not_by_what_a_worker_remembers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_configured_rate_keeps_what_was_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_of_those_who_are_refused_looks_up_in_five_seconds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_table_opens_no_gate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_lack_of_room_is_told_once_a_minute, set_up, tear_down),
		cmocka_unit_test_setup_teardown(thirty_thousand_keys_used_once_do_not_end_the_limits_of_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_program_goes_on_with_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_memory_is_closed_by_who_has_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_refused_key_is_looked_up_once_in_a_while, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_fewest_tokens_are_shown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_bucket_at_rest_is_not_missed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_has_no_seal_is_not_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_processes_take_no_token_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(killed_processes_hold_nobody_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stopped_processes_hold_nobody_up_either, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lock_that_is_never_free_is_not_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nonsense_in_the_shared_memory_does_no_lasting_harm, set_up, tear_down),
		cmocka_unit_test(a_clock_that_was_read_late_gives_nothing_back),
		cmocka_unit_test(a_bucket_that_is_emptier_than_empty_fills_again),
		cmocka_unit_test(what_is_no_rate_is_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
