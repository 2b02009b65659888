/*
 * API versions: the one table (contract section 1). What a version changes in a resource stands
 * as since/until in that resource's field tables; what it changes for every resource stands in
 * the row here.
 */
#ifndef HTTP_VERSION_H
#define HTTP_VERSION_H

#include "base/str.h"

/* In the order of their dates. A new version is one line here; current is the last. */
#define VERSION_LIST(VERSION) \
	VERSION(LEGACY,     "legacy",     ENVELOPE_DATA) \
	VERSION(2026_05_01, "2026-05-01", ENVELOPE_DATA) \
	VERSION(2026_05_12, "2026-05-12", ENVELOPE_DATA) \
	VERSION(2026_05_18, "2026-05-18", ENVELOPE_DATA) \
	VERSION(2026_05_25, "2026-05-25", ENVELOPE_DATA) \
	VERSION(2026_06_07, "2026-06-07", ENVELOPE_DATA) \
	VERSION(2026_06_10, "2026-06-10", ENVELOPE_DATA) \
	VERSION(2026_06_23, "2026-06-23", ENVELOPE_DATA) \
	VERSION(2026_07_11, "2026-07-11", ENVELOPE_DATA) \
	VERSION(2026_07_24, "2026-07-24", ENVELOPE_BARE) \
	VERSION(2026_07_31, "2026-07-31", ENVELOPE_BARE) \
	VERSION(2026_08_27, "2026-08-27", ENVELOPE_BARE)

enum version {
#define VERSION(name, text, envelope) V_##name,
	VERSION_LIST(VERSION)
#undef VERSION
	V__COUNT,
	V_CURRENT = V__COUNT - 1,
	V_FIRST = 0,          /* since: always there */
	V_ENDLESS = V__COUNT, /* until: still there */
};

enum envelope {
	ENVELOPE_DATA, /* {"success":true,"data":...} */
	ENVELOPE_BARE, /* the resource itself; lists are {"object":"list","data":[...]} */
};

struct version_info {
	const char   *name;
	enum envelope envelope;
};

const struct version_info *version_info(enum version v);

/* The version with exactly this name; false when there is none. */
bool version_find(struct str name, enum version *out) MUSTCHECK;

/*
 * The version that a Commet-Version header selects. It is a date, YYYY-MM-DD, and selects the
 * newest version that is not later, or the first dated one if all are. False when it is not a
 * date of the calendar.
 */
bool version_resolve(struct str header, enum version *out) MUSTCHECK;

/* Whether something that exists from 'since' to before 'until' exists in v. */
static inline bool
version_has(enum version v, enum version since, enum version until)
{
	return v >= since && v < until;
}

#endif
