/*
 * Whether the service can do its work, and if not why.
 *
 * Ready      A write would work. Where the database lets only the workers in, because there is no
 *            room or the login has changed, their connections count.
 * Database   A thread of its own looks at it every two seconds, so that a database that hangs
 *            holds up no answer. Its connection is a new one now and then: settings of roles and
 *            databases, passwords and rights to connect are those of when one was made.
 * Threads    health_read() may be called from any.
 * Lifetime   health_start() to health_stop(); c must live as long.
 */
#ifndef ADMIN_HEALTH_H
#define ADMIN_HEALTH_H

#include "admin/tally.h"
#include "conf/conf.h"

/* CHECK(name, wire name) */
#define HEALTH_CHECKS(CHECK) \
	CHECK(DATABASE, "database") /* it can be reached */ \
	CHECK(SCHEMA, "schema")     /* role and schema are those that this binary works with */ \
	CHECK(WRITES, "writes")     /* the database is not read-only */ \
	CHECK(WORKERS, "workers")   /* at least one takes requests */ \
	CHECK(SOCKET, "socket")     /* front servers find it */ \
	CHECK(DRAINING, "draining") /* the service is not about to stop */

enum health_check {
#define CHECK(name, wire) HEALTH_##name,
	HEALTH_CHECKS(CHECK)
#undef CHECK
	HEALTH__COUNT
};

extern const char *const health_names[HEALTH__COUNT];

enum { HEALTH_WHY_BYTES = 544 };

struct health_report {
	bool ready; /* all are well */
	char why[HEALTH__COUNT][HEALTH_WHY_BYTES]; /* empty: this one is well */
};

struct health *health_start(const struct conf *c); /* NULL: errno says why */

/* Fills also READY, DATABASE and the condition in the tally. */
void health_read(struct health *h, struct tally *t, struct health_report *out);

/* False: the thread still waits for the database; then the process must _exit(). */
bool health_stop(struct health *h) MUSTCHECK;

#endif
