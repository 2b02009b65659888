/*
 * The OpenAPI description of the API (doc/openapi.json), built in. It is the same for every caller
 * and every version; it says itself what is different in older versions.
 */
#ifndef APP_OPENAPI_H
#define APP_OPENAPI_H

#include "base/str.h"

extern const struct str openapi_document;

#endif
