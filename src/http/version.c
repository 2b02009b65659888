/* API versions: the one table. */
#include "http/version.h"

static const struct version_info versions[V__COUNT] = {
#define VERSION(name, text, envelope) [V_##name] = { text, envelope },
	VERSION_LIST(VERSION)
#undef VERSION
};

const struct version_info *
version_info(enum version v)
{
	return &versions[v];
}

bool
version_find(struct str name, enum version *out)
{
	for (enum version v = 0; v < V__COUNT; v++) {
		if (str_is(name, versions[v].name)) {
			*out = v;
			return true;
		}
	}
	return false;
}

static bool
is_date(struct str s)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t          year, month, day;

	if (s.len != 10 || s.ptr[4] != '-' || s.ptr[7] != '-')
		return false;
	if (!str_to_i64((struct str) { s.ptr, 4 }, 1, 9999, &year)
	    || !str_to_i64((struct str) { s.ptr + 5, 2 }, 1, 12, &month)
	    || !str_to_i64((struct str) { s.ptr + 8, 2 }, 1, 31, &day))
		return false;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return day <= days[month - 1] + (leap && month == 2);
}

bool
version_resolve(struct str header, enum version *out)
{
	enum version v = V_CURRENT;

	if (!is_date(header))
		return false;
	while (v > V_LEGACY + 1 && str_cmp(header, str_of(versions[v].name)) < 0)
		v--;
	*out = v;
	return true;
}
