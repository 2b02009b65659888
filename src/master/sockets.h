/*
 * Whether the sockets can still be found: a file that was removed or replaced leaves a service that
 * runs and that nobody reaches.
 *
 * Made here  The socket is made again, and whoever accepts on it is replaced.
 * Inherited  Only systemd can make it again: the service is not ready, and the log says so.
 * Cost       An lstat() a second for each.
 */
#ifndef MASTER_SOCKETS_H
#define MASTER_SOCKETS_H

#include "master/state.h"

void sockets_tend(struct supervisor *s);

#endif
