/* Requests in hand. */
#include "worker/hand.h"

#include <stdlib.h>

void
hands_init(struct hands *h, size_t max)
{
	*h = (struct hands) { .max = max };
}

void
hands_fini(struct hands *all)
{
	while (all->free) {
		struct hand *h = all->free;

		all->free = h->next;
		response_fini(&h->res);
		arena_fini(&h->arena);
		free(h);
	}
	fiber_forget_spare();
}

struct hand *
hand_take(struct hands *all)
{
	struct hand *h = all->free;

	if (all->taken == all->max)
		return NULL;
	if (h) {
		all->free = h->next;
	} else {
		h = must_alloc(sizeof(*h));
		h->number = (unsigned)all->made;
		all->all[all->made++] = h;
		arena_init(&h->arena);
		response_init(&h->res);
	}
	h->next = NULL;
	h->fiber = NULL;
	h->req.arena = &h->arena;
	all->taken++;
	return h;
}

static void
run(void *with)
{
	struct hand *h = with;

	h->work(h);
}

bool
hand_begin(struct hand *h)
{
	h->fiber = fiber_new(run, h);
	if (h->fiber)
		fiber_resume(h->fiber);
	return h->fiber != NULL;
}

void
hand_put(struct hands *all, struct hand *h)
{
	if (h->fiber)
		fiber_free(h->fiber);
	response_reset(&h->res);
	arena_reset(&h->arena);
	h->next = all->free;
	all->free = h;
	all->taken--;
}
