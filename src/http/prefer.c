/* The header Prefer. */
#include "http/prefer.h"

static const struct {
	enum prefer bit;
	struct str  name, value;
} known[] = {
	{ PREFER_STRICT, STR("handling"), STR("strict") },
	{ PREFER_EACH, STR("return"), STR("each") },
};

/* As str_cut(), but a separator in quotation marks is none. */
static struct str
cut(struct str *s, char separator)
{
	struct str part = *s;
	bool       quoted = false;

	for (size_t i = 0; i < s->len; i++) {
		char c = s->ptr[i];

		if (c == '\\' && quoted)
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (c == separator && !quoted) {
			part.len = i;
			*s = (struct str) { s->ptr + i + 1, s->len - i - 1 };
			return part;
		}
	}
	*s = STR_NONE;
	return part;
}

static struct str
unquoted(struct str s)
{
	bool quoted = s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"';

	return quoted ? (struct str) { s.ptr + 1, s.len - 2 } : s;
}

unsigned
prefer_parse(struct str header)
{
	unsigned set = 0, seen = 0;

	while (header.ptr) {
		struct str one = cut(&header, ','), value = cut(&one, ';');
		struct str name = str_trim(cut(&value, '='));

		value = value.ptr ? unquoted(str_trim(value)) : STR("");
		for (size_t i = 0; i < COUNTOF(known); i++) {
			if (!str_eq_nocase(name, known[i].name) || seen & known[i].bit)
				continue;
			seen |= known[i].bit;
			set |= str_eq(value, known[i].value) ? known[i].bit : 0;
		}
	}
	return set;
}

struct str
prefer_text(unsigned set, char room[PREFER_TEXT_BYTES])
{
	char *end = room;

	for (size_t i = 0; i < COUNTOF(known); i++) {
		if (!(set & known[i].bit))
			continue;
		end = str_put(end, end == room ? STR("") : STR(", "));
		end = str_put(end, known[i].name);
		end = str_put(end, STR("="));
		end = str_put(end, known[i].value);
	}
	return (struct str) { room, (size_t)(end - room) };
}
