/* conf/conf: the table, its readers, and the sample file that must agree with it. */
#include "base/arena.h"
#include "conf/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { ERR_MAX_BYTES = 4096 };

struct setup {
	struct conf c;
	struct buf  err;
};

static int
set_up(void **state)
{
	struct setup *s = must_alloc(sizeof(*s));

	conf_init(&s->c);
	buf_init(&s->err, ERR_MAX_BYTES);
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct setup *s = *state;

	conf_fini(&s->c);
	buf_fini(&s->err);
	free(s);
	return 0;
}

static bool
contains(struct str text, const char *part)
{
	return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static void
defaults_are_what_the_contract_says(void **state)
{
	const struct conf *c = &((struct setup *)*state)->c;

	assert_int_equal(c->workers, 0);
	assert_int_equal(c->listen_mode, 0660);
	assert_int_equal(c->body_max_bytes, 2 * 1024 * 1024);
	assert_int_equal(c->metadata_max_bytes, 16 * 1024);
	assert_int_equal(c->auth_cache_ttl_ms, 1000);
	assert_int_equal(c->idempotency_ttl_ms, 24 * 60 * 60 * 1000);
	assert_int_equal(c->retain_invoices_ms, 87600 * INT64_C(3600000));
	assert_int_equal(c->imports_open, 5);
	assert_int_equal(c->import_max_bytes, 512 * INT64_C(1048576));
	assert_int_equal(c->log_level, LOG_LEVEL_INFO);
	assert_string_equal(c->listen, "");
}

static void
values_are_judged_by_their_row(void **state)
{
	static const struct {
		const char *key, *value;
		const char *printed; /* NULL: refused */
	} cases[] = {
		{ "workers", "1", "1" },
		{ "workers", "512", "512" },
		{ "workers", "auto", "auto" },
		{ "workers", "0", NULL },
		{ "workers", "513", NULL },
		{ "workers", "Auto", NULL },
		{ "workers", "-1", NULL },
		{ "workers", "1.5", NULL },
		{ "workers", "", NULL },
		{ "workers", "dynamic", "dynamic" },
		{ "workers", "static 7", "7" },
		{ "workers", "static", NULL },
		{ "workers_max", "dynamic", NULL },
		{ "workers_max", "static 7", NULL },
		{ "workers_max", "auto", "auto" },
		{ "workers_min", "auto", NULL },
		{ "max_requests", "0", "0" },
		{ "max_requests", "00012", "12" },
		{ "max_requests", "1K", NULL },
		{ "max_requests", "99999999999999999999", NULL },
		{ "body_max", "1M", "1M" },
		{ "body_max", "1024K", "1M" },
		{ "body_max", "1048576", "1M" },
		{ "body_max", "1048577", "1048577" },
		{ "body_max", "1m", NULL },
		{ "body_max", "1 M", NULL },
		{ "body_max", "1G", NULL },
		{ "body_max", "M", NULL },
		{ "body_max", "0", NULL },
		{ "body_max", "15K", NULL },
		{ "body_max", "5M", NULL },
		{ "body_max", "9223372036854775807K", NULL },
		{ "request_timeout", "500ms", "500ms" },
		{ "request_timeout", "1000ms", "1s" },
		{ "request_timeout", "60s", "1m" },
		{ "request_timeout", "90s", "90s" },
		{ "request_timeout", "10m", "10m" },
		{ "request_timeout", "11m", NULL },
		{ "request_timeout", "99ms", NULL },
		{ "request_timeout", "15", NULL },
		{ "request_timeout", "15 s", NULL },
		{ "request_timeout", "15S", NULL },
		{ "request_timeout", "s", NULL },
		{ "request_timeout", "1h30m", NULL },
		{ "auth_cache_ttl", "0", "0" },
		{ "auth_cache_ttl", "0s", "0" },
		{ "auth_cache_ttl", "0x", NULL },
		{ "auth_cache_ttl", "1s", "1s" },
		{ "auth_cache_ttl", "1001ms", NULL },
		{ "idempotency_ttl", "720h", "720h" },
		{ "idempotency_ttl", "2562047788016h", NULL },
		{ "listen_mode", "0600", "0600" },
		{ "listen_mode", "660", "0660" },
		{ "listen_mode", "0", NULL },
		{ "listen_mode", "0888", NULL },
		{ "listen_mode", "06-0", NULL },
		{ "listen_mode", "1777", NULL },
		{ "listen_mode", "00660", NULL },
		{ "rate_limit", "off", "off" },
		{ "rate_limit", "100/s", "100/s burst 100" },
		{ "rate_limit", "5000/h burst 200", "5000/h burst 200" },
		{ "rate_limit", "100", NULL },
		{ "rate_limit", "0/s", NULL },
		{ "rate_limit", "100/s burst", NULL },
		{ "rate_limit", "", NULL },
		{ "log_level", "debug", "debug" },
		{ "log_level", "DEBUG", NULL },
		{ "log_level", "trace", NULL },
		{ "public_url", "http://api.example.org/x", "http://api.example.org/x" },
		{ "public_url", "https://[::1]:8443", "https://[::1]:8443" },
		{ "public_url", "", "" },
		{ "public_url", "https://api.example.org/", NULL },
		{ "public_url", "ftp://api.example.org", NULL },
		{ "public_url", "https://api.example.org/?x", NULL },
		{ "public_url", "https://api.example.org\"", NULL },
		{ "public_url", "https://$host", NULL },
		{ "listen", "unix:/run/x y", "unix:/run/x y" },
		{ "listen", "", "" },
		{ "listen", "a\tb", NULL },
		{ "listen", "a\x7f", NULL },
		{ "listen", "\xff", NULL },
		{ "log", "/var/log/x\xe2\x80\x8b", NULL }, /* a space of no width */
		{ "listen", "/run/x # y", NULL },
		{ "listen", " #x", NULL },
		{ "listen", "#x", "#x" },
		{ "listen", "/run/x#y", "/run/x#y" },
		{ "user", "j\xc3\xb6rg", "j\xc3\xb6rg" },
		{ "database_url", "", NULL },
	};
	struct setup *s = *state;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct buf before, after;
		char       line[128];
		bool       ok;

		buf_init(&before, ERR_MAX_BYTES);
		buf_init(&after, ERR_MAX_BYTES);
		conf_print(&s->c, &before);
		buf_reset(&s->err, 0);
		ok = conf_set(&s->c, cases[i].key, cases[i].value, &s->err);
		conf_print(&s->c, &after);
		if (ok != (cases[i].printed != NULL))
			fail_msg("%s = %s: %.*s", cases[i].key, cases[i].value, STR_ARGS(buf_view(&s->err)));
		if (ok) {
			snprintf(line, sizeof(line), "%s = %s\n", cases[i].key, cases[i].printed);
			if (!contains(buf_view(&after), line))
				fail_msg("%s = %s is not printed as %s", cases[i].key, cases[i].value, line);
			assert_int_equal(s->err.len, 0);
		} else {
			/* A refused value changes nothing, and the message names the key. */
			assert_true(str_eq(buf_view(&before), buf_view(&after)));
			assert_true(str_starts(buf_view(&s->err), str_of(cases[i].key)));
		}
		buf_fini(&before);
		buf_fini(&after);
	}
}

