/*
 * A worker: one application and many requests at a time, until it leaves.
 *
 * Leaves     After max_requests, or when it has more than max_memory; on SIGTERM (without a
 *            supervisor also SIGINT), when the requests in hand and those that wait in the socket's
 *            queue are answered; and when the supervisor is gone.
 * Log        SIGUSR1 opens it again.
 * Database   Away: it serves anyway, and the API answers 503. Unfit (role, schema): it does not
 *            start, EXIT_CONFIG.
 * Signals    worker_run() sets them up. They stay blocked throughout, because libfcgi takes an
 *            interrupted read for the end of a request, and are read from a descriptor.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "app/app.h"
#include "conf/conf.h"
#include "guard/heritage.h"
#include "shm/stats.h"

/* With requests in hand its loop comes round this often, or each request_timeout if less, in ms. */
enum { WORKER_BEAT_MS = 1000 };

/*
 * Returns the exit code of the process. Takes over the descriptor HERITAGE_LISTEN. Without a
 * supervisor there is neither HERITAGE_LIFELINE nor HERITAGE_READY, and stats and buckets are this
 * worker's alone.
 */
int worker_run(const struct heritage *given);

#endif
