/*
 * Another program image without another process: SIGUSR2.
 *
 * How        First a rehearsal: a child runs the file that now lies at the path the service was
 *            started by, with the same arguments, on the same socket. It reads the configuration,
 *            checks the database, starts one worker, serves with it, and ends with 0. Only then the
 *            supervisor calls exec() itself and keeps its process id, its sockets and, as its
 *            children, the workers; the new image replaces them as a reload does.
 * Failure    Whatever goes wrong in the rehearsal is in the log, and the old image goes on; why is
 *            also in 'why', for its caller to tell. So it
 *            does when the file changes again meanwhile.
 * Why        doc/architecture.md
 */
#ifndef MASTER_UPGRADE_H
#define MASTER_UPGRADE_H

#include "guard/heritage.h"
#include "master/handover.h"

#include <sys/stat.h>
#include <sys/types.h>

struct upgrade {
	char       *path; /* of the program; NULL: not known */
	char      **argv;
	pid_t       rehearsal; /* 0: none runs */
	int64_t     since_ms;
	int         result; /* the pipe's read end: why it fails */
	struct stat file; /* as it is rehearsed */
};

/* Finds the program, before folder or file can change. argv must stay. */
void upgrade_init(struct upgrade *u, char **argv);
void upgrade_fini(struct upgrade *u);

/* False, and a sentence in why, when there is no rehearsal. */
bool upgrade_rehearse(struct upgrade *u, const struct heritage *h, struct buf *why) MUSTCHECK;

void upgrade_watch(const struct upgrade *u);

/* With what waitpid() said of the rehearsal: 0, or an exit code and a sentence in why. */
int upgrade_rehearsed(struct upgrade *u, int status, struct buf *why) MUSTCHECK;

/* Becomes the other image; returns only when that fails, with a sentence in why. */
void upgrade_run(const struct upgrade *u, const struct handover *h, struct buf *why);

#endif
