/*
 * Canonical JSON: one text for all spellings of a document.
 *
 * Same       Blanks, the order of an object's members, and how a string's characters
 *            are escaped make no difference.
 * Different  Everything else, the spelling of numbers too: 1.0 and 1 may be read alike and
 *            are kept as they came.
 * Size       Never longer than the document.
 */
#ifndef JSON_JCANON_H
#define JSON_JCANON_H

#include "json/jread.h"

struct str jcanon_text(struct arena *a, const struct jdoc *doc);

#endif
