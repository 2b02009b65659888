/* API keys: who calls. */
#include "auth/api_key.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

enum { CACHE_SLOTS = 256 }; /* a power of two; a worker that serves more keys asks the database more often */

static const struct str key_prefixes[] = { STR("ck_sandbox_"), STR("ck_live_") }; /* by livemode */

struct api_key_cache {
	int64_t ttl_ms;
	struct entry {
		unsigned char hash[SHA256_BYTES];
		int64_t       until_ms; /* monotonic; 0: empty */
		struct tenant tenant;
	} slot[CACHE_SLOTS];
};

struct api_key_cache *
api_key_cache_new(int64_t ttl_ms)
{
	struct api_key_cache *cache = must_alloc(sizeof(*cache));

	cache->ttl_ms = ttl_ms;
	return cache;
}

void
api_key_cache_free(struct api_key_cache *cache)
{
	free(cache);
}

static bool
well_formed(struct str key)
{
	for (size_t live = 0; live < COUNTOF(key_prefixes); live++) {
		size_t head = key_prefixes[live].len;

		if (!str_starts(key, key_prefixes[live]) || key.len != head + API_KEY_DIGITS)
			continue;
		for (size_t i = head; i < key.len; i++) {
			char c = key.ptr[i];

			if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
				return false;
		}
		return true;
	}
	return false;
}

struct str
api_key_prefix(struct str key)
{
	for (size_t live = 0; live < COUNTOF(key_prefixes); live++)
		if (str_starts(key, key_prefixes[live]))
			return (struct str) { key.ptr, key_prefixes[live].len + API_KEY_PREFIX_DIGITS };
	return STR_NONE;
}

static void
mark_used(struct call *c)
{
	struct tx AUTO_TX tx;
	struct bind      *b;

	tx_init(&tx, c->db, c->arena);
	tx.again = true;
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &c->tenant.environment);
	b = tx_step(&tx, SQL_KEY_USED);
	bind_id(b, &c->tenant.environment);
	bind_id(b, &c->tenant.key);
	if (tx_run(&tx) != DB_OK)
		log_info("last use of an API key was not recorded: %s", tx.log);
}

static enum err
ask_database(struct call *c, struct str hash, bool *found)
{
	struct tx AUTO_TX tx;
	enum db_status    status;
	struct row        row;
	struct str        pin;
	bool              mark;

	tx_init(&tx, c->db, c->arena);
	tx.again = true;
	bind_text(tx_step(&tx, SQL_KEY_HOLDER), hash);
	bind_text(tx_step(&tx, SQL_KEY_FIND), hash);
	if ((status = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, status);
	*found = tx_rows(&tx, 1) == 1;
	if (!*found)
		return ERR_OK;
	row = tx_row(&tx, 1, 0);
	c->tenant.environment = row_id(&row, 0);
	c->tenant.organization = row_id(&row, 1);
	c->tenant.key = row_id(&row, 2);
	c->tenant.livemode = row_bool(&row, 3);
	pin = row_text(&row, 4);
	c->tenant.pinned = pin.ptr;
	/* A pin that names an unknown version is the current one. */
	if (pin.ptr && !version_find(pin, &c->tenant.pin))
		c->tenant.pin = V_CURRENT;
	mark = row_bool(&row, 5);
	if (mark)
		mark_used(c);
	return ERR_OK;
}

enum err
api_key_check(struct call *c, struct api_key_cache *cache)
{
	struct str    key = c->req->header[HEADER_API_KEY];
	unsigned char hash[SHA256_BYTES];
	struct entry *entry;
	int64_t       now = clock_mono_ms();
	bool          found = false;
	enum err      e;

	if (key.ptr && well_formed(key)) {
		hash_sha256(key, hash);
		entry = &cache->slot[hash[0] % CACHE_SLOTS];
		if (entry->until_ms > now && hash_equal(entry->hash, hash, SHA256_BYTES)) {
			c->tenant = entry->tenant;
			return ERR_OK;
		}
		if ((e = ask_database(c, (struct str) { (const char *)hash, SHA256_BYTES }, &found)) != ERR_OK)
			return e;
		if (found) {
			/* The moment before the question: the answer may be that old. */
			entry->until_ms = now + cache->ttl_ms;
			memcpy(entry->hash, hash, SHA256_BYTES);
			entry->tenant = c->tenant;
			return ERR_OK;
		}
	}
	return call_fail(c, ERR_UNAUTHORIZED, "x-api-key", "Invalid API key.");
}

/* The digit in base 62 that a byte of a random stream gives; false for the bytes that would favour some. */
static bool
to_digit(unsigned char byte, char *out)
{
	static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	*out = alphabet[byte % 62];
	return byte < 248;
}

static void
finish(bool livemode, const char digits[API_KEY_DIGITS], struct api_key *out)
{
	struct str head = key_prefixes[livemode];

	*out = (struct api_key) { .text = "" };
	memcpy(out->text, head.ptr, head.len);
	memcpy(out->text + head.len, digits, API_KEY_DIGITS);
	memcpy(out->prefix, out->text, head.len + API_KEY_PREFIX_DIGITS);
	hash_sha256(str_of(out->text), out->hash);
}

void
api_key_make(bool livemode, struct api_key *out)
{
	char digits[API_KEY_DIGITS + 1];

	id_random_text(STR(""), API_KEY_DIGITS, digits, sizeof(digits));
	finish(livemode, digits, out);
}

void
api_key_derive(bool livemode, struct str secret, const struct id *nonce, struct api_key *out)
{
	char digits[API_KEY_DIGITS];

	for (size_t n = 0, block = 0; n < sizeof(digits); block++) {
		const char       number = (char)block;
		const struct str parts[] = { STR("api key"), secret, { (const char *)nonce->b, ID_BYTES }, { &number, 1 } };
		unsigned char    stream[SHA256_BYTES];

		hash_sha256_parts(parts, COUNTOF(parts), stream);
		for (size_t i = 0; i < sizeof(stream) && n < sizeof(digits); i++)
			n += to_digit(stream[i], &digits[n]);
	}
	finish(livemode, digits, out);
}
