/* Lists of entity tags. */
#include "http/etag.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Moves over blanks and, where there may be some, over commas: empty members do not count. */
static struct str
skip(struct str s, bool commas)
{
	while (s.len && (is_blank(*s.ptr) || (commas && *s.ptr == ','))) {
		s.ptr++;
		s.len--;
	}
	return s;
}

static bool
is_opaque(char c)
{
	return c > ' ' && c != '"' && c != 0x7F;
}

/* Takes one tag from the beginning of the list. False: there stands none. */
static bool
take(struct str *list, struct str *tag)
{
	struct str s = *list;
	size_t     n = 0;

	if (str_starts(s, STR("W/")))
		s = (struct str) { s.ptr + 2, s.len - 2 };
	if (s.len < 2 || *s.ptr != '"')
		return false;
	s = (struct str) { s.ptr + 1, s.len - 1 };
	while (n < s.len && (is_opaque(s.ptr[n]) || s.ptr[n] & 0x80))
		n++;
	if (n == s.len || s.ptr[n] != '"')
		return false;
	*tag = (struct str) { s.ptr, n };
	*list = skip((struct str) { s.ptr + n + 1, s.len - n - 1 }, false);
	return list->len == 0 || *list->ptr == ',';
}

void
etags_parse(struct str header, struct etags *out)
{
	struct str list = skip(header, true);

	out->count = 0;
	out->kind = header.ptr ? ETAGS_WRONG : ETAGS_NONE;
	if (str_is(str_trim(header), "*"))
		out->kind = ETAGS_ANY;
	if (out->kind != ETAGS_WRONG)
		return;
	while (list.len) {
		if (out->count == ETAGS_MAX || !take(&list, &out->tag[out->count]))
			return;
		out->count++;
		list = skip(list, true);
	}
	if (out->count)
		out->kind = ETAGS_LIST;
}

bool
etags_have(const struct etags *e, struct str quoted)
{
	struct str ours = { quoted.ptr + 1, quoted.len - 2 };

	for (size_t i = 0; i < e->count; i++)
		if (str_starts(e->tag[i], ours)
		    && (e->tag[i].len == ours.len || e->tag[i].ptr[ours.len] == '-'))
			return true;
	return e->kind == ETAGS_ANY;
}
