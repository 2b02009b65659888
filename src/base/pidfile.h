/*
 * The file with the process id of a service, which nobody else can take while the service lives.
 *
 * Lock       A record lock, fcntl(2): it belongs to this process alone, so no child holds it when
 *            the process is gone, and a file that a dead process left behind is free. A program
 *            that is executed in the process's place takes the file again.
 * Ownership  pidfile_take() to pidfile_release(). The process must not open the file otherwise:
 *            closing that would end the lock.
 */
#ifndef BASE_PIDFILE_H
#define BASE_PIDFILE_H

#include "base/buf.h"

#include <sys/types.h>

struct pidfile {
	int   fd; /* -1: none */
	char *path;
	dev_t dev;
	ino_t ino;
	pid_t holder; /* after a failure: the process that has it; 0: there is none */
};

/*
 * path "" is none, and true. False: err says why; the file is as it was when another process, which
 * err names, holds it.
 */
bool pidfile_take(struct pidfile *p, const char *path, struct buf *err) MUSTCHECK;

/* For a process that becomes that user, and as such takes the file again after an upgrade. */
void pidfile_give(const struct pidfile *p, uid_t uid, gid_t gid);

/* Removes the file unless another has its name by now. False: it stays, and errno says why. */
bool pidfile_release(struct pidfile *p);

#endif
