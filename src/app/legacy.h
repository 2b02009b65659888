/*
 * Paths without a version are deprecated, and every answer there says so with headers: Deprecation,
 * Sunset, and a Link to the same path with a version (contract section 1).
 */
#ifndef APP_LEGACY_H
#define APP_LEGACY_H

#include "call/call.h"

/* Adds these headers; none on other paths. */
void legacy_headers(struct call *c);

#endif