/* The least and the most that a key takes, and what is just beyond; NULL: nothing is. fixed: a reload cannot change it. */
static const struct {
	const char *key, *below, *least, *most, *above;
	bool        fixed;
} bounds[] = {
	{ "listen_mode", NULL, "0000", "0777", "1000", true },
	{ "listen_backlog", "0", "1", "65535", "65536", true },
	{ "admin_mode", NULL, "0000", "0777", "1000", true },
	{ "workers", "0", "1", "512", "513" },
	{ "workers_min", "0", "1", "512", "513" },
	{ "workers_max", "0", "1", "512", "513" },
	{ "spare_min", "0", "1", "512", "513" },
	{ "spare_max", "0", "1", "512", "513" },
	{ "spare_idle", "999ms", "1s", "60m", "3601s" },
	{ "max_requests", "-1", "0", "1000000000", "1000000001" },
	{ "max_memory", "-1", "0", "1024M", "1025M" },
	{ "request_timeout", "99ms", "100ms", "10m", "600001ms" },
	{ "queue_timeout", "-1", "0", "10m", "600001ms" },
	{ "queue_shed", "-1", "0", "100", "101" },
	{ "statement_timeout", "9ms", "10ms", "10m", "600001ms" },
	{ "lock_timeout", "9ms", "10ms", "10m", "600001ms" },
	{ "shutdown_timeout", "99ms", "100ms", "10m", "600001ms" },
	{ "body_max", "16383", "16K", "4M", "4194305" },
	{ "metadata_max", "1023", "1K", "64K", "65537" },
	{ "auth_cache_ttl", "-1", "0", "1s", "1001ms" },
	{ "idempotency_ttl", "999ms", "1s", "720h", "2592001s" },
	{ "retain_invoices", "-1", "0", "876000h", "876001h" },
	{ "imports_open", "0", "1", "100", "101" },
	{ "import_max", "8388607", "8M", "65536M", "65537M" },
	{ "slow_request", "-1", "0", "10m", "600001ms" },
	{ "metrics_mode", NULL, "0000", "0777", "1000", true },
	{ "tenant_share", "0", "1", "100", "101" },
	{ "keys_max", "0", "1", "100000", "100001" },
};

