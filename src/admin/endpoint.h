/*
 * What the admin process answers: one table of methods and paths, without sockets.
 *
 * Reads      GET and HEAD /status, /metrics, /live, /ready, /workers.
 * Outcomes   GET /changes?of=reload|upgrade|workers|reopen tells how many have begun; with &after=N
 *            what became of the first that began after that: 202 while it is not known, 200, or
 *            one of endpoint_outcomes.
 * Commands   POST /workers?count=N|+N|-N, /reload, /upgrade, /reopen, /stop. 202 says that the
 *            supervisor has been asked, not that it is done.
 * Format     JSON, or text for people.
 */
#ifndef ADMIN_ENDPOINT_H
#define ADMIN_ENDPOINT_H

#include "admin/health.h"
#include "base/buf.h"
#include "shm/stats.h"

struct endpoint_context {
	const struct stats *stats;
	struct health      *health;
	int                 command_fd;
	bool                may_command; /* else commands are refused, and command_fd is not used */
};

struct endpoint_request {
	const char *method, *path;
	const char *count, *of, *after; /* parameters; NULL: not given */
	bool        text;
	bool        verbose;
	bool        has_body; /* which is refused */
};

struct endpoint_answer {
	unsigned    status;
	const char *type;
	const char *allow; /* methods, with 405; or NULL */
	struct buf  body;
};

/* A status that says why a change was refused, and the exit code of a command that hears it. */
struct endpoint_outcome {
	unsigned status;
	int      code;
};

extern const struct endpoint_outcome endpoint_outcomes[];
extern const size_t                  endpoint_outcome_count;

/* Ended by buf_fini() of the body. */
void endpoint_answer(const struct endpoint_context *context, const struct endpoint_request *req,
    struct endpoint_answer *out);

#endif
