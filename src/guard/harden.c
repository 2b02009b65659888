/* The first step of every process. */
#include "guard/harden.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

void
harden_process(void)
{
	static const struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_DUMPABLE, 0) == -1 || setrlimit(RLIMIT_CORE, &none) == -1)
		log_warn("core files and debuggers cannot be turned off: %s", strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		log_warn("new privileges cannot be given up: %s", strerror(errno));
	signal(SIGCHLD, SIG_DFL);
	umask(umask(S_IRWXG | S_IRWXO) | S_IWGRP | S_IWOTH);
}
