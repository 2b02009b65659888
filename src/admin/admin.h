/*
 * The admin process: answers status, metrics and health over HTTP from the scoreboard, and passes
 * commands on to the supervisor.
 *
 * Sockets      admin_listen and metrics_listen; either may be missing. On the second it only tells.
 * Rights       It can read the scoreboard, write struct command, and connect to the database to see
 *              whether that answers. It has no socket of front servers.
 * Leaves       On SIGTERM, when the answers in hand are sent; and when the supervisor is gone, at
 *              once.
 * Independent  of workers: it answers while all of them are stuck.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "guard/heritage.h"

/* Returns the exit code of the process. Takes over the descriptors of the sockets. */
int admin_run(const struct heritage *given);

#endif
