/* What the supervisor was asked to change. */
#include "shm/change.h"
#include "base/buf.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

const char *const change_names[CHANGE__COUNT] = {
#define CHANGE(name, word) [CHANGE_##name] = word,
	CHANGES(CHANGE)
#undef CHANGE
};

void
change_begin(struct change *c)
{
	word_add(&c->begun, 1);
}

/* One line, with hidden characters escaped. */
static void
write_why(struct change *c, struct str why)
{
	uint32_t   turn = word_get(&c->turn) | 1;
	struct buf shown;

	buf_init(&shown, 4 * CHANGE_WHY_BYTES);
	buf_shown(&shown, why);
	word_set(&c->turn, turn);
	atomic_thread_fence(memory_order_release);
	snprintf(c->why, sizeof(c->why), "%.*s", STR_ARGS(buf_view(&shown)));
	atomic_store_explicit(&c->turn, turn + 1, memory_order_release);
	buf_fini(&shown);
}

void
change_end(struct change *c, int code, struct str why)
{
	if (code) {
		write_why(c, why);
		word_set(&c->refused_wall_ms, clock_wall_ms());
		word_add(&c->refused, 1);
	}
	word_set(&c->code, (uint32_t)code);
	atomic_store_explicit(&c->ended, word_get(&c->begun), memory_order_release);
}

bool
change_is_open(const struct change *c)
{
	return word_get(&c->begun) != word_get(&c->ended);
}

void
change_read(const struct change *c, struct change_report *out)
{
	uint32_t turn;
	int      tries = 0;

	out->ended = atomic_load_explicit(&c->ended, memory_order_acquire);
	out->begun = word_get(&c->begun);
	out->code = (int)word_get(&c->code);
	out->refused = word_get(&c->refused);
	out->refused_wall_ms = word_get(&c->refused_wall_ms);
	do {
		turn = atomic_load_explicit(&c->turn, memory_order_acquire);
		memcpy(out->why, c->why, sizeof(out->why));
		atomic_thread_fence(memory_order_acquire);
	} while ((turn & 1 || word_get(&c->turn) != turn) && ++tries < 100);
	out->why[sizeof(out->why) - 1] = '\0';
}
