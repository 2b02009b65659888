/*
 * The OpenAPI description of the API (doc/openapi.json), built in. It is the
 * same for every caller and version: it tells itself what older versions change.
 */
#ifndef APP_OPENAPI_H
#define APP_OPENAPI_H

#include "call/call.h"

extern const struct str openapi_document;

enum err openapi_get(struct call *c);

#endif
