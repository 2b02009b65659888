/*
 * A look at the database by a child: whether role and schema are fit, and how many connections
 * there may be. The supervisor itself never connects.
 */
#ifndef MASTER_DBCHECK_H
#define MASTER_DBCHECK_H

#include "db/db.h"
#include "guard/heritage.h"

#include <sys/types.h>

enum { DBCHECK_WHY_BYTES = 512 };

struct dbcheck {
	pid_t   pid; /* of the child; 0: none runs */
	int64_t since_ms;
	int     result; /* the pipe's read end */
	char    why[DBCHECK_WHY_BYTES]; /* once it has ended: what is wrong, a sentence */
};

/* h has the configuration to check. False, and a line in the log: there is no process for it. */
bool dbcheck_begin(struct dbcheck *d, const struct heritage *h) MUSTCHECK;

/* Ends one that takes too long; dbcheck_end() follows as for every death. */
void dbcheck_watch(const struct dbcheck *d);
void dbcheck_kill(const struct dbcheck *d);

/*
 * With what waitpid() said of its pid. Returns 0, EXIT_CONFIG, or EXIT_DATABASE for everything that
 * may pass. room is untouched unless the check found it.
 */
int dbcheck_end(struct dbcheck *d, int status, struct db_room *room);

#endif
