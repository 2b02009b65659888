/*
 * The OpenAPI description of the API (doc/openapi.json), built in. It is the
 * same for every caller and version: it says itself what older versions change.
 */
#ifndef APP_OPENAPI_H
#define APP_OPENAPI_H

#include "base/str.h"

extern const struct str openapi_document;

#endif
