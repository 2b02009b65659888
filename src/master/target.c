/* How many workers a pool is to have. */
#include "master/target.h"
#include "base/log.h"

enum {
	TICK_MS = 1000, /* between two looks at what the workers are doing */

	/* While a pool grows it is looked at more often: one at a time, but not one a second. */
	EAGER_TICK_MS = 50,
	EAGER_MS = 1000,

	FULL_PAUSE_MS = 60000, /* a pool that needs less for so long is not full any more */
};

static struct stats_pool *
board(const struct target *t)
{
	return t->pool->heritage->stats->pool;
}

static void
aim(struct target *t, unsigned target)
{
	t->pool->heritage->lanes = scale_lanes(target, t->room);
	pool_aim(t->pool, target, t->scale.max);
	word_set(&board(t)->target, target);
	word_set(&board(t)->workers_min, t->scale.min);
	word_set(&board(t)->workers_max, t->scale.max);
}

void
target_measure(struct target *t, const struct conf *c, const struct db_room *db, unsigned kept)
{
	struct cpus cpus = cpus_usable();
	unsigned    room;
	struct buf  text, sum;

	buf_init(&text, 512);
	buf_init(&sum, 512);
	t->room = room = scale_room(c, db, &sum);
	scale_make(c, cpus, room, &t->scale, &text);
	if (t->single)
		t->scale = (struct scale) { .start = 1, .min = 1, .max = 1 };
	else {
		log_info("%.*s", STR_ARGS(buf_view(&text)));
		if (scale_is_cut(c, cpus, room))
			log_warn("the database has room for %u workers, fewer than configured: "
				 "%.*s", room, STR_ARGS(buf_view(&sum)));
	}
	aim(t, kept ? scale_clamp(&t->scale, kept) : t->scale.start);
	buf_fini(&text);
	buf_fini(&sum);
}

void
target_change(struct target *t, int64_t wanted, const char *by)
{
	unsigned target = scale_clamp(&t->scale, wanted);

	log_info("workers: %u -> %u by %s%s", t->pool->target, target, by,
	    target < wanted       ? " (the maximum)"
	        : target > wanted ? " (the minimum)"
				  : "");
	aim(t, target);
}

void
target_follow(struct target *t, const struct pool_census *n, int64_t now)
{
	struct scale_census census = {
		.target = t->pool->target,
		.idle = n->serving - n->busy,
		.spare = n->spare,
		.coming = n->coming + n->given_up,
	};

	switch (scale_decide(&t->scale, &census)) {
	case SCALE_STAY:
		break;
	case SCALE_GROW:
		log_debug("workers: %u -> %u by load", t->pool->target, t->pool->target + 1);
		aim(t, t->pool->target + 1);
		t->eager_until_ms = now + EAGER_MS;
		break;
	case SCALE_SHRINK:
		log_debug("workers: %u -> %u by idleness", t->pool->target, t->pool->target - 1);
		aim(t, t->pool->target - 1);
		break;
	case SCALE_FULL:
		if (t->full_ms == 0)
			log_warn("all %u workers are busy, and no more are allowed (workers_max, "
				 "or what the database has room for)",
			    t->scale.max);
		t->full_ms = now;
		break;
	}
	if (now - t->full_ms > FULL_PAUSE_MS)
		t->full_ms = 0;
}

void
target_count_full(struct target *t, const struct pool_census *n)
{
	bool full = n->serving > 0 && n->serving >= t->pool->target && n->busy == n->serving
	    && (!t->scale.dynamic || t->pool->target == t->scale.max);

	if (full && !t->full)
		stats_count(&board(t)->max_reached);
	t->full = full;
}

int64_t
target_due_ms(const struct target *t, int64_t now)
{
	return now < t->eager_until_ms ? EAGER_TICK_MS : TICK_MS;
}
