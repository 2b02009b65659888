/* Work between two requests: removing expired idempotency keys. */
#include "app/housekeeping.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

enum {
	EVERY_MS = 60 * 1000,
	/* Rows in a step, which takes 1 ms or less: a request that comes meanwhile waits for it. */
	ROWS = 200,
	/* After a full step, as there may be more: at most 2,000 rows a second in each worker. */
	AGAIN_MS = 100,
};

/* Half the interval to one and a half, so that the workers' turns do not coincide. */
static void
plan(struct housekeeping *h)
{
	unsigned char jitter;

	hash_random(&jitter, sizeof(jitter));
	h->due_ms = clock_mono_ms() + EVERY_MS / 2 + EVERY_MS * jitter / 256;
}

void
housekeeping_init(struct housekeeping *h)
{
	*h = (struct housekeeping) { .expired_ms = 0 };
	plan(h);
}

static void
keep_house(struct housekeeping *h, struct db *db, const struct conf *conf)
{
	struct arena arena;
	struct tx    tx;
	struct bind *b;
	struct row   row;

	plan(h);
	arena_init(&arena);
	tx_init(&tx, db, &arena);
	tx_step(&tx, SQL_HOUSEKEEPING_ENTER);
	b = tx_step(&tx, SQL_HOUSEKEEPING_EXPIRE);
	bind_i64(b, conf->idempotency_ttl_ms);
	bind_i64(b, ROWS);
	bind_i64(b, h->expired_ms);
	if (tx_run(&tx) != DB_OK) {
		log_info("expired idempotency keys stay for now: %s", tx.log);
	} else {
		row = tx_row(&tx, 1, 0);
		h->expired_ms = row_i64(&row, COL_HOUSEKEEPING_EXPIRE_UNTIL_MS);
		if (row_i64(&row, COL_HOUSEKEEPING_EXPIRE_REMOVED) == ROWS)
			h->due_ms = clock_mono_ms() + AGAIN_MS;
	}
	arena_fini(&arena);
}

int64_t
housekeeping_run(struct housekeeping *h, struct db *db, const struct conf *conf)
{
	int64_t due = h->due_ms - clock_mono_ms();

	if (due <= 0) {
		keep_house(h, db, conf);
		due = h->due_ms - clock_mono_ms();
	}
	return due > 0 ? due : 0;
}
