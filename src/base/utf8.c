/* UTF-8. */
#include "base/utf8.h"

size_t
utf8_char(const char *p, size_t n)
{
	const unsigned char *s = (const unsigned char *)p;
	unsigned char        low = 0x80, high = 0xBF; /* bounds of the second byte */
	size_t               len;

	if (n == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xC2 && s[0] <= 0xDF) {
		len = 2;
	} else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
		len = 3;
		if (s[0] == 0xE0)
			low = 0xA0; /* overlong below */
		if (s[0] == 0xED)
			high = 0x9F; /* surrogates above */
	} else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
		len = 4;
		if (s[0] == 0xF0)
			low = 0x90; /* overlong below */
		if (s[0] == 0xF4)
			high = 0x8F; /* beyond U+10FFFF above */
	} else {
		return 0;
	}
	if (n < len || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (s[i] < 0x80 || s[i] > 0xBF)
			return 0;
	return len;
}

/* Whether the eight bytes at p are ASCII. */
static bool
is_ascii(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return (x & UINT64_MAX / 255 << 7) == 0;
}

bool
utf8_valid(struct str s)
{
	for (size_t at = 0, n; at < s.len; at += n) {
		n = s.len - at >= 8 && is_ascii(s.ptr + at) ? 8 : utf8_char(s.ptr + at, s.len - at);
		if (n == 0)
			return false;
	}
	return true;
}

size_t
utf8_count(struct str s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		count += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
	return count;
}

bool
utf8_exceeds(struct str s, size_t max)
{
	return s.len > max && utf8_count(s) > max;
}

struct str
utf8_head(struct str s, size_t max)
{
	size_t len = s.len < max ? s.len : max;

	while (len && len < s.len && ((unsigned char)s.ptr[len] & 0xC0) == 0x80)
		len--;
	return (struct str) { s.ptr, len };
}

uint32_t
utf8_code(const char *p, size_t len)
{
	static const unsigned char lead_bits[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
	uint32_t                   cp = (unsigned char)p[0] & lead_bits[len];

	for (size_t i = 1; i < len; i++)
		cp = cp << 6 | ((unsigned char)p[i] & 0x3F);
	return cp;
}

struct range {
	uint32_t first, last;
};

/* Categories Cc, Cf, Zl and Zp of Unicode 14 without its Prepended_Concatenation_Mark. */
static const struct range hidden[] = {
	{ 0x0000, 0x001F }, { 0x007F, 0x009F }, { 0x00AD, 0x00AD }, { 0x061C, 0x061C },
	{ 0x180E, 0x180E }, { 0x200B, 0x200F }, { 0x2028, 0x202E }, { 0x2060, 0x2064 },
	{ 0x2066, 0x206F }, { 0xFEFF, 0xFEFF }, { 0xFFF9, 0xFFFB }, { 0x13430, 0x13438 },
	{ 0x1BCA0, 0x1BCA3 }, { 0x1D173, 0x1D17A }, { 0xE0001, 0xE0001 }, { 0xE0020, 0xE007F },
};

/* Category Zs, the fillers of Hangul, and Braille without a dot. */
static const struct range blank[] = {
	{ 0x0020, 0x0020 }, { 0x00A0, 0x00A0 }, { 0x115F, 0x1160 }, { 0x1680, 0x1680 },
	{ 0x2000, 0x200A }, { 0x202F, 0x202F }, { 0x205F, 0x205F }, { 0x2800, 0x2800 },
	{ 0x3000, 0x3000 }, { 0x3164, 0x3164 }, { 0xFFA0, 0xFFA0 },
};

static bool
is_in(uint32_t cp, const struct range *ranges, size_t count)
{
	size_t i = 0;

	while (i < count && cp > ranges[i].last)
		i++;
	return i < count && cp >= ranges[i].first;
}

bool
utf8_is_hidden(uint32_t cp)
{
	return is_in(cp, hidden, COUNTOF(hidden));
}

bool
utf8_is_blank(uint32_t cp)
{
	return is_in(cp, blank, COUNTOF(blank));
}

static char *
put_unit(char *out, uint32_t unit)
{
	static const char digits[] = "0123456789abcdef";

	*out++ = '\\';
	*out++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4)
		*out++ = digits[unit >> shift & 0xF];
	return out;
}

size_t
utf8_escape(char out[UTF8_ESCAPE_BYTES], uint32_t cp)
{
	char *end = out;

	if (cp >= 0x10000) {
		cp -= 0x10000;
		end = put_unit(end, 0xD800 | cp >> 10);
		cp = 0xDC00 | (cp & 0x3FF);
	}
	return (size_t)(put_unit(end, cp) - out);
}

size_t
utf8_put(char out[4], uint32_t cp)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xC0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3F));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xE0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
		out[2] = (char)(0x80 | (cp & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
	out[3] = (char)(0x80 | (cp & 0x3F));
	return 4;
}
