/*
 * Paths without a version are on their way out, and every answer there says so:
 * Deprecation, Sunset, and a Link to the same path with a version (contract section 1).
 */
#ifndef APP_LEGACY_H
#define APP_LEGACY_H

#include "call/call.h"

/* Nothing on other paths. */
void legacy_headers(struct call *c);

#endif
