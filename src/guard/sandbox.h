/*
 * Leaves a process no more of the system than it needs once it serves.
 *
 *   limits     few descriptors; no files at all where the log is none
 *   Landlock   files only in the log's folder, TCP only to the database's ports (landlock.h)
 *   seccomp    the system calls of one table (filter.h)
 *
 * Missing    What this build or this kernel does not have is left out; the log says so once.
 * Off        Under valgrind and in builds for gcov, which write files and make calls of their own.
 * Order      After everything is open and before there are threads. There is no way back.
 */
#ifndef GUARD_SANDBOX_H
#define GUARD_SANDBOX_H

#include "conf/conf.h"

#include <stdatomic.h>

enum sandbox_kind { SANDBOX_WORKER, SANDBOX_ADMIN, SANDBOX_CLERK, SANDBOX__KINDS };

struct sandbox {
	enum sandbox_kind  kind;
	const struct conf *conf;
	int                listen_fd; /* of sandbox_lift(), to accept from; -1: none */
	bool               netlink; /* asks the kernel for the queue of listen_fd */
	_Atomic(uint32_t) *refused; /* as in struct filter */
	_Atomic(uint32_t) *logged;  /* of all processes: the log says what is missing */
};

/*
 * Moves a listening socket above all other descriptors, where the filter can keep everything but
 * accepting from it. Of the two that an admin process may have the second gets the next number.
 * Raises the limit of descriptors to that of the kind, where it may. Returns the new number and
 * closes the old one; -1: errno says why.
 */
int sandbox_lift(enum sandbox_kind kind, int fd) MUSTCHECK;

void sandbox_enter(const struct sandbox *s);

/*
 * The folder of the log that a sandbox leaves writable, held open so that no other folder gets its
 * number; -1: there is none.
 */
int sandbox_folder(const struct conf *c);

/*
 * Whether there is another folder by that name now. Then a process that is in its sandbox already
 * cannot write to the log any more, because the kernel keeps to the old folder.
 */
bool sandbox_folder_changed(const struct conf *c, int folder);

#endif
