/*
 * The whole API as one function from request to response, without sockets.
 *
 * Ownership  app_new() connects to nothing; the database is reached on first
 *            need. app_free() closes it.
 * Errors     app_handle() always fills the response: every failure is a JSON
 *            answer for the client and, from 5xx on, a line in the log.
 * Threads    One app, one thread; it serves one request at a time.
 */
#ifndef APP_APP_H
#define APP_APP_H

#include "call/facts.h"
#include "conf/conf.h"
#include "db/db.h"
#include "http/request.h"
#include "http/response.h"
#include "shm/buckets.h"
#include "shm/stats.h"

struct app;

/* All must outlive the app; buckets may be NULL for app_check() alone. */
struct app *app_new(const struct conf *conf, struct stats_slot *stats, struct buckets *buckets);
void        app_free(struct app *app);

/*
 * Connects now instead of at the first request and checks role and schema.
 * Returns 0, EXIT_DATABASE (it cannot be reached) or EXIT_CONFIG (it can, but
 * must not be used: the log says why and what to do).
 */
int app_check(struct app *app);

/* How many connections the database allows; false when it does not tell. */
bool app_room(struct app *app, struct db_room *out) MUSTCHECK;

/* facts are filled anew. */
void app_handle(struct app *app, const struct request *req, struct response *res, struct facts *facts);

/* What the last request left to be done once its answer is out; mostly nothing. */
void app_after(struct app *app);

/*
 * Work between two requests, when it is due: expired idempotency keys. Bounded to
 * milliseconds. Returns the ms until it wants to be called again, under full
 * load too.
 */
int64_t app_idle(struct app *app);

#endif
