/* The end of the service. */
#include "master/stop.h"
#include "base/log.h"
#include "master/helpers.h"

#include <signal.h>

void
stop_begin(struct supervisor *s)
{
	pid_t rehearsal = s->args->upgrade->rehearsal;

	s->stopping = true;
	word_set(&board(s)->stopping, 1);
	log_info("stopping");
	notify_stopping();
	/* First no connection may come any more, then those that are there are served. */
	listener_remove_file(s->args->listener);
	pool_stop(&s->pool);
	helpers_stop(s);
	dbcheck_kill(&s->check);
	if (rehearsal)
		kill(rehearsal, SIGTERM);
}

void
stop_at_once(struct supervisor *s)
{
	if (!s->stopping)
		stop_begin(s);
	pool_kill(&s->pool);
}

bool
stop_is_done(const struct supervisor *s)
{
	return pool_is_empty(&s->pool) && s->check.pid == 0 && s->args->upgrade->rehearsal == 0;
}
