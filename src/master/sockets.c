/* Whether the sockets can still be found. */
#include "master/sockets.h"
#include "base/log.h"
#include "master/generation.h"

enum {
	LOOK_MS = 1000,
	TRY_MS = 10000, /* between two tries to make one again */
};

/* True when it was made again. */
static bool
restore(struct supervisor *s, struct listener *l, enum listener_for what, bool told)
{
	const char *key = listener_key(what);
	struct buf  err;
	bool        made = false;

	buf_init(&err, 1024);
	if (l->path)
		made = listener_restore(l, s->conf, what, &err);
	else
		buf_fmt(&err, "%s: systemd made it: systemctl restart clientele.socket "
			      "clientele.service", key);
	if (made)
		log_warn("%s: the file %s was gone, or another's; it has been made again", key,
		    l->path);
	else if (!told)
		log_error("%s: the file %s is gone, or another's, so nobody finds the socket: "
			  "%.*s", key, l->path ? l->path : l->seen, STR_ARGS(buf_view(&err)));
	buf_fini(&err);
	return made;
}

static void
tend(struct supervisor *s, struct listener *l, enum listener_for what, uint32_t bit)
{
	_Atomic(uint32_t) *word = &board(s)->unreachable;
	uint32_t           others = word_get(word) & ~bit;
	bool               told = word_get(word) & bit;

	if (!listener_is_lost(l)) {
		word_set(word, others);
		return;
	}
	s->sockets_due_ms = clock_mono_ms() + TRY_MS;
	if (!restore(s, l, what, told)) {
		word_set(word, others | bit);
		return;
	}
	word_set(word, others);
	if (what != LISTENER_FRONT) {
		keeper_renew(&s->helper[HELPER_ADMIN]);
		return;
	}
	queue_fini(&s->queue);
	queue_init(&s->queue, l->fd, s->heritage.stats->shared);
	generation_renew(s);
}

void
sockets_tend(struct supervisor *s)
{
	int64_t now = clock_mono_ms();

	if (s->stopping || s->rehearsal || now < s->sockets_due_ms || s->pool.generation == 0
	    || generation_is_changing(s))
		return;
	s->sockets_due_ms = now + LOOK_MS;
	tend(s, s->args->listener, LISTENER_FRONT, STATS_LOST_LISTEN);
	tend(s, s->args->admin, LISTENER_ADMIN, STATS_LOST_ADMIN);
	tend(s, s->args->metrics, LISTENER_METRICS, STATS_LOST_METRICS);
}
