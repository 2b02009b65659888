/*
 * JSON merge patches (RFC 7396): a null takes a member away, at any depth, an object is merged, and
 * anything else replaces what was there.
 *
 * Bytes      What is not changed stays the very text that it was, in its place; what is new comes
 *            behind it.
 * Size       Never longer than both texts together.
 * Recursion  As deep as the patch, whose depth its reader has bounded.
 * Lifetime   The text lives in the arena.
 */
#ifndef JSON_JMERGE_H
#define JSON_JMERGE_H

#include "json/jread.h"

/* The target changed by the patch, a node of its document; target NULL: there is none yet. */
struct str jmerge_text(struct arena *a, const struct jdoc *target, const struct jdoc *patch,
    const struct jnode *by);

#endif
