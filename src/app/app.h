/*
 * The whole API as one function from request to response, without sockets.
 *
 * Ownership  app_new() does not connect to the database; the first request or check that needs
 *            it does. app_free() closes the connection.
 * Errors     app_handle() always fills the response: every failure is a JSON answer for the
 *            client and, from 500 on, a line in the log.
 * Threads    An app belongs to one thread.
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
struct share;
struct errands;
struct tenant;
struct requests;

/* The arguments must outlive the app. buckets may be NULL if only app_check() is called. */
struct app *app_new(const struct conf *conf, struct stats_slot *stats, struct buckets *buckets);

/* Has requests take part of it from now on; it must outlive the app. */
void app_share(struct app *app, struct share *share);

/* The same for work that threads do (base/errand.h). */
void        app_errands(struct app *app, struct errands *errands);

/* Those that were answered last, for the calls that read them; NULL: none are kept. */
void        app_requests(struct app *app, const struct requests *requests);
void        app_free(struct app *app);

/*
 * Connects now, not at the first request, and checks the database as db_check() does. When it is
 * not fit, the log says why and what to do.
 */
enum db_condition app_check(struct app *app);

/* The sentence about that, "" when nothing is wrong. */
const char *app_why(const struct app *app);

/* How many connections the database allows. False: the database could not be asked. */
bool app_room(struct app *app, struct db_room *out) MUSTCHECK;

/*
 * Answers the request, with transactions on db, which is db_share() of app_db(). Whatever was in
 * *facts is replaced. On lanes (db/lanes.h), a fiber calls it, and many calls may be under way.
 */
void app_handle(struct app *app, struct db *db, const struct request *req, struct response *res,
    struct facts *facts);

/*
 * Whether a request, of which all but the body is known, may have one of UPLOAD_MAX_BYTES
 * (base/limits.h). There must be an app.
 */
bool app_takes_upload(const struct request *req);

/*
 * As app_handle(), for the operator, who needs no API key: as whoever *tenant says. db is his own
 * connection. Nothing of it counts for a rate limit or a share.
 */
void app_operate(struct app *app, struct db *db, const struct tenant *tenant,
    const struct request *req, struct response *res, struct facts *facts);

/* Its connection to the database; for what is between two requests. */
struct db *app_db(struct app *app);

/* Tells the scoreboard how this process stands with the database. */
void app_note_database(struct app *app);

/* To be called once the answer is out: does what the request has left to do, mostly nothing. */
void app_after(struct app *app);

#endif
