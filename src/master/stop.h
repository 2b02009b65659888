/*
 * The end of the service: no new connections, and everyone who is there is answered.
 */
#ifndef MASTER_STOP_H
#define MASTER_STOP_H

#include "master/state.h"

void stop_begin(struct supervisor *s);

/* Without waiting for anyone. */
void stop_at_once(struct supervisor *s);

/* No child is left but the admin process, which ends last. */
bool stop_is_done(const struct supervisor *s);

#endif
