/*
 * The supervisor's helpers: processes beside the workers, of which there is one of a kind or none,
 * kept alive (keeper.h). A row of the table in helpers.c says what one is, when there should be
 * one, and what it runs.
 */
#ifndef MASTER_HELPERS_H
#define MASTER_HELPERS_H

#include "master/state.h"

void helpers_init(struct supervisor *s);

/* Forks those that should run and do not. Does not return in a child. */
void helpers_tend(struct supervisor *s);

/* Shortens *wait_ms to the time until one is due. */
void helpers_next(const struct supervisor *s, int64_t *wait_ms);

/* False: the process was none of them. */
bool helpers_reap(struct supervisor *s, pid_t pid, int status);

/* Has all end, and others take their places, with the configuration of now. */
void helpers_renew(struct supervisor *s);

void helpers_signal(const struct supervisor *s, int number);

/* The service stops: has those end that are of no use then, and goes on. */
void helpers_stop(struct supervisor *s);

/* Ends all and waits until they are gone, a few seconds at most. */
void helpers_end(struct supervisor *s);

#endif
