/*
 * Handlers of the API key calls (contract section 7). The key itself is in the
 * answer of its creation and nowhere else: the database has only its hash.
 */
#ifndef RESOURCE_API_KEY_API_H
#define RESOURCE_API_KEY_API_H

#include "call/call.h"

enum err key_list(struct call *c);
enum err key_create(struct call *c);
enum err key_delete(struct call *c);

#endif
