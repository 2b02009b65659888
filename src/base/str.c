/* Text with a length. */
#include "base/str.h"

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int    order = n ? memcmp(a.ptr, b.ptr, n) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static char
lower(char c)
{
	return str_is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

bool
str_eq_nocase(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.ptr[i]) != lower(b.ptr[i]))
			return false;
	return true;
}

struct str
str_cut(struct str *s, char sep)
{
	const char *at = s->len ? memchr(s->ptr, sep, s->len) : NULL;
	struct str  head = *s;

	if (!at) {
		*s = STR_NONE;
		return head;
	}
	head.len = (size_t)(at - head.ptr);
	s->ptr = at + 1;
	s->len -= head.len + 1;
	return head;
}

struct str
str_trim(struct str s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

bool
str_to_i64(struct str s, int64_t min, int64_t max, int64_t *out)
{
	int64_t n = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!str_is_digit(s.ptr[i]))
			return false;
		if (__builtin_mul_overflow(n, 10, &n)
		    || __builtin_add_overflow(n, s.ptr[i] - '0', &n))
			return false;
	}
	if (n < min || n > max)
		return false;
	*out = n;
	return true;
}

char *
str_put_hex(char *to, const void *bytes, size_t n)
{
	static const char    digits[] = "0123456789abcdef";
	const unsigned char *b = bytes;

	for (size_t i = 0; i < n; i++) {
		*to++ = digits[b[i] >> 4];
		*to++ = digits[b[i] & 15];
	}
	return to;
}

char *
str_put_escaped(char *to, struct str s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		unsigned char b = (unsigned char)s.ptr[i];

		if (str_is_alnum(s.ptr[i]) || memchr("-._~", b, 4)) {
			*to++ = s.ptr[i];
			continue;
		}
		*to++ = '%';
		*to++ = hex[b >> 4];
		*to++ = hex[b & 15];
	}
	return to;
}

/* A word of this byte. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

bool
str_has_control(struct str s)
{
	size_t i = 0;

	/* Eight at a time: whether one of them is less than ' ', or is DEL. */
	for (uint64_t eight; s.len - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, s.ptr + i, sizeof(eight));
		if (((eight - EACH(0x20)) & ~eight & EACH(0x80))
		    || (((eight ^ EACH(0x7f)) - EACH(1)) & ~(eight ^ EACH(0x7f)) & EACH(0x80)))
			return true;
	}
	for (; i < s.len; i++)
		if (str_is_control(s.ptr[i]))
			return true;
	return false;
}

struct str
str_num(char room[STR_NUM_BYTES], uint64_t n)
{
	size_t at = STR_NUM_BYTES;

	do
		room[--at] = (char)('0' + n % 10);
	while (n /= 10);
	return (struct str) { room + at, STR_NUM_BYTES - at };
}
