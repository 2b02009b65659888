/* API keys: whose call it is. */
#include "auth/api_key.h"
#include "auth/limit.h"
#include "auth/origin.h"
#include "auth/permit.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

/*
 * One for each value of a hash's first byte. With more keys than slots, some push each other out
 * and are looked up more often.
 */
enum { CACHE_SLOTS = 256 };

/* How keys begin. Restricted ones have always had a checksum. */
static const struct form {
	struct str prefix;
	bool       restricted, livemode;
} forms[] = {
	{ STR("ck_live_"), false, true },
	{ STR("ck_sandbox_"), false, false },
	{ STR("rk_live_"), true, true },
	{ STR("rk_sandbox_"), true, false },
};

/* How a key can be sent, in the words of WWW-Authenticate; a scheme a line. */
#define CHALLENGES \
	"ApiKey realm=\"Clientele\", header=\"x-api-key\", " \
	"Bearer realm=\"Clientele\""

/* The same for each kind of key that does not work, so that nobody learns which kind it is. */
static const char invalid[] = "Invalid API key.";

struct api_key_cache {
	int64_t       ttl_ns;
	bool          confirm; /* look this key up once the current request is answered */
	unsigned char confirm_hash[SHA256_BYTES];
	struct entry {
		unsigned char hash[SHA256_BYTES];
		int64_t       until_ns; /* monotonic; 0: empty */
		struct tenant tenant;   /* its origins are owned */
	} slot[CACHE_SLOTS];
};

struct api_key_cache *
api_key_cache_new(int64_t ttl_ms)
{
	struct api_key_cache *cache = must_alloc(sizeof(*cache));

	cache->ttl_ns = ttl_ms * 1000000;
	return cache;
}

void
api_key_cache_free(struct api_key_cache *cache)
{
	for (size_t i = 0; cache && i < CACHE_SLOTS; i++)
		free((void *)(uintptr_t)cache->slot[i].tenant.origins);
	free(cache);
}

/* NULL: it has no prefix of a key. */
static const struct form *
form_of(struct str key)
{
	for (size_t i = 0; i < COUNTOF(forms); i++)
		if (str_starts(key, forms[i].prefix))
			return &forms[i];
	return NULL;
}

static bool
well_formed(struct str key)
{
	const struct form *form = form_of(key);
	size_t             head = form ? form->prefix.len : 0, digits = key.len - head;

	if (!form || !(digits == API_KEY_DIGITS + API_KEY_CHECK_DIGITS
			 || (digits == API_KEY_DIGITS && !form->restricted)))
		return false;
	for (size_t i = head; i < key.len; i++)
		if (!str_is_alnum(key.ptr[i]))
			return false;
	return true;
}

static void
put_checksum(struct str text, char out[API_KEY_CHECK_DIGITS])
{
	id_number_text(hash_crc32(text), API_KEY_CHECK_DIGITS, out);
}

enum api_key_kind
api_key_judge(struct str text)
{
	struct str before = { text.ptr, text.len - API_KEY_CHECK_DIGITS };
	char       sum[API_KEY_CHECK_DIGITS];

	if (!well_formed(text))
		return API_KEY_NONE;
	if (text.len == form_of(text)->prefix.len + API_KEY_DIGITS)
		return API_KEY_UNCHECKED;
	put_checksum(before, sum);
	return memcmp(sum, text.ptr + before.len, sizeof(sum)) == 0 ? API_KEY_RIGHT : API_KEY_WRONG;
}

struct str
api_key_prefix(struct str key)
{
	const struct form *form = form_of(key);

	return form ? (struct str) { key.ptr, form->prefix.len + API_KEY_PREFIX_DIGITS } : STR_NONE;
}

static void
mark_used(struct call *c)
{
	struct tx    tx;
	struct bind *b;

	tx_init(&tx, c->db, c->arena);
	tx.again = true;
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &c->tenant.environment);
	b = tx_step(&tx, SQL_KEY_USED);
	bind_id(b, &c->tenant.environment);
	bind_id(b, &c->tenant.key);
	if (tx_run(&tx) != DB_OK)
		log_info("the last use of an API key was not recorded: %s", tx.log);
}

