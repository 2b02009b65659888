/*
 * What of the file system and of TCP this process, and all that it starts, may use: by the kernel's
 * Landlock, which sees paths and ports where a system call filter sees only pointers.
 *
 * Reading    files is not restricted here: what connecting to the database reads depends on the
 *            system.
 * Threads    Holds for the calling thread; call it before there are others.
 */
#ifndef GUARD_LANDLOCK_H
#define GUARD_LANDLOCK_H

#include "base/base.h"

struct landlock {
	/* Where files may be made and written; NULL, or one that is not there: nowhere. */
	const char     *folder;
	const uint16_t *port;   /* that may be connected to */
	size_t          ports;
	bool            any_port;
};

/*
 * False: the kernel cannot, errno says why. What its version does not know is left out silently.
 */
bool landlock_confine(const struct landlock *l);

#endif