static void
keys_are_taken_at_their_bounds_and_not_beyond(void **state)
{
	struct setup *s = *state;

	for (size_t i = 0; i < COUNTOF(bounds); i++) {
		if (!conf_set(&s->c, bounds[i].key, bounds[i].least, &s->err) || !conf_set(&s->c, bounds[i].key, bounds[i].most, &s->err))
			fail_msg("%s: %.*s", bounds[i].key, STR_ARGS(buf_view(&s->err)));
		if ((bounds[i].below && conf_set(&s->c, bounds[i].key, bounds[i].below, &s->err))
		    || conf_set(&s->c, bounds[i].key, bounds[i].above, &s->err))
			fail_msg("%s is taken beyond its bounds", bounds[i].key);
	}
}

/* The same of texts: how many bytes. fixed: as above. */
static const struct {
	const char *key;
	size_t      least, most;
	bool        fixed;
} lengths[] = {
	{ "database_url", 1, 4096 },
	{ "owner_file", 1, 1024 },
	{ "listen", 0, 256, true },
	{ "listen_owner", 0, 128, true },
	{ "listen_allow", 0, 4096 },
	{ "admin_listen", 0, 256, true },
	{ "admin_owner", 0, 128, true },
	{ "metrics_listen", 0, 256, true },
	{ "public_url", 0, 512 },
	{ "pidfile", 0, 1024, true },
	{ "user", 0, 64, true },
	{ "log", 1, 1024 },
	{ "database_owner_url", 1, 4096, true },
};

static void
texts_are_taken_at_their_bounds_and_not_beyond(void **state)
{
	struct setup *s = *state;
	char          text[4098] = "https://";

	memset(text + 8, 'a', sizeof(text) - 8);
	conf_allow_owner(&s->c);
	for (size_t i = 0; i < COUNTOF(lengths); i++) {
		struct conf next;
		struct buf  kept;

		buf_init(&kept, ERR_MAX_BYTES);
		conf_init(&next);
		conf_allow_owner(&next);
		text[lengths[i].most] = '\0';
		if (!conf_set(&next, lengths[i].key, text, &s->err) || conf_set(&next, lengths[i].key, "", &s->err) != !lengths[i].least
		    || !conf_set(&next, lengths[i].key, text, &s->err))
			fail_msg("%s: %.*s", lengths[i].key, STR_ARGS(buf_view(&s->err)));
		text[lengths[i].most] = 'a';
		text[lengths[i].most + 1] = '\0';
		if (conf_set(&next, lengths[i].key, text, &s->err))
			fail_msg("%s is taken beyond its bounds", lengths[i].key);
		text[lengths[i].most + 1] = 'a';
		conf_keep_fixed(&next, &s->c, &kept);
		if (!str_is(buf_view(&kept), lengths[i].fixed ? lengths[i].key : ""))
			fail_msg("%s: %.*s", lengths[i].key, STR_ARGS(buf_view(&kept)));
		conf_fini(&next);
		buf_fini(&kept);
	}
}

