/*
 * The system calls that a process may make once it serves: one table (filter.c), loaded into the
 * kernel by seccomp. Any other call ends the process with SIGSYS before the kernel does it.
 */
#ifndef GUARD_FILTER_H
#define GUARD_FILTER_H

#include "base/base.h"

#include <stdatomic.h>

/* What of the table applies; a row names all that it is for. */
enum {
	FOR_WORKER = 1,
	FOR_ADMIN = 2,
	FOR_NETWORK = 4, /* the database is not behind a unix socket */
	FOR_FILES = 8,   /* connecting reads files */
	FOR_LOG = 16,    /* the log is a file, to be opened again */
	FOR_NETLINK = 32, /* the kernel is asked for the queue of listen_fd */
	FOR_CLERK = 64,
	FOR_SOCKET = 128, /* there is a listen_fd to accept from */
};

struct filter {
	unsigned           needs; /* FOR_ */
	/*
	 * What sandbox_lift() gave; the admin process may accept from the next number, too. Without
	 * FOR_SOCKET a number that no descriptor has.
	 */
	int                listen_fd;
	bool               only_logs; /* the rest is let through, and in the kernel's log */
	_Atomic(uint32_t) *refused; /* takes the number of the fatal call, and one */
};

/* Before there are other threads; there is no way back. False: errno says why. */
bool filter_load(const struct filter *f) MUSTCHECK;

/* The name of a call for the log, or its number; valid until the next call of this. */
const char *filter_call_name(uint32_t number);

#endif
