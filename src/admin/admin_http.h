/*
 * The HTTP side of one socket of the admin process; a thread of libmicrohttpd answers.
 *
 * Answers    Those of endpoint.h. Commands are refused without command_fd, and on TCP: only the
 *            permissions of a unix socket say who may send them.
 * Format     JSON; ?format=text or "Accept: text/plain" asks for text.
 * Bounds     Connections, their whole time, request bytes; bodies are thrown away. One request a
 *            connection. When there are many connections, a new one has the oldest closed that has
 *            not sent its request: so those that say nothing make nobody wait.
 */
#ifndef ADMIN_ADMIN_HTTP_H
#define ADMIN_ADMIN_HTTP_H

#include "admin/health.h"
#include "shm/stats.h"

struct admin_http;

/* All that is passed in must outlive it. command_fd may be -1. NULL: errno says why. */
struct admin_http *admin_http_start(const struct stats *stats, struct health *health,
    int listen_fd, int command_fd);

/* To be called about once a second: ends connections that take too long. NULL is none. */
void admin_http_sweep(struct admin_http *h);

/*
 * NULL is none. finish: first sends the answers in hand, a second at most. The listening socket
 * stays open.
 */
void admin_http_stop(struct admin_http *h, bool finish);

#endif
