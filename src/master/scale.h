/*
 * How many workers there should be: decisions on plain figures, without processes, clocks or shared
 * memory.
 *
 * Target     The number the pool is to have. It begins at 'start', a person may move it between
 *            'min' and 'max', and when the pool is dynamic the load moves it by one at a time.
 */
#ifndef MASTER_SCALE_H
#define MASTER_SCALE_H

#include "conf/conf.h"
#include "db/db.h"
#include "master/cpus.h"

struct scale {
	bool     dynamic;
	unsigned start;
	unsigned min, max;
	unsigned spare_min, spare_max; /* when dynamic */
};

/* room is how many the database allows, 0: not known. The sentence says what the numbers are of. */
void scale_make(const struct conf *c, struct cpus cpus, unsigned room, struct scale *out,
    struct buf *sentence);

/* Keys that only make sense together. */
bool scale_check(const struct conf *c, struct buf *err) MUSTCHECK;

/*
 * How many workers a database has room for, at least 1; 'sum' gets the arithmetic. 0 when that is
 * not known: the server could not be asked (max_connections 0), or is behind a pooler, which shares
 * connections (prepared_statements = off). Connections of other programs are not counted.
 */
unsigned scale_room(const struct conf *c, const struct db_room *db, struct buf *sum);

/* Whether that makes the pool smaller than the configuration asks for. */
bool scale_is_cut(const struct conf *c, struct cpus cpus, unsigned room);

/* How many connections each of so many workers may have, where the database has that room. */
unsigned scale_lanes(unsigned workers, unsigned room);

unsigned scale_clamp(const struct scale *s, int64_t wanted);

/* Whether two configurations ask for the same number of workers. */
bool scale_same(const struct conf *a, const struct conf *b);

/* What a look at the pool has found. */
struct scale_census {
	unsigned target;
	unsigned idle;   /* serve, and have nothing in hand */
	unsigned spare;  /* of these, without a request for spare_idle */
	unsigned coming; /* starting, or waiting for it, or given up */
};

enum scale_step {
	SCALE_STAY,
	SCALE_GROW,   /* by one */
	SCALE_SHRINK, /* by one */
	SCALE_FULL,   /* would grow, but there are as many as there may be */
};

enum scale_step scale_decide(const struct scale *s, const struct scale_census *n);

#endif
