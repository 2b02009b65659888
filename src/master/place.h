/*
 * One place of the pool: the life of the process in it, from fork() to its obituary. For pool.c
 * alone, which decides when any of this happens.
 *
 * Life       enum stats_life; each step is logged at level debug and shown on the scoreboard.
 */
#ifndef MASTER_PLACE_H
#define MASTER_PLACE_H

#include "master/pool.h"

/* From 1 on, as people see it. */
unsigned place_number(const struct pool *p, const struct place *w);

/* There is a process. */
bool place_is_alive(const struct place *w);

/* The process is of an earlier generation than the pool. */
bool place_is_old(const struct pool *p, const struct place *w);

/*
 * What a worker that serves says of itself, judged; of any other place nothing, so that pages of
 * places that were never used stay unused.
 */
void place_read(const struct pool *p, const struct place *w, struct stats_report *out);

/* Forks a worker of the pool's generation; when that fails the place waits for another try. */
void place_start(struct pool *p, struct place *w);

/* The ms until a waiting place is to be started, from 0 on; INT64_MAX: it does not wait. */
int64_t place_due_ms(const struct place *w, int64_t now_ms);

/* Looks whether a process that was starting serves by now. */
void place_look_ready(struct pool *p, struct place *w);

/* Lets a worker finish; one that does not serve yet has nothing to finish, and is killed. */
void place_retire(struct pool *p, struct place *w);

/* A place that was given up may be filled again. */
void place_forgive(struct pool *p, struct place *w);

void place_kill(struct place *w);

/* Kills a process that takes longer than it may; the log says why. */
void place_watch(struct pool *p, struct place *w);

/* The process has ended, with what waitpid() said; decides what becomes of the place. */
void place_bury(struct pool *p, struct place *w, int status);

/* A process that another program image had forked, of the pool's generation. */
void place_adopt(struct pool *p, struct place *w, bool ready);

#endif