static void
names_are_those_of_the_key_and_no_others(void **state)
{
	static const struct {
		const char *key, *names[5], *other;
	} cases[] = {
		{ "prepared_statements", { "on", "off" }, "log" },
		{ "request_log", { "on", "off" }, "log" },
		{ "sandbox", { "off", "on", "log" }, "yes" },
		{ "log_format", { "text", "json" }, "xml" },
		{ "log_level", { "error", "warn", "info", "debug" }, "trace" },
	};
	struct setup *s = *state;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct conf running;
		struct buf  kept;

		for (size_t n = 0; cases[i].names[n]; n++)
			if (!conf_set(&s->c, cases[i].key, cases[i].names[n], &s->err))
				fail_msg("%s = %s: %.*s", cases[i].key, cases[i].names[n], STR_ARGS(buf_view(&s->err)));
		if (conf_set(&s->c, cases[i].key, cases[i].other, &s->err))
			fail_msg("%s = %s", cases[i].key, cases[i].other);
		/* The last one is not the default, and a reload applies it. */
		buf_init(&kept, ERR_MAX_BYTES);
		conf_init(&running);
		conf_keep_fixed(&s->c, &running, &kept);
		if (kept.len || conf_is_default(&s->c, cases[i].key))
			fail_msg("%s: %.*s", cases[i].key, STR_ARGS(buf_view(&kept)));
		conf_fini(&running);
		buf_fini(&kept);
	}
}

static void
the_owner_s_key_is_known_once_it_was_given(void **state)
{
	struct setup *s = *state;

	assert_false(conf_set(&s->c, "database_owner_url", "dbname=x", &s->err));
	conf_allow_owner(&s->c);
	assert_true(conf_set(&s->c, "database_url", "dbname=x", &s->err));
	assert_false(s->c.owner_given);
	assert_true(conf_set(&s->c, "database_owner_url", "dbname=x", &s->err));
	assert_true(s->c.owner_given);
	assert_string_equal(s->c.database_owner_url, "dbname=x");
	assert_true(conf_set(&s->c, "database_url", "dbname=y", &s->err));
	assert_true(s->c.owner_given);
}

/* One after the other: what is fixed keeps its value and is named, the rest is taken over. */
static void
a_reload_changes_what_is_not_fixed(void **state)
{
	struct setup *s = *state;

	for (size_t i = 0; i < COUNTOF(bounds); i++) {
		struct buf  kept;
		struct conf next;

		conf_init(&next);
		buf_init(&kept, ERR_MAX_BYTES);
		assert_true(conf_set(&next, bounds[i].key, bounds[i].most, &s->err));
		conf_keep_fixed(&next, &s->c, &kept);
		if (!str_is(buf_view(&kept), bounds[i].fixed ? bounds[i].key : ""))
			fail_msg("%s: %.*s", bounds[i].key, STR_ARGS(buf_view(&kept)));
		conf_fini(&next);
		buf_fini(&kept);
	}
}

static void
unknown_keys_are_errors(void **state)
{
	struct setup *s = *state;

	assert_false(conf_set(&s->c, "worker", "1", &s->err));
	assert_true(str_is(buf_view(&s->err), "there is no key \"worker\""));
}

static void
secrets_are_neither_printed_nor_repeated_in_messages(void **state)
{
	struct setup *s = *state;
	struct buf    out;

	buf_init(&out, ERR_MAX_BYTES);
	assert_string_equal(conf_flag_secret("--database-url=password=hush"), "password=hush");
	assert_string_equal(conf_flag_secret("--database_owner_url="), "");
	assert_null(conf_flag_secret("--log-level=info"));
	assert_null(conf_flag_secret("--database-url"));
	assert_true(conf_set(&s->c, "database_url", "password=hush", &s->err));
	conf_print(&s->c, &out);
	assert_false(contains(buf_view(&out), "hush"));
	assert_true(contains(buf_view(&out), "database_url = ********\nowner_file = "));
	assert_false(contains(buf_view(&out), "database_owner_url"));
	assert_false(conf_set(&s->c, "database_url", "password=hush\x01", &s->err));
	assert_false(contains(buf_view(&s->err), "hush"));
	buf_fini(&out);
}

/* So many bytes, in characters of two. */
#define TEN "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x84\xc3\x96"
#define FIFTY_EIGHT TEN TEN TEN TEN TEN "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x84"
#define SIXTY FIFTY_EIGHT "\xc3\x96"

