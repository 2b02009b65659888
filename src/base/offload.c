/* Work done by a thread of its own. */
#include "base/offload.h"
#include "base/arena.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum { STACK_BYTES = 256 * 1024 };

/* RUNNING becomes DONE or LEFT; whoever comes second frees. */
enum { RUNNING, DONE, LEFT };

struct offload {
	void (*work)(void *with);
	void (*discard)(void *with);
	void  *with;
	int    wake_fd;
	_Atomic(int) state;
};

static void *
run(void *started)
{
	const uint64_t  one = 1;
	struct offload *o = started;
	int             wake_fd = o->wake_fd, running = RUNNING;

	o->work(o->with);
	if (!atomic_compare_exchange_strong(&o->state, &running, DONE)) {
		o->discard(o->with);
		free(o);
	} else if (write(wake_fd, &one, sizeof(one)) == -1) {
		return NULL; /* it is readable already */
	}
	return NULL;
}

struct offload *
offload_start(void (*work)(void *with), void *with, void (*discard)(void *with), int wake_fd)
{
	struct offload *o = must_alloc(sizeof(*o));
	pthread_attr_t  attributes;
	pthread_t       thread;
	int             failed;

	*o = (struct offload) { work, discard, with, wake_fd, RUNNING };
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	failed = pthread_create(&thread, &attributes, run, o);
	pthread_attr_destroy(&attributes);
	if (!failed)
		return o;
	free(o);
	return NULL;
}

bool
offload_is_done(const struct offload *o)
{
	return atomic_load(&o->state) == DONE;
}

void
offload_end(struct offload *o)
{
	int running = RUNNING;

	if (!atomic_compare_exchange_strong(&o->state, &running, LEFT))
		free(o);
}
