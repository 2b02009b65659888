/*
 * Memory that processes share, behind a descriptor: so another program image can go on with it.
 */
#ifndef SHM_MEMORY_H
#define SHM_MEMORY_H

#include "base/base.h"

/*
 * Zeroed memory of a size that cannot change any more: a process that reads beyond a cut would die.
 * -1: errno says why.
 */
int memory_open(const char *name, size_t bytes);

#endif