static void
files_have_comments_blanks_and_one_value_a_key(void **state)
{
	static const struct {
		const char *text;
		const char *err; /* NULL: accepted */
	} cases[] = {
		{ "", NULL },
		{ "\n\n", NULL },
		{ "# workers = x\n\t # y\n  workers\t=  3  ", NULL },
		{ "listen = unix:/a#b\n", NULL },
		{ "database_url = dbname=x password='a # b'\n", NULL },
		{ "workers=3\nlog_level=warn", NULL },
		{ "workers", "f:1: expected \"key = value\"" },
		{ "\n\nworkers = x\n", "f:3: workers must be auto, dynamic or a whole number from 1 to 512, not \"x\"" },
		{ "work = 1", "f:1: there is no key \"work\"" },
		{ "= 1", "f:1: there is no key \"\"" },
		{ "workers = 1\nworkers = 1\n", "f:2: workers was set in line 1 already" },
		{ "workers = 1\r\n# x\r\n", "f:1: the line ends in a carriage return: save the file "
		    "with Unix line endings" },
		{ "\xef\xbb\xbfworkers = 1\n", "f:1: the file begins with a byte order mark: save it as "
		    "UTF-8 without one" },
		{ "log = /x.log # the log", "f:1: log: a comment needs a line of its own: all after "
		    "the = is the value" },
		{ "workers = 1\t#one", "f:1: workers: a comment needs a line of its own: all after "
		    "the = is the value" },
		{ "workers = 1\x1b[2J", "f:1: workers must be auto, dynamic or a whole number from 1 to "
		    "512, not \"1\\u001b[2J\"" },
		{ "w\xc2\xadorkers = 1", "f:1: there is no key \"w\\u00adorkers\"" },
		{ "database_owner_url = x", "f:1: database_owner_url belongs in clientele-owner.conf "
		    "(owner_file), which only root can read: no process that serves may know it" },
		{ "database_url =", "f:1: database_url must not be empty" },
		{ "request_log = x", "f:1: request_log must be off or on, not \"x\"" },
		{ "prepared_statements = x", "f:1: prepared_statements must be off or on, not \"x\"" },
		{ "sandbox = x", "f:1: sandbox must be off, on or log, not \"x\"" },
		{ "log_format = x", "f:1: log_format must be text or json, not \"x\"" },
		{ "workers_min = x", "f:1: workers_min must be a whole number from 1 to 512, not \"x\"" },
		{ "workers_max = x", "f:1: workers_max must be auto or a whole number from 1 to 512, not \"x\"" },
		{ "max_requests = x", "f:1: max_requests must be a whole number from 0 to 1000000000, not \"x\"" },
		{ "spare_idle = x", "f:1: spare_idle must be a time such as 500ms, 5s, 1m or 24h, from 1s to 1h, not \"x\"" },
		{ "listen_mode = x", "f:1: listen_mode must be octal permissions such as 0660, not \"x\"" },
		{ "public_url = x", "f:1: public_url must be an http or https URL without a slash at its end of 0 to 512 bytes, not \"x\"" },
		{ "workers =", "f:1: workers must be auto, dynamic or a whole number from 1 to 512, not \"\"" },
		{ "pidfile = a\tb", "f:1: pidfile must be plain text of 0 to 1024 bytes, not \"a\\u0009b\"" },
		/* What is repeated of a value ends within no character. */
		{ "log_level = " SIXTY, "f:1: log_level must be error, warn, info or debug, not \"" SIXTY "\"" },
		{ "log_level = " SIXTY "x", "f:1: log_level must be error, warn, info or debug, not \"" SIXTY "...\"" },
		{ "log_level = 1" SIXTY, "f:1: log_level must be error, warn, info or debug, not \"1" FIFTY_EIGHT "...\"" },
		{ "log_level = loud", "f:1: log_level must be error, warn, info or debug, not \"loud\"" },
		{ "rate_limit = 9/d", "f:1: rate_limit must be off or a rate such as 100/s, 1000/m burst 50 or 5000/h, with numbers "
		    "from 1 to 999999, not \"9/d\"" },
		{ "body_max = 1", "f:1: body_max must be a size such as 16K or 2M, from 16K to 4M, not \"1\"" },
	};
	struct setup *s = *state;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		bool ok;

		buf_reset(&s->err, 0);
		ok = conf_read_text(&s->c, "f", str_of(cases[i].text), &s->err);
		if (ok != (cases[i].err == NULL) || !str_is(buf_view(&s->err), cases[i].err ? cases[i].err : ""))
			fail_msg("%s: %.*s", cases[i].text, STR_ARGS(buf_view(&s->err)));
	}
	assert_string_equal(s->c.listen, "unix:/a#b");
}

