/* Errands: work that a fiber waits for. */
#include "base/errand.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool
errands_init(struct errands *e, int poller, unsigned kind)
{
	*e = (struct errands) { .source.kind = kind };
	e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return e->wake_fd != -1 && poller_add(poller, e->wake_fd, &e->source, POLLER_READ);
}

void
errands_fini(struct errands *e)
{
	if (e->wake_fd != -1)
		close(e->wake_fd);
	e->wake_fd = -1;
}

void
errands_event(struct errands *e)
{
	uint64_t count;

	if (read(e->wake_fd, &count, sizeof(count)) == -1 && errno != EAGAIN)
		log_error("cannot read what threads say: %s", strerror(errno));
	for (size_t i = 0; i < ERRANDS_MAX; i++)
		if (e->errand[i].work && offload_is_done(e->errand[i].work))
			fiber_resume(e->errand[i].fiber);
}

/* Never: a fiber waits for its work. */
static void
keep(void *with UNUSED)
{
}

bool
errand_run(struct errands *e, void (*work)(void *with), void *with)
{
	struct errand *place = e ? e->errand : NULL;

	if (!e || !fiber_current()) {
		work(with);
		return true;
	}
	while (place < e->errand + ERRANDS_MAX && place->work)
		place++;
	if (place == e->errand + ERRANDS_MAX)
		return false;
	place->work = offload_start(work, with, keep, e->wake_fd);
	if (!place->work)
		return false;
	place->fiber = fiber_current();
	while (!offload_is_done(place->work))
		fiber_suspend();
	offload_end(place->work);
	place->work = NULL;
	return true;
}
