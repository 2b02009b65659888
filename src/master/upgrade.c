/* Another program image on the same sockets. */
#include "master/upgrade.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "master/child.h"
#include "master/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A check of the database, a worker, its last request. */
enum { REHEARSAL_TIMEOUT_MS = 45000, NOT_RUN = 127, TOLD_BYTES = 400 };

/* What an exit code of the rehearsal means. */
static const struct {
	int         code;
	const char *meaning;
} meanings[] = {
	{ EXIT_CONFIG, "its configuration, its role or its schema is not fit" },
	{ EXIT_DATABASE, "it could not connect to the database" },
	{ EXIT_DEFECT, "its worker did not serve" },
	{ EXIT_OS, "the system refused something that it needs" },
	{ NOT_RUN, "it cannot be executed" },
};

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
	struct handover h = {
		.pid = getpid(),
		.rehearsal = 1,
		.result = given->fd[HERITAGE_RESULT],
	};

	unsetenv("NOTIFY_SOCKET"); /* it has nothing to say to systemd */
	handover_add_socket(&h, "listen", given->fd[HERITAGE_LISTEN], false);
	if (handover_leave(&h)) {
		handover_keep_open(&h, true);
		execv(u->path, u->argv);
	}
	log_error("upgrade: %s: %s", u->path, strerror(errno));
	handover_tell(&h, str_of(strerror(errno)));
	_exit(NOT_RUN);
}

bool
upgrade_rehearse(struct upgrade *u, const struct heritage *h, struct buf *why)
{
	struct heritage given = *h;
	int             ends[2];

	if (!u->path) {
		buf_fmt(why, "the path of the program is unknown");
		return false;
	}
	if (stat(u->path, &u->file) == -1) {
		buf_fmt(why, "%s: %s", u->path, strerror(errno));
		return false;
	}
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1) {
		buf_fmt(why, "pipe: %s", strerror(errno));
		return false;
	}
	u->result = ends[0];
	given.fd[HERITAGE_RESULT] = ends[1];
	u->since_ms = clock_mono_ms();
	u->rehearsal = child_fork(CHILD_REHEARSAL, &given);
	if (u->rehearsal == 0)
		rehearse(u, &given);
	close(ends[1]);
	if (u->rehearsal == -1) {
		buf_fmt(why, "there is no new process for the rehearsal");
		close(u->result);
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

static int
explain(const struct upgrade *u, int code, struct buf *why)
{
	const char *meaning = "the log says more";
	char        told[TOLD_BYTES];
	ssize_t     n = read(u->result, told, sizeof(told));

	for (size_t i = 0; i < COUNTOF(meanings); i++)
		if (meanings[i].code == code)
			meaning = meanings[i].meaning;
	buf_fmt(why, "the rehearsal of %s ended with exit code %d: %.*s", u->path, code,
	    n > 0 ? (int)n : (int)strlen(meaning), n > 0 ? told : meaning);
	return code >= EXIT_USAGE && code <= EXIT_CONFIG ? code : EXIT_DEFECT;
}

static int
judge(const struct upgrade *u, int status, struct buf *why)
{
	struct stat now;

	if (WIFSIGNALED(status))
		buf_fmt(why, "the rehearsal of %s was ended by signal %d", u->path,
		    WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		return explain(u, WEXITSTATUS(status), why);
	else if (stat(u->path, &now) == -1 || !same_file(&now, &u->file))
		buf_fmt(why, "%s has changed since its rehearsal", u->path);
	else
		return 0;
	return EXIT_DEFECT;
}

int
upgrade_rehearsed(struct upgrade *u, int status, struct buf *why)
{
	int code = judge(u, status, why);

	close(u->result);
	u->rehearsal = 0;
	return code;
}

void
upgrade_run(const struct upgrade *u, const struct handover *h, struct buf *why)
{
	if (handover_leave(h)) {
		handover_keep_open(h, true);
		signals_hand_over();
		execv(u->path, u->argv);
		handover_keep_open(h, false);
	}
	buf_fmt(why, "%s: %s", u->path, strerror(errno));
	handover_withdraw();
}
