/* Obituaries of workers. */
#include "master/obituary.h"
#include "app/resources.h"
#include "base/log.h"
#include "guard/sandbox.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

void
obituary_doing(const struct stats_slot *own, char out[OBITUARY_DOING_BYTES])
{
	struct stats_doing  doing;
	const struct route *route;

	out[0] = '\0';
	if (atomic_load_explicit(&own->state, memory_order_relaxed) == STATS_IDLE || !stats_read_doing(own, &doing))
		return;
	route = route_at(doing.route);
	snprintf(out, OBITUARY_DOING_BYTES, " request=%s route=\"%s %s\" age_ms=%lld", doing.request_id,
	    route ? method_names[route->method] : "-", route ? route->pattern : "-",
	    (long long)(clock_mono_ms() - doing.since_ms));
}

static void
print_end(int status, uint32_t refused, char *out, size_t size)
{
	const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

	if (refused)
		snprintf(out, size, "the sandbox does not allow the system call %s", sandbox_call_name(refused - 1));
	else if (WIFSIGNALED(status))
		snprintf(out, size, "signal %d (SIG%s)%s", WTERMSIG(status), name ? name : "?",
		    WCOREDUMP(status) ? ", core" : "");
	else
		snprintf(out, size, "exit code %d", WEXITSTATUS(status));
}

void
obituary_log(const struct obituary *o)
{
	uint32_t state = atomic_load_explicit(&o->own->state, memory_order_relaxed);
	char     end[96], doing[OBITUARY_DOING_BYTES];

	print_end(o->status, atomic_load_explicit(&o->own->refused, memory_order_relaxed), end, sizeof(end));
	obituary_doing(o->own, doing);
	log_error("worker %u died: %s pid=%d was=%s doing=%s uptime_ms=%lld requests=%llu%s", o->number, end,
	    (int)o->pid, stats_life_names[o->life], state < STATS__COUNT ? stats_state_names[state] : "?",
	    (long long)(clock_mono_ms() - o->forked_ms), (unsigned long long)o->requests, doing);
}
