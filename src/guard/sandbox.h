/*
 * Leaves a process no more of the system than it needs once it serves.
 *
 *   limits              few descriptors; no files at all where the log is none
 *   Landlock            files only in the log's folder, TCP only to the database's ports
 *   seccomp             the system calls of one table (sandbox.c). Any other one ends the
 *                       process with SIGSYS before the kernel does it.
 *
 * Missing    What this build or this kernel does not have is left out; the log says so once.
 * Off        Under valgrind and in builds for gcov, which write files and make calls of their own.
 * Order      After everything is open and before there are threads. There is no way back.
 */
#ifndef GUARD_SANDBOX_H
#define GUARD_SANDBOX_H

#include "conf/conf.h"
#include "shm/stats.h"

/* Who is confined; what a row of the table asks for. */
enum sandbox_who { SANDBOX_WORKER, SANDBOX_ADMIN };

struct sandbox {
	enum sandbox_who   who;
	const struct conf *conf;
	int                listen_fd;
	bool               netlink; /* asks the kernel for the queue of listen_fd */
	_Atomic(uint32_t) *refused; /* takes the number of the call that ended the process, and one */
	_Atomic(uint32_t) *logged;  /* of all processes: the log says what is missing */
};

void sandbox_enter(const struct sandbox *s);

/* The name of a call for the log, or its number; valid until the next call of this. */
const char *sandbox_call_name(uint32_t number);

#endif
