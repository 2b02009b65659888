/*
 * Closes what a process was not meant to have.
 */
#ifndef GUARD_DESCRIPTORS_H
#define GUARD_DESCRIPTORS_H

#include "base/base.h"

enum { DESCRIPTORS_MAX = 32 }; /* that can be kept */

/*
 * Closes all descriptors but 0, 1, 2 and those of keep, which may hold -1 and may name one twice;
 * sorts keep. False, and errno says why, when some may still be open.
 */
bool descriptors_keep(int *keep, size_t count) MUSTCHECK;

#endif
