/*
 * Canonical JSON: one text for all spellings of a document.
 *
 * Same       Blanks, the order of an object's members, and the way in which characters are
 *            escaped make no difference.
 * Different  Everything else does, even the spelling of numbers: 1.0 and 1 may mean the
 *            same, but each stays as it came.
 * Size       Never longer than the document.
 * Lifetime   The text lives in the arena.
 */
#ifndef JSON_JCANON_H
#define JSON_JCANON_H

#include "json/jread.h"

struct str jcanon_text(struct arena *a, const struct jdoc *doc);

#endif
