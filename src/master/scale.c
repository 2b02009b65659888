/* How many workers there should be. */
#include "master/scale.h"
#include "db/lanes.h"

enum {
	/* A worker holds many requests; a second one answers when the first one has died. */
	AUTO_MIN = 2,
	MAX_PER_PROCESSOR = 8, /* workers_max = auto */

	/*
	 * Connections that the pool needs besides its workers': of the check at a
	 * reload, and of the one worker more while a successor takes over.
	 */
	KEPT_CONNECTIONS = 2,
};

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned
most(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

static unsigned
automatic(struct cpus cpus)
{
	return least(most(cpus.count, AUTO_MIN), CONF_WORKERS_MAX);
}

/* Without a look at the database. */
static struct scale
wanted(const struct conf *c, struct cpus cpus)
{
	struct scale s = {
		.dynamic = c->workers == CONF_WORKERS_DYNAMIC,
		.spare_min = (unsigned)c->spare_min,
		.spare_max = (unsigned)c->spare_max,
		.min = 1,
	};

	if (s.dynamic)
		s.start = s.min = (unsigned)c->workers_min;
	else
		s.start = c->workers == CONF_WORKERS_AUTO ? automatic(cpus) : (unsigned)c->workers;
	s.max = c->workers_max ? (unsigned)c->workers_max
			       : least(MAX_PER_PROCESSOR * cpus.count, CONF_WORKERS_MAX);
	s.max = most(s.max, s.start);
	return s;
}

void
scale_make(const struct conf *c, struct cpus cpus, unsigned room, struct scale *out,
    struct buf *sentence)
{
	struct scale s = wanted(c, cpus);

	if (room) {
		s.start = least(s.start, room);
		s.min = least(s.min, room);
		s.max = least(s.max, room);
	}
	buf_fmt(sentence, "workers: ");
	if (s.dynamic)
		buf_fmt(sentence, "dynamic, from %u to %u", s.min, s.max);
	else
		buf_fmt(sentence, "%u, up to %u by signal or command", s.start, s.max);
	if (c->workers == CONF_WORKERS_AUTO)
		buf_fmt(sentence, "; auto is one for each of %u processors%s, %d at least",
		    cpus.count, cpus.quota ? " that cpu.max grants" : "", AUTO_MIN);
	*out = s;
}

bool
scale_check(const struct conf *c, struct buf *err)
{
	if (c->workers != CONF_WORKERS_DYNAMIC)
		return true;
	if (c->workers_max && c->workers_min > c->workers_max)
		buf_fmt(err, "workers_min = %d is more than workers_max = %d", (int)c->workers_min,
		    (int)c->workers_max);
	else if (c->spare_min > c->spare_max)
		buf_fmt(err, "spare_min = %d is more than spare_max = %d", (int)c->spare_min,
		    (int)c->spare_max);
	else
		return true;
	return false;
}

unsigned
scale_room(const struct conf *c, const struct db_room *db, struct buf *sum)
{
	int64_t room = db->max_connections - db->reserved;
	bool    admin = c->admin_listen[0] || c->metrics_listen[0];
	int     kept = KEPT_CONNECTIONS + admin + (c->clerk != 0);
	bool    role_first = db->of_database < 0 || db->of_role <= db->of_database;

	if (db->max_connections == 0 || !c->prepared_statements)
		return 0;
	if (db->of_role >= 0 && db->of_role < room && role_first) {
		room = db->of_role;
		buf_fmt(sum, "the role's connection limit of %d", (int)room);
	} else if (db->of_database >= 0 && db->of_database < room) {
		room = db->of_database;
		buf_fmt(sum, "the database's connection limit of %d", (int)room);
	} else
		buf_fmt(sum, "max_connections %d, less %d reserved", (int)db->max_connections,
		    (int)db->reserved);
	buf_fmt(sum, ", less %d for the check and for a successor%s%s", kept,
	    admin ? ", and the admin process" : "", c->clerk ? ", and the clerk" : "");
	room -= kept;
	return room < 1 ? 1 : room > CONF_WORKERS_MAX ? CONF_WORKERS_MAX : (unsigned)room;
}

bool
scale_is_cut(const struct conf *c, struct cpus cpus, unsigned room)
{
	struct scale s = wanted(c, cpus);

	/* A bound that the configuration does not name is nothing to warn of. */
	return room != 0 && (s.start > room || ((s.dynamic || c->workers_max) && s.max > room));
}

unsigned
scale_lanes(unsigned workers, unsigned room)
{
	unsigned each = workers ? room / workers : 0;

	return room == 0 ? LANES : each < 1 ? 1 : least(each, LANES);
}

unsigned
scale_clamp(const struct scale *s, int64_t n)
{
	return n < s->min ? s->min : n > s->max ? s->max : (unsigned)n;
}

bool
scale_same(const struct conf *a, const struct conf *b)
{
	return a->workers == b->workers && a->workers_min == b->workers_min
	    && a->workers_max == b->workers_max;
}

enum scale_step
scale_decide(const struct scale *s, const struct scale_census *n)
{
	/* The next one starts when the former serves; a pool whose workers die does not grow. */
	if (!s->dynamic || n->coming > 0)
		return SCALE_STAY;
	if (n->idle < s->spare_min)
		return n->target < s->max ? SCALE_GROW : SCALE_FULL;
	if (n->spare > s->spare_max && n->target > s->min)
		return SCALE_SHRINK;
	return SCALE_STAY;
}
