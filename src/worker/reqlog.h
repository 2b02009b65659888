/*
 * What is told of a request when its answer was written: its line in the log, and its place among
 * the last ones.
 *
 * Which      With request_log each request, at level info. Whatever request_log says, those that
 *            took longer than slow_request, at level warn and with slow and the statements that
 *            ran. One line a request at most, one write().
 * Never      Path, query, headers and bodies: the route's pattern, with ids of this API among the
 *            last ones, and of an API key its id or the first characters that people are shown.
 * Fields     clientele(8) explains them; their names stay.
 */
#ifndef WORKER_REQLOG_H
#define WORKER_REQLOG_H

#include "conf/conf.h"
#include "call/facts.h"
#include "http/request.h"
#include "http/response.h"

struct requests;

/* Returns whether the request was slow. */
bool reqlog_write(const struct conf *c, const struct request *req, const struct response *res,
    const struct facts *facts, int64_t total_us);

/* If app_handle() says that it is kept, which takes requests. */
void reqlog_keep(struct requests *requests, const struct request *req, const struct response *res,
    const struct facts *facts, int64_t total_us);

#endif
