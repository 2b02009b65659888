/* 128-bit ids in time order. */
#include "base/id.h"
#include "base/clock.h"
#include "base/hash.h"

#include <assert.h>
#include <endian.h>
#include <pthread.h>
#include <stdlib.h>

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* A pool, because each call of the generator costs about a microsecond. */
static struct {
	unsigned char bytes[512];
	size_t        left;
	bool          guarded; /* a child of fork() will forget it */
} pool;

/* With its parent's pool it would make its parent's ids. */
static void
forget_pool(void)
{
	pool.left = 0;
}

static void
random_bytes(void *out, size_t n)
{
	assert(n <= sizeof(pool.bytes));
	if (!pool.guarded && pthread_atfork(NULL, NULL, forget_pool) != 0)
		abort();
	pool.guarded = true;
	if (pool.left < n) {
		hash_random(pool.bytes, sizeof(pool.bytes));
		pool.left = sizeof(pool.bytes);
	}
	pool.left -= n;
	memcpy(out, pool.bytes + pool.left, n);
	memset(pool.bytes + pool.left, 0, n);
}

struct id
id_new(void)
{
	static int64_t  last_ms;
	static unsigned count;
	int64_t         ms = clock_wall_ms();
	struct id       id;

	random_bytes(id.b + 6, ID_BYTES - 6);
	if (ms > last_ms) {
		last_ms = ms;
		count = (id.b[6] << 8 | id.b[7]) & 0x7FF; /* half of the room is left to count in */
	} else if (++count > 0xFFF) {
		last_ms++;
		count = 0;
	}
	for (int i = 0; i < 6; i++)
		id.b[i] = (unsigned char)((uint64_t)last_ms >> (40 - 8 * i));
	id.b[6] = (unsigned char)(0x70 | count >> 8);
	id.b[7] = (unsigned char)count;
	id.b[8] = (unsigned char)(0x80 | (id.b[8] & 0x3F));
	return id;
}

void
id_text(const struct id *id, char out[ID_TEXT_BYTES])
{
	unsigned __int128 n;
	uint64_t          half[2];

	memcpy(half, id->b, sizeof(half));
	n = (unsigned __int128)be64toh(half[0]) << 64 | be64toh(half[1]);
	/* Ten digits fit into 64 bits: two long divisions instead of 22. */
	for (int at = ID_TEXT_BYTES; at > 0;) {
		uint64_t low = (uint64_t)(n % 839299365868340224u); /* 62^10 */

		n /= 839299365868340224u;
		for (int i = 0; i < 10 && at > 0; i++) {
			out[--at] = alphabet[low % 62];
			low /= 62;
		}
	}
}

void
id_number_text(uint64_t n, size_t digits, char *out)
{
	while (digits > 0) {
		out[--digits] = alphabet[n % 62];
		n /= 62;
	}
}

static int
digit(char c)
{
	if (str_is_digit(c))
		return c - '0';
	if (str_is_upper(c))
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 36;
	return -1;
}

struct str
id_prefixed(struct str prefix, const struct id *id, char out[ID_PREFIXED_BYTES])
{
	assert(prefix.len + ID_TEXT_BYTES <= ID_PREFIXED_BYTES);
	memcpy(out, prefix.ptr, prefix.len);
	id_text(id, out + prefix.len);
	return (struct str) { out, prefix.len + ID_TEXT_BYTES };
}

bool
id_parse(struct str prefix, struct str text, struct id *out)
{
	unsigned __int128 n = 0;

	if (text.len != prefix.len + ID_TEXT_BYTES || !str_starts(text, prefix))
		return false;
	for (size_t i = prefix.len; i < text.len; i++) {
		int d = digit(text.ptr[i]);

		if (d < 0)
			return false;
		if (n > (~(unsigned __int128)0 - (unsigned)d) / 62)
			return false;
		n = n * 62 + (unsigned)d;
	}
	for (int i = ID_BYTES - 1; i >= 0; i--) {
		out->b[i] = (unsigned char)n;
		n >>= 8;
	}
	return true;
}

void
id_uuid(const struct id *id, char out[ID_UUID_BYTES])
{
	for (int i = 0; i < ID_BYTES; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		out = str_put_hex(out, &id->b[i], 1);
	}
}

bool
id_parse_uuid(struct str text, struct id *out)
{
	struct id id;
	size_t    at = 0;

	if (text.len != ID_UUID_BYTES)
		return false;
	for (int i = 0; i < ID_BYTES; i++) {
		int high, low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && text.ptr[at++] != '-')
			return false;
		high = str_hex_digit(text.ptr[at++]);
		low = str_hex_digit(text.ptr[at++]);
		if (high < 0 || low < 0)
			return false;
		id.b[i] = (unsigned char)(high << 4 | low);
	}
	*out = id;
	return true;
}

void
id_random_text(struct str prefix, size_t digits, char *out, size_t size)
{
	assert(prefix.len + digits < size);
	if (prefix.len)
		memcpy(out, prefix.ptr, prefix.len);
	for (size_t i = 0; i < digits;) {
		unsigned char bytes[32];
		size_t        n = digits - i < sizeof(bytes) ? digits - i : sizeof(bytes);

		random_bytes(bytes, n);
		for (size_t k = 0; k < n; k++)
			if (bytes[k] < 248) /* 4 * 62: the rest would favour the first digits */
				out[prefix.len + i++] = alphabet[bytes[k] % 62];
	}
	out[prefix.len + digits] = '\0';
}
