/* What a child process is told by signals. */
#include "base/told.h"
#include "base/log.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

int
told_open(bool supervised)
{
	static const int ignored[] = { SIGQUIT, SIGHUP, SIGUSR2, SIGTTIN, SIGTTOU, SIGPIPE,
		SIGXFSZ };
	sigset_t         obeyed;

	sigemptyset(&obeyed);
	sigaddset(&obeyed, SIGTERM);
	sigaddset(&obeyed, SIGUSR1);
	if (supervised)
		signal(SIGINT, SIG_IGN);
	else
		sigaddset(&obeyed, SIGINT);
	for (size_t i = 0; i < COUNTOF(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &obeyed, NULL);
	return signalfd(-1, &obeyed, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool
told_stay(int fd)
{
	struct signalfd_siginfo got;
	bool                    stay = true;

	while (read(fd, &got, sizeof(got)) == (ssize_t)sizeof(got))
		if (got.ssi_signo == SIGUSR1)
			log_reopen(false);
		else
			stay = false;
	return stay;
}