static enum db_status
ask_database(struct call *c, struct tx *tx, struct str hash, bool *found)
{
	enum db_status status;
	struct row     row;
	struct str     pin, rate;

	tx_init(tx, c->db, c->arena);
	tx->reads = true;
	bind_text(tx_step(tx, SQL_KEY_HOLDER), hash);
	bind_text(tx_step(tx, SQL_KEY_FIND), hash);
	if ((status = tx_run(tx)) != DB_OK)
		return status;
	*found = tx_rows(tx, 1) == 1;
	if (!*found)
		return DB_OK;
	row = tx_row(tx, 1, 0);
	c->tenant.environment = row_id(&row, COL_KEY_FIND_ENVIRONMENT);
	c->tenant.organization = row_id(&row, COL_KEY_FIND_ORGANIZATION);
	c->tenant.key = row_id(&row, COL_KEY_FIND_ID);
	c->tenant.livemode = row_bool(&row, COL_KEY_FIND_LIVEMODE);
	pin = row_text(&row, COL_KEY_FIND_API_VERSION);
	c->tenant.pinned = pin.ptr;
	/* A pin to an unknown version counts as one to the current version. */
	if (pin.ptr && !version_find(pin, &c->tenant.pin))
		c->tenant.pin = V_CURRENT;
	rate = row_text(&row, COL_KEY_FIND_RATE_LIMIT);
	c->tenant.own_rate = rate.ptr && rate_parse(rate, &c->tenant.rate);
	c->tenant.family = row_id(&row, COL_KEY_FIND_FAMILY);
	c->tenant.expires_ms = row_is_null(&row, COL_KEY_FIND_EXPIRES_AT)
	    ? 0 : row_time(&row, COL_KEY_FIND_EXPIRES_AT);
	c->tenant.permissions
	    = permit_stored(c->arena, row_text(&row, COL_KEY_FIND_PERMISSIONS));
	c->tenant.origins
	    = origins_stored(c->arena, row_text(&row, COL_KEY_FIND_ALLOWED_ADDRESSES));
	if (row_bool(&row, COL_KEY_FIND_UNMARKED))
		mark_used(c);
	return DB_OK;
}

static enum err
unauthorized(struct call *c, const char *message)
{
	response_header(c->res, "WWW-Authenticate", STR(CHALLENGES));
	return call_fail(c, ERR_UNAUTHORIZED, "x-api-key", message);
}

/*
 * The key as it was sent, in one of two headers. Other schemes of Authorization are for somebody on
 * the way, and say nothing.
 */
static enum err
read_key(struct call *c, struct str *key)
{
	struct str sent = c->req->header[HEADER_API_KEY], bearer = request_bearer(c->req);

	*key = sent.len ? sent : bearer;
	if (key->len == 0)
		return unauthorized(c, "No API key: send it in the header x-api-key.");
	if (sent.len && bearer.ptr && !str_eq(sent, bearer))
		return call_fail(c, ERR_VALIDATION, header_names[HEADER_AUTHORIZATION],
		    "This header and x-api-key have different API keys; send one of them.");
	return ERR_OK;
}

/* A copy: an entry may have another key's before the request has ended. */
static const struct origins *
copy_origins(const struct origins *from, struct origins *to)
{
	return from ? memcpy(to, from, sizeof(*from)) : NULL;
}

static void
keep(struct entry *entry, const unsigned char hash[SHA256_BYTES], const struct tenant *tenant,
    int64_t until_ns)
{
	free((void *)(uintptr_t)entry->tenant.origins);
	entry->until_ns = until_ns;
	memcpy(entry->hash, hash, SHA256_BYTES);
	entry->tenant = *tenant;
	if (tenant->origins)
		entry->tenant.origins = copy_origins(tenant->origins,
		    must_alloc(sizeof(*tenant->origins)));
}

