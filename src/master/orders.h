/*
 * What the supervisor is asked to do: signals, and commands of the admin process.
 */
#ifndef MASTER_ORDERS_H
#define MASTER_ORDERS_H

#include "master/state.h"

/* From now on signals are counted, and delivered only while the loop waits. */
void orders_take_signals(struct supervisor *s);

/* Commands become signals where there is one; what cannot be done yet is kept for the next call. */
void orders_obey(struct supervisor *s);

#endif
