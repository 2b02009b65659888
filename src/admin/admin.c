/* The admin process. */
#include "admin/admin.h"
#include "admin/admin_http.h"
#include "admin/health.h"
#include "base/log.h"
#include "base/told.h"
#include "guard/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { SWEEP_MS = 1000 };

/* The sockets, and where the commands of each go. */
static const struct {
	const char      *key;
	enum heritage_fd listen, command;
} sockets[] = {
	{ "admin_listen", HERITAGE_ADMIN, HERITAGE_COMMAND },
	{ "metrics_listen", HERITAGE_METRICS, HERITAGE__FDS },
};

struct servers {
	struct admin_http *http[COUNTOF(sockets)]; /* NULL: there is no such socket */
};

/* Until it is time to leave; false: without finishing what is in hand. */
static bool
wait_for_the_end(const struct servers *s, int signal_fd, int lifeline_fd)
{
	struct pollfd fds[] = { { lifeline_fd, POLLIN, 0 }, { signal_fd, POLLIN, 0 } };

	do {
		poll(fds, COUNTOF(fds), SWEEP_MS);
		if (fds[0].revents)
			return false;
		for (size_t i = 0; i < COUNTOF(sockets); i++)
			admin_http_sweep(s->http[i]);
	} while (told_stay(signal_fd));
	return true;
}

static int
serve(const struct heritage *h, struct health *health, int signal_fd)
{
	struct servers s = { { NULL } };
	bool           good = true, finish = false;

	for (size_t i = 0; i < COUNTOF(sockets) && good; i++) {
		enum heritage_fd command = sockets[i].command;

		if (h->fd[sockets[i].listen] == -1)
			continue;
		s.http[i] = admin_http_start(h->stats, health, h->fd[sockets[i].listen],
		    command == HERITAGE__FDS ? -1 : h->fd[command]);
		good = s.http[i] != NULL;
		if (!good)
			log_error("cannot serve on %s: %s", sockets[i].key, strerror(errno));
	}
	if (good)
		finish = wait_for_the_end(&s, signal_fd, h->fd[HERITAGE_LIFELINE]);
	for (size_t i = 0; i < COUNTOF(sockets); i++)
		admin_http_stop(s.http[i], finish);
	return good ? 0 : EXIT_OS;
}

/* Moves the sockets to where the sandbox wants them; the lower number, or -1. */
static int
lift(struct heritage *h)
{
	int first = -1;

	for (size_t i = 0; i < COUNTOF(sockets); i++) {
		int *fd = &h->fd[sockets[i].listen];

		if (*fd == -1)
			continue;
		*fd = sandbox_lift(SANDBOX_ADMIN, *fd);
		if (*fd == -1)
			return -1;
		first = first == -1 ? *fd : first;
	}
	return first;
}

/* Before there are threads. It cannot write the scoreboard, so the refused call stays unknown. */
static void
confine(const struct heritage *h, int listen_fd)
{
	static _Atomic(uint32_t) refused, logged;

	sandbox_enter(&(struct sandbox) {
	    .kind = SANDBOX_ADMIN,
	    .conf = h->conf,
	    .listen_fd = listen_fd,
	    .refused = &refused,
	    .logged = &logged,
	});
}

int
admin_run(const struct heritage *given)
{
	struct heritage lifted = *given, *h = &lifted;
	struct health  *health = NULL;
	int             listen_fd = lift(h), signal_fd = told_open(true);
	int             code = EXIT_OS;

	/* What it finds about the database is in /ready, and the workers log it, too. */
	log_init("admin", LOG_LEVEL_ERROR);
	/* A supervisor that takes no commands must not hold up the answers. */
	if (listen_fd != -1 && signal_fd != -1
	    && fcntl(h->fd[HERITAGE_COMMAND], F_SETFL, O_NONBLOCK) == 0) {
		confine(h, listen_fd);
		health = health_start(h->conf);
	}
	if (!health) {
		log_error("cannot start: %s", strerror(errno));
		return EXIT_OS;
	}
	code = serve(h, health, signal_fd);
	if (!health_stop(health))
		_exit(code);
	close(signal_fd);
	return code;
}