/* D9: whoever mends a file wants to know all that is wrong with it. */
static void
all_mistakes_are_reported_and_the_rest_is_read(void **state)
{
	static const char text[] = "workers = x\nlog_level = warn\nno_key = 1\nnothing\nbody_max = 1\n"
				   "log_level = info\n";
	struct setup *s = *state;
	unsigned      lines = 1;
	struct buf    many;

	assert_false(conf_read_text(&s->c, "f", str_of(text), &s->err));
	assert_true(str_is(buf_view(&s->err),
	    "f:1: workers must be auto, dynamic or a whole number from 1 to 512, not \"x\"\n"
	    "f:3: there is no key \"no_key\"\n"
	    "f:4: expected \"key = value\"\n"
	    "f:5: body_max must be a size such as 16K or 2M, from 16K to 4M, not \"1\"\n"
	    "f:6: log_level was set in line 2 already"));
	assert_int_equal(s->c.log_level, LOG_LEVEL_WARN);
	assert_false(conf_set_flag(&s->c, "--workers=y", &s->err));
	assert_true(contains(buf_view(&s->err), "already\ncommand line: workers must be"));
	/* There is an end to it. */
	buf_init(&many, ERR_MAX_BYTES);
	for (int i = 0; i < 1000; i++)
		buf_fmt(&many, "k%d\n", i);
	buf_reset(&s->err, 0);
	assert_false(conf_read_text(&s->c, "f", buf_view(&many), &s->err));
	for (size_t i = 0; i < s->err.len; i++)
		lines += s->err.ptr[i] == '\n';
	assert_int_equal(lines, 11);
	assert_true(contains(buf_view(&s->err), "f:10: expected \"key = value\"\nf: the rest was not read"));
	buf_fini(&many);
}

static void
times_have_a_unit_and_bounds(void **state UNUSED)
{
	int64_t ms = 7;

	assert_true(conf_time(STR("24h"), 0, 86400000, &ms));
	assert_int_equal(ms, 86400000);
	assert_true(conf_time(STR("0"), 0, 1000, &ms));
	assert_int_equal(ms, 0);
	assert_true(conf_time(STR("9223372036854775807ms"), 0, INT64_MAX, &ms));
	assert_true(conf_time(STR("0"), 0, 1000, &ms));
	assert_false(conf_time(STR("25h"), 0, 86400000, &ms));
	assert_false(conf_time(STR("24"), 0, 86400000, &ms));
	assert_false(conf_time(STR(""), 0, 86400000, &ms));
	assert_int_equal(ms, 0);
}

static void
nul_in_a_file_is_refused(void **state)
{
	struct setup *s = *state;

	assert_false(conf_read_text(&s->c, "f", (struct str) { "listen = a\0b", 12 }, &s->err));
	assert_string_equal(s->c.listen, "");
}

static void
files_that_cannot_be_read_are_errors(void **state)
{
	struct setup *s = *state;

	assert_false(conf_read_file(&s->c, "/nonexistent/file", &s->err));
	assert_true(contains(buf_view(&s->err), "/nonexistent/file: No such file"));
	buf_reset(&s->err, 0);
	assert_false(conf_read_file(&s->c, "/", &s->err));
	assert_true(contains(buf_view(&s->err), "/: "));
	buf_reset(&s->err, 0);
	assert_false(conf_read_file(&s->c, "/dev/zero", &s->err));
	assert_true(contains(buf_view(&s->err), "larger than"));
}

static void
environment_gives_keys_in_capitals(void **state)
{
	struct setup *s = *state;

	setenv("CLIENTELE_MAX_REQUESTS", "77", 1);
	setenv("CLIENTELE_PORT", "tcp://10.0.0.1:80", 1); /* a container manager's */
	assert_true(conf_read_env(&s->c, &s->err));
	assert_int_equal(s->c.max_requests, 77);
	assert_int_equal(s->err.len, 0);
	setenv("CLIENTELE_MAX_REQUESTS", "many", 1);
	assert_false(conf_read_env(&s->c, &s->err));
	assert_true(contains(buf_view(&s->err), "environment CLIENTELE_MAX_REQUESTS: max_requests must be"));
	unsetenv("CLIENTELE_MAX_REQUESTS");
	unsetenv("CLIENTELE_PORT");
}

