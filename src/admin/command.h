/*
 * Commands to the running supervisor, besides signals: messages of a fixed size through a pipe
 * whose read end it polls.
 *
 * Senders    Processes that were forked by the supervisor and kept the write end. A message is one
 *            write() of less than PIPE_BUF, so senders do not mix.
 * Answers    None: what became of it is in the log and in the scoreboard (shm/change.h).
 */
#ifndef ADMIN_COMMAND_H
#define ADMIN_COMMAND_H

#include "base/base.h"

enum command_kind {
	COMMAND_WORKERS_SET, /* value: how many there should be */
	COMMAND_WORKERS_ADD, /* value: how many more, or fewer when negative */
	COMMAND_RELOAD,      /* like SIGHUP */
	COMMAND_UPGRADE,     /* like SIGUSR2 */
	COMMAND_REOPEN,      /* like SIGUSR1 */
	COMMAND_STOP,        /* like SIGTERM */
	COMMAND__COUNT
};

struct command {
	uint32_t kind; /* enum command_kind */
	int32_t  value;
};

bool command_send(int fd, enum command_kind kind, int32_t value) MUSTCHECK;

/* fd is non-blocking; false: nothing (more) has come. The kind may be one that does not exist. */
bool command_receive(int fd, struct command *out) MUSTCHECK;

#endif
