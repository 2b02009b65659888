/*
 * Documents that RFC 8259 and our limits allow, and documents that they do not,
 * each with the byte at which reading has to stop.
 */
#ifndef TESTS_UNIT_JSON_CASES_H
#define TESTS_UNIT_JSON_CASES_H

#include "json/jread.h"

#define TEXT(lit) { "" lit, sizeof(lit) - 1 }

/* What the reader says of a fault. */
#define END      "an unexpected end"
#define BOM      "a byte order mark"
#define VALUE    "something other than a value"
#define NAME     "something other than a name in quotes"
#define COLON    "something other than a colon"
#define COMMA    "something other than a comma or a closing bracket"
#define MORE     "more text after the end"
#define DIGIT    "a missing digit"
#define ZERO     "a digit after a leading zero"
#define CONTROL  "a control character in a string"
#define UTF8     "bad UTF-8"
#define ESCAPE   "an unknown escape"
#define HEX      "a \\u without four hexadecimal digits"
#define NUL      "an escaped NUL"
#define HALF     "half a surrogate pair"
#define REPEATED "a name that the object has already"
#define LEVELS   "too many levels"
#define VALUES   "too many values"

/* The cases are in tests/data/json.txt; its head explains the format. */
static const struct {
	const char *name;
	struct str  text;
	enum jtype  type;
	uint32_t    values;
	unsigned    height;
} accepted[] = {
#define ACCEPT(name, type, values, height, text) { name, TEXT(text), JTYPE_##type, values, height },
#define REFUSE(name, offset, fault, text)
#include "json_cases_gen.h"
#undef ACCEPT
#undef REFUSE
};

static const struct {
	const char *name;
	struct str  text;
	size_t      offset;
	const char *what;
} refused[] = {
#define ACCEPT(name, type, values, height, text)
#define REFUSE(name, offset, fault, text) { name, TEXT(text), offset, fault },
#include "json_cases_gen.h"
#undef ACCEPT
#undef REFUSE
};

#endif
