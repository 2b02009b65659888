/*
 * Generations: what begins one (the start, a reload, another program image), what has to be checked
 * before, and when it is complete. One of these at a time.
 */
#ifndef MASTER_GENERATION_H
#define MASTER_GENERATION_H

#include "master/state.h"

/* The check that comes before the first worker; false: there is no process for it. */
bool generation_start(struct supervisor *s) MUSTCHECK;

/* Goes on with the workers of another image, until the check has passed. */
void generation_take_over(struct supervisor *s);

/* A check or a rehearsal runs: whoever wants another one has to wait. */
bool generation_is_changing(const struct supervisor *s);

/* Reads the configuration again and has it checked; the log says when it is refused. */
void generation_reload(struct supervisor *s);

/* Goes on with the configuration whose first worker serves, or refuses it. */
void generation_try(struct supervisor *s);

/* Replaces all workers by others of the same configuration. */
void generation_renew(struct supervisor *s);

/* Begins the rehearsal of another image; the log says when there is none. */
void generation_upgrade(struct supervisor *s);

/* Remembers the folder of the log that children to come will be able to write to. */
void generation_follow_log(struct supervisor *s);

/* The same configuration with new processes, which know the log's folder. */
void generation_replace(struct supervisor *s);

/* What waitpid() said of a child; false: it is none of these. */
bool generation_reap(struct supervisor *s, pid_t pid, int status);

/* Ends a rollout that is complete, or impossible; a pool without any worker ends the service. */
void generation_settle(struct supervisor *s, const struct pool_census *n);

/* Asks again for the database's room while it is not known, now and then. */
void generation_ask_room(struct supervisor *s, int64_t now_ms);

#endif
