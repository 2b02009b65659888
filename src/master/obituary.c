/* Obituaries of workers. */
#include "master/obituary.h"
#include "app/resources.h"
#include "base/log.h"
#include "guard/filter.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

void
obituary_requests(unsigned worker, const struct stats_slot *slot)
{
	for (size_t i = 0; i < REQUESTS_IN_HAND_MAX; i++) {
		struct stats_doing  doing;
		const struct route *route;

		if (!stats_read_doing(slot, i, &doing))
			continue;
		route = route_at(doing.route);
		log_error("worker %u had a request in hand: request=%s route=\"%s %s\" age_ms=%lld",
		    worker, doing.request_id, route ? method_names[route->method] : "-",
		    route ? route->pattern : "-",
		    (long long)clock_age(doing.since_ms, clock_mono_ms()));
	}
}

void
obituary_end(int status, uint32_t refused, char out[OBITUARY_END_BYTES])
{
	const size_t size = OBITUARY_END_BYTES;
	const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

	if (refused)
		snprintf(out, size, "the sandbox does not allow the system call %s",
		    filter_call_name(refused - 1));
	else if (WIFSIGNALED(status))
		snprintf(out, size, "signal %d (SIG%s)%s", WTERMSIG(status), name ? name : "?",
		    WCOREDUMP(status) ? ", core" : "");
	else
		snprintf(out, size, "exit code %d", WEXITSTATUS(status));
}

void
obituary_log(const struct obituary *o)
{
	char end[OBITUARY_END_BYTES];

	obituary_end(o->status, o->last->refused, end);
	log_error("worker %u died: %s pid=%d was=%s doing=%s uptime_ms=%lld requests=%llu "
	    "in_hand=%u", o->number, end, (int)o->pid, stats_life_names[o->life],
	    stats_state_names[o->last->state], (long long)o->age_ms,
	    (unsigned long long)o->requests, o->last->in_hand);
	obituary_requests(o->number, o->slot);
}
