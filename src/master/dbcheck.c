/* The child that looks at the database. */
#include "master/dbcheck.h"
#include "base/log.h"
#include "master/child.h"
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMEOUT_MS = 10000 };

/* What the child writes, at once: it is smaller than PIPE_BUF. */
struct result {
	struct db_room room; /* max_connections 0: not known */
	char           why[DBCHECK_WHY_BYTES];
};

static NORETURN void
look(const struct conf *c, int result)
{
	static struct stats_slot nobodys;

	struct result r = { 0 };
	struct app   *app;
	int           code;

	app = app_new(c, &nobodys, NULL);
	code = db_exit_code(app_check(app));
	if (code == 0 && !app_room(app, &r.room))
		r.room.max_connections = 0;
	snprintf(r.why, sizeof(r.why), "%s", app_why(app));
	if (write(result, &r, sizeof(r)) != sizeof(r))
		log_warn("cannot tell the supervisor what the database allows");
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
	struct result r;
	bool          told = read(d->result, &r, sizeof(r)) == (ssize_t)sizeof(r);

	if (told && r.room.max_connections)
		*room = r.room;
	snprintf(d->why, sizeof(d->why), "%.*s", DBCHECK_WHY_BYTES - 1,
	    told ? r.why : "the database does not answer");
	close(d->result);
	d->pid = 0;
	if (status == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONFIG)
		return EXIT_CONFIG;
	return EXIT_DATABASE;
}
