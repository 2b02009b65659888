/* Another program image on the same sockets. */
#include "master/upgrade.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "master/child.h"
#include "master/signals.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A check of the database, a worker, its last request. */
enum { REHEARSAL_TIMEOUT_MS = 45000, NOT_RUN = 127 };

#define REFUSED "upgrade refused, keeping the running program"

static char *
in_folder(const char *folder, size_t len, const char *name)
{
	size_t size = len + strlen(name) + 2;
	char  *path = must_alloc(size);

	snprintf(path, size, "%.*s/%s", (int)len, folder, name);
	return path;
}

/* As the shell would find it. */
static char *
in_path(const char *name)
{
	const char *list = getenv("PATH");
	struct str  rest = str_of(list ? list : "");

	while (rest.ptr) {
		struct str folder = str_cut(&rest, ':');
		char      *path;

		if (folder.len == 0 || folder.ptr[0] != '/')
			continue;
		path = in_folder(folder.ptr, folder.len, name);
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

void
upgrade_init(struct upgrade *u, char **argv)
{
	char folder[PATH_MAX];

	/*
	 * Not /proc/self/exe: that is the file as it was. Symbolic links stay
	 * unresolved, because they are what an upgrade may change.
	 */
	*u = (struct upgrade) { .argv = argv };
	if (argv[0][0] == '/')
		u->path = must_strdup(argv[0]);
	else if (!strchr(argv[0], '/'))
		u->path = in_path(argv[0]);
	else if (getcwd(folder, sizeof(folder)))
		u->path = in_folder(folder, strlen(folder), argv[0]);
}

void
upgrade_fini(struct upgrade *u)
{
	free(u->path);
}

static NORETURN void
rehearse(const struct upgrade *u, const struct heritage *given)
{
	struct handover h = { .pid = getpid(), .rehearsal = 1 };

	unsetenv("NOTIFY_SOCKET"); /* it has nothing to say to systemd */
	handover_add_socket(&h, "listen", given->fd[HERITAGE_LISTEN], false);
	if (handover_leave(&h)) {
		handover_keep_open(&h, true);
		execv(u->path, u->argv);
	}
	log_error("upgrade: %s: %s", u->path, strerror(errno));
	_exit(NOT_RUN);
}

bool
upgrade_rehearse(struct upgrade *u, const struct heritage *h)
{
	struct heritage given = *h;

	if (!u->path) {
		log_error("upgrade refused: the path of the program is unknown");
		return false;
	}
	if (stat(u->path, &u->file) == -1) {
		log_error("upgrade refused: %s: %s", u->path, strerror(errno));
		return false;
	}
	u->since_ms = clock_mono_ms();
	u->rehearsal = child_fork(CHILD_REHEARSAL, &given);
	if (u->rehearsal == 0)
		rehearse(u, &given);
	if (u->rehearsal == -1) {
		log_error("upgrade refused");
		u->rehearsal = 0;
		return false;
	}
	log_info("upgrade: rehearsing %s pid=%d", u->path, (int)u->rehearsal);
	return true;
}

void
upgrade_watch(const struct upgrade *u)
{
	if (u->rehearsal && clock_mono_ms() - u->since_ms > REHEARSAL_TIMEOUT_MS)
		kill(u->rehearsal, SIGKILL);
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size
	    && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool
upgrade_rehearsed(struct upgrade *u, int status)
{
	struct stat now;

	u->rehearsal = 0;
	if (WIFSIGNALED(status))
		log_error(REFUSED ": the rehearsal was ended by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		log_error(REFUSED ": the rehearsal ended with exit code %d", WEXITSTATUS(status));
	else if (stat(u->path, &now) == -1 || !same_file(&now, &u->file))
		log_error(REFUSED ": %s has changed since its rehearsal", u->path);
	else
		return true;
	return false;
}

void
upgrade_run(const struct upgrade *u, const struct handover *h)
{
	if (handover_leave(h)) {
		handover_keep_open(h, true);
		signals_hand_over();
		execv(u->path, u->argv);
		handover_keep_open(h, false);
	}
	log_error(REFUSED ": %s: %s", u->path, strerror(errno));
	handover_withdraw();
}
