/*
 * Asks a running service over admin_listen: one request, HTTP/1.0, bounded in bytes and time.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "conf/conf.h"

/*
 * target is a path with an escaped query. Returns the HTTP status and appends the body to out; or
 * returns 0 and appends to err why there was no answer.
 */
int ask(const struct conf *c, const char *method, const char *target, struct buf *out,
    struct buf *err);

#endif
