/*
 * The other end of admin_listen: for commands that ask a running service.
 */
#ifndef NET_CONNECT_H
#define NET_CONNECT_H

#include "conf/conf.h"

/*
 * A connection to admin_listen, which must be set; -1: err has a sentence. Nothing on it blocks for
 * longer than the timeout.
 */
int connect_admin(const struct conf *c, int64_t timeout_ms, struct buf *err) MUSTCHECK;

#endif
