/* The admin process. */
#include "admin/admin.h"
#include "admin/admin_http.h"
#include "admin/health.h"
#include "base/log.h"
#include "guard/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { SWEEP_MS = 1000 };

/* Signals come through a descriptor; later threads inherit the mask. -1 on failure. */
static int
take_signals(void)
{
	static const int ignored[] = { SIGINT, SIGQUIT, SIGHUP, SIGUSR2, SIGTTIN, SIGTTOU, SIGPIPE,
		SIGXFSZ };
	sigset_t         obeyed;

	for (size_t i = 0; i < COUNTOF(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&obeyed);
	sigaddset(&obeyed, SIGTERM);
	sigaddset(&obeyed, SIGUSR1); /* opens the log again */
	sigprocmask(SIG_SETMASK, &obeyed, NULL);
	return signalfd(-1, &obeyed, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* False when a signal has come that ends the process. */
static bool
obey(int signal_fd)
{
	struct signalfd_siginfo got;

	while (read(signal_fd, &got, sizeof(got)) == (ssize_t)sizeof(got)) {
		if (got.ssi_signo != SIGUSR1)
			return false;
		log_reopen();
	}
	return true;
}

/* Until it is time to leave; false: without finishing what is in hand. */
static bool
wait_for_the_end(struct admin_http *http, int signal_fd, int lifeline_fd)
{
	struct pollfd fds[] = { { lifeline_fd, POLLIN, 0 }, { signal_fd, POLLIN, 0 } };

	do {
		poll(fds, COUNTOF(fds), SWEEP_MS);
		if (fds[0].revents)
			return false;
		admin_http_sweep(http);
	} while (obey(signal_fd));
	return true;
}

static int
serve(const struct heritage *h, struct health *health, int signal_fd)
{
	struct admin_http *http = admin_http_start(h->stats, health, h->fd[HERITAGE_ADMIN],
	    h->fd[HERITAGE_COMMAND]);

	if (!http)
		return EXIT_OS;
	admin_http_stop(http, wait_for_the_end(http, signal_fd, h->fd[HERITAGE_LIFELINE]));
	return 0;
}

/* Before there are threads. It cannot write the scoreboard, so the refused call stays unknown. */
static void
confine(const struct heritage *h)
{
	static _Atomic(uint32_t) refused, logged;

	sandbox_enter(&(struct sandbox) {
	    .kind = SANDBOX_ADMIN,
	    .conf = h->conf,
	    .listen_fd = h->fd[HERITAGE_ADMIN],
	    .refused = &refused,
	    .logged = &logged,
	});
}

int
admin_run(const struct heritage *h)
{
	struct health *health = NULL;
	int            signal_fd = take_signals();
	int            code = EXIT_OS;

	/* What it finds about the database is in /ready, and the workers log it, too. */
	log_init("admin", LOG_LEVEL_ERROR);
	/* A supervisor that takes no commands must not hold up the answers. */
	if (signal_fd != -1 && fcntl(h->fd[HERITAGE_COMMAND], F_SETFL, O_NONBLOCK) == 0) {
		confine(h);
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