static void
flags_take_dashes_or_underscores(void **state)
{
	static const struct {
		const char *flag;
		bool        is_flag, ok;
	} cases[] = {
		{ "--log-level=warn", true, true },
		{ "--log_level=warn", true, true },
		{ "--log-level=", true, false },
		{ "--log-level", false, false },
		{ "--loglevel=warn", false, false },
		{ "-log-level=warn", false, false },
		{ "log-level=warn", false, false },
		{ "--=warn", false, false },
		{ "--a-key-that-is-longer-than-any-name-in-the-table=1", false, false },
	};
	struct setup *s = *state;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		buf_reset(&s->err, 0);
		if (conf_is_flag(cases[i].flag) != cases[i].is_flag
		    || conf_set_flag(&s->c, cases[i].flag, &s->err) != cases[i].ok || (s->err.len == 0) != cases[i].ok)
			fail_msg("%s: %.*s", cases[i].flag, STR_ARGS(buf_view(&s->err)));
	}
	assert_int_equal(s->c.log_level, LOG_LEVEL_WARN);
	/* One mistake a line. */
	buf_reset(&s->err, 0);
	assert_false(conf_set_flag(&s->c, "--x=1", &s->err));
	assert_false(conf_set_flag(&s->c, "--log-level=y", &s->err));
	assert_true(conf_set_flag(&s->c, "--log-level=info", &s->err));
	assert_false(conf_set_flag(&s->c, "--z=1", &s->err));
	assert_true(str_is(buf_view(&s->err), "there is no option \"--x=1\"\n"
	    "command line: log_level must be error, warn, info or debug, not \"y\"\nthere is no option \"--z=1\""));
}

/* Of a file that has so many bytes of blank lines before its text. */
static bool
read_made(struct setup *s, bool owner, size_t blanks, const char *text)
{
	char  path[] = "/tmp/clientele-test-XXXXXX";
	FILE *f = fdopen(mkstemp(path), "w");
	bool  read;

	assert_non_null(f);
	for (size_t i = 0; i < blanks; i++)
		putc('\n', f);
	fputs(text, f);
	fclose(f);
	buf_reset(&s->err, 0);
	read = owner ? conf_read_owner_file(&s->c, path, &s->err) : conf_read_file(&s->c, path, &s->err);
	unlink(path);
	return read;
}

static void
files_are_read_to_their_end(void **state)
{
	enum { MAX = 64 * 1024 };
	struct setup *s = *state;

	assert_true(read_made(s, false, 0, "workers = 3"));
	assert_int_equal(s->c.workers, 3);
	assert_true(read_made(s, false, MAX - 12, "workers = 4"));
	assert_int_equal(s->c.workers, 4);
	assert_false(read_made(s, false, MAX - 10, "workers = 5"));
	assert_true(contains(buf_view(&s->err), ": larger than 65536 bytes"));
	assert_false(read_made(s, false, 3, "workers = x"));
	assert_true(contains(buf_view(&s->err), ":4: workers must be"));
	assert_int_equal(s->c.workers, 4);
}

static void
the_owner_s_file_has_the_owner_s_keys(void **state)
{
	struct setup *s = *state;

	conf_allow_owner(&s->c);
	assert_true(read_made(s, true, 0, "database_owner_url = dbname=x"));
	assert_string_equal(s->c.database_owner_url, "dbname=x");
	assert_false(read_made(s, true, 0, "workers = 3"));
	assert_true(contains(buf_view(&s->err), ":1: workers belongs in clientele.conf"));
	assert_false(read_made(s, true, 0, "database_owner_url = dbname=y\ndatabase_owner_url = dbname=z"));
	assert_string_equal(s->c.database_owner_url, "dbname=y");
	/* Whoever may know it may have it from elsewhere, too. */
	assert_true(read_made(s, false, 0, "database_owner_url = dbname=w"));
}