/* Fills c->tenant. *looked_up: from the database, not from the cache. */
static enum err
find_holder(struct call *c, struct api_key_cache *cache, struct str key,
    const unsigned char hash[SHA256_BYTES], int64_t now_ns, bool *looked_up)
{
	struct entry     *entry = &cache->slot[hash[0] % CACHE_SLOTS];
	enum api_key_kind kind;
	struct tx         tx;
	enum db_status    status;
	bool              found;

	*looked_up = !(entry->until_ns > now_ns && hash_equal(entry->hash, hash, SHA256_BYTES));
	if (!*looked_up) {
		c->tenant = entry->tenant;
		if (c->tenant.origins)
			c->tenant.origins = copy_origins(c->tenant.origins,
			    ARENA_NEW(c->arena, struct origins, 1));
		return ERR_OK;
	}
	/* Here and not before: what is in the cache needs no look at its form and checksum. */
	kind = api_key_judge(key);
	if (kind == API_KEY_NONE || kind == API_KEY_WRONG)
		return unauthorized(c, invalid);
	status = ask_database(c, &tx, (struct str) { (const char *)hash, SHA256_BYTES }, &found);
	if (status != DB_OK)
		return call_db_failed(c, &tx, status);
	if (!found)
		return unauthorized(c, invalid);
	/* Counted from before the query, because its answer may be that old. */
	keep(entry, hash, &c->tenant, now_ns + cache->ttl_ns);
	return ERR_OK;
}

enum err
api_key_check(struct call *c, struct api_key_cache *cache)
{
	struct str    key;
	unsigned char hash[SHA256_BYTES];
	struct bucket bucket;
	int64_t       now_ns = clock_mono_ns();
	bool          looked_up;
	enum err      e;

	if ((e = read_key(c, &key)) != ERR_OK)
		return e;
	hash_sha256(key, hash);
	/*
	 * Before the look-up, so that a key that has used up its rate costs the database
	 * nothing. It was refused before, so it was valid.
	 */
	if ((e = limit_begin(c, hash, now_ns, &bucket)) == ERR_OK
	    && (e = find_holder(c, cache, key, hash, now_ns, &looked_up)) == ERR_OK) {
		c->facts->organization = c->tenant.organization;
		c->api_key = key;
		e = limit_take(c, hash, looked_up, now_ns, &bucket);
	}
	if (e == ERR_OK || e == ERR_RATE_LIMITED)
		c->facts->key = api_key_prefix(key);
	if (e == ERR_OK && c->tenant.origins && !origins_have(c->tenant.origins, c->req->address))
		return call_fail(c, ERR_FORBIDDEN, header_names[HEADER_API_KEY],
		    "This API key may not be used from this address.");
	if (e == ERR_RATE_LIMITED && bucket.confirm) {
		cache->confirm = true;
		memcpy(cache->confirm_hash, hash, SHA256_BYTES);
	}
	return e;
}

bool
api_key_is_to_confirm(const struct api_key_cache *cache)
{
	return cache->confirm;
}

void
api_key_confirm(struct call *c, struct api_key_cache *cache)
{
	unsigned char    kept[SHA256_BYTES]; /* other requests go on while this one asks */
	const struct str hash = { (const char *)kept, SHA256_BYTES };
	struct tx        tx;
	int64_t          now_ns = clock_mono_ns();
	bool             found;

	cache->confirm = false;
	memcpy(kept, cache->confirm_hash, sizeof(kept));
	/* Without an answer the limit stays as it was. */
	if (ask_database(c, &tx, hash, &found) == DB_OK)
		limit_confirm(c, kept, found, now_ns);
}

void
api_key_make(bool restricted, bool livemode, struct api_key *out)
{
	const struct form *form = forms;
	size_t             len;

	while (form->restricted != restricted || form->livemode != livemode)
		form++;
	*out = (struct api_key) { .text = "" };
	id_random_text(form->prefix, API_KEY_DIGITS, out->text, sizeof(out->text));
	len = form->prefix.len + API_KEY_DIGITS;
	put_checksum(str_of(out->text), out->text + len);
	memcpy(out->prefix, out->text, form->prefix.len + API_KEY_PREFIX_DIGITS);
	hash_sha256(str_of(out->text), out->hash);
}
