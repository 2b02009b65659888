/*
 * The clerk: the process that does what is due when no request asks for it (clerk/job.h).
 *
 * Rights       A connection to the database as the serving role, and a part of the scoreboard. It
 *              has no socket of front servers or of administration. Of what others sent it reads
 *              files to import, from the database.
 * Database     Away: it tries again with the back-off of db/db.h, and so it does while role or
 *              schema are not fit. What was due meanwhile is done then.
 * Leaves       On SIGTERM after the step in hand, and when the supervisor is gone. A step is one
 *              transaction, so nothing is half done when it is killed.
 * Log          SIGUSR1 opens it again.
 */
#ifndef CLERK_CLERK_H
#define CLERK_CLERK_H

#include "guard/heritage.h"

/* Returns the exit code of the process. */
int clerk_run(const struct heritage *h);

#endif