static void
reload_keeps_what_cannot_change(void **state)
{
	struct setup *s = *state;
	struct conf   next;
	struct buf    kept;

	conf_init(&next);
	buf_init(&kept, ERR_MAX_BYTES);
	assert_true(conf_set(&s->c, "listen", "unix:/running", &s->err));
	assert_true(conf_set(&next, "listen", "unix:/new", &s->err));
	assert_true(conf_set(&next, "listen_mode", "0600", &s->err));
	assert_true(conf_set(&next, "workers", "7", &s->err));
	conf_keep_fixed(&next, &s->c, &kept);
	assert_true(str_is(buf_view(&kept), "listen, listen_mode"));
	assert_string_equal(next.listen, "unix:/running");
	assert_int_equal(next.listen_mode, 0660);
	assert_int_equal(next.workers, 7);
	conf_fini(&next);
	buf_fini(&kept);
}

static void
what_is_printed_can_be_read(void **state)
{
	struct setup *s = *state;
	struct conf   copy;
	struct buf    first, second;

	buf_init(&first, ERR_MAX_BYTES);
	buf_init(&second, ERR_MAX_BYTES);
	conf_init(&copy);
	assert_true(conf_set(&s->c, "request_timeout", "90s", &s->err));
	assert_true(conf_set(&s->c, "workers", "9", &s->err));
	conf_print(&s->c, &first);
	assert_true(conf_read_text(&copy, "printed", buf_view(&first), &s->err));
	conf_print(&copy, &second);
	assert_true(str_eq(buf_view(&first), buf_view(&second)));
	conf_fini(&copy);
	buf_fini(&first);
	buf_fini(&second);
}

/* "# Sentence over some lines\n#key = default\n" for each row, in the order of the table. */
static void
sample_has_every_key_with_its_default_and_sentence(void **state UNUSED)
{
	const char *srcdir = getenv("srcdir");
	char        path[4096], line[256], wanted[256];
	struct buf  sentence;
	const char *name, *dflt, *text;
	size_t      key = 0;
	FILE       *f;

	snprintf(path, sizeof(path), "%s/conf/clientele.conf", srcdir ? srcdir : ".");
	f = fopen(path, "re");
	if (!f)
		fail_msg("%s cannot be read", path);
	buf_init(&sentence, ERR_MAX_BYTES);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '\0')
			buf_reset(&sentence, 0);
		else if (str_starts(str_of(line), STR("# ")))
			buf_fmt(&sentence, "%s%s", sentence.len ? " " : "", line + 2);
		else if (line[1] != '\0') {
			name = conf_key(key++, &dflt, &text);
			if (!name)
				fail_msg("%s: a key too many: %s", path, line);
			snprintf(wanted, sizeof(wanted), "#%s =%s%s", name, dflt[0] ? " " : "", dflt);
			assert_string_equal(line, wanted);
			if (!str_is(buf_view(&sentence), text))
				fail_msg("%s: %s\nsample: %.*s\ntable:  %s", path, name, STR_ARGS(buf_view(&sentence)), text);
		}
	}
	/* The owner's key is in a file of its own. */
	assert_string_equal(conf_key(key, &dflt, &text), "database_owner_url");
	assert_null(conf_key(key + 1, &dflt, &text));
	buf_fini(&sentence);
	fclose(f);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(defaults_are_what_the_contract_says),
		TEST(values_are_judged_by_their_row),
		TEST(keys_are_taken_at_their_bounds_and_not_beyond),
		TEST(texts_are_taken_at_their_bounds_and_not_beyond),
		TEST(names_are_those_of_the_key_and_no_others),
		TEST(the_owner_s_key_is_known_once_it_was_given),
		TEST(a_reload_changes_what_is_not_fixed),
		TEST(unknown_keys_are_errors),
		TEST(secrets_are_neither_printed_nor_repeated_in_messages),
		TEST(files_have_comments_blanks_and_one_value_a_key),
		TEST(all_mistakes_are_reported_and_the_rest_is_read),
		TEST(times_have_a_unit_and_bounds),
		TEST(nul_in_a_file_is_refused),
		TEST(files_that_cannot_be_read_are_errors),
		TEST(environment_gives_keys_in_capitals),
		TEST(flags_take_dashes_or_underscores),
		TEST(files_are_read_to_their_end),
		TEST(the_owner_s_file_has_the_owner_s_keys),
		TEST(reload_keeps_what_cannot_change),
		TEST(what_is_printed_can_be_read),
		TEST(sample_has_every_key_with_its_default_and_sentence),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
