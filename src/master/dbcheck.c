/* The child that looks at the database. */
#include "master/dbcheck.h"
#include "base/log.h"
#include "master/child.h"
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMEOUT_MS = 10000 };

static NORETURN void
look(const struct conf *c, int result)
{
	static struct stats_slot nobodys;

	struct app    *app;
	struct db_room room;
	int            code;

	app = app_new(c, &nobodys, NULL);
	code = db_exit_code(app_check(app));
	if (code == 0 && app_room(app, &room) && write(result, &room, sizeof(room)) != sizeof(room))
		log_warn("cannot tell the supervisor how many connections there may be");
	app_free(app);
	exit(code);
}

bool
dbcheck_begin(struct dbcheck *d, const struct heritage *h)
{
	struct heritage given = *h;
	int             ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1) {
		log_error("pipe: %s", strerror(errno));
		return false;
	}
	given.fd[HERITAGE_RESULT] = ends[1];
	*d = (struct dbcheck) {
		.since_ms = clock_mono_ms(),
		.result = ends[0],
		.pid = child_fork(CHILD_CHECK, &given),
	};
	if (d->pid == 0)
		look(given.conf, given.fd[HERITAGE_RESULT]);
	close(ends[1]);
	if (d->pid != -1)
		return true;
	close(ends[0]);
	d->pid = 0;
	return false;
}

void
dbcheck_kill(const struct dbcheck *d)
{
	if (d->pid)
		kill(d->pid, SIGKILL);
}

void
dbcheck_watch(const struct dbcheck *d)
{
	if (d->pid && clock_mono_ms() - d->since_ms > TIMEOUT_MS)
		dbcheck_kill(d);
}

int
dbcheck_end(struct dbcheck *d, int status, struct db_room *room)
{
	struct db_room found;

	if (read(d->result, &found, sizeof(found)) == (ssize_t)sizeof(found))
		*room = found;
	close(d->result);
	d->pid = 0;
	if (status == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONFIG)
		return EXIT_CONFIG;
	return EXIT_DATABASE;
}
