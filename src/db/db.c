/* What a process or a request has to run transactions with. */
#include "db/db.h"
#include "base/arena.h"
#include "base/clock.h"
#include "db/lane.h"

#include <stdlib.h>

const char *const db_condition_names[DB_CONDITION__COUNT] = {
#define CONDITION(name, wire) [DB_CONDITION_##name] = wire,
	DB_CONDITIONS(CONDITION)
#undef CONDITION
};

int
db_exit_code(enum db_condition condition)
{
	static const int codes[DB_CONDITION__COUNT] = {
		[DB_CONDITION_NO_ROOM] = EXIT_DATABASE,
		[DB_CONDITION_REFUSED] = EXIT_DATABASE,
		[DB_CONDITION_UNREACHABLE] = EXIT_DATABASE,
		[DB_CONDITION_UNFIT] = EXIT_CONFIG,
	};

	return codes[condition];
}

struct db *
db_new(const struct conf *conf, enum db_role role)
{
	struct db *db = must_alloc(sizeof(*db));

	db->conf = conf;
	db->role = role;
	db->lane = must_alloc(sizeof(*db->lane));
	db->lane->conf = conf;
	db->lane->role = role;
	return db;
}

void
db_free(struct db *db)
{
	if (!db)
		return;
	if (!db->lanes) {
		lane_close(db->lane);
		free(db->lane);
	}
	free(db);
}

struct db *
db_share(struct db *of, struct arena *a)
{
	struct db *db = ARENA_NEW(a, struct db, 1);

	db->conf = of->conf;
	db->role = of->role;
	db->lane = of->lane;
	db->lanes = of->lanes;
	return db;
}

void
db_watch(struct db *db, const struct peer *peer)
{
	db->peer = peer;
}

void
db_slow(struct db *db)
{
	db->slow = true;
}

void
db_tenant(struct db *db, uint64_t tag)
{
	db->tenant = tag;
}

struct db_meter
db_meter_take(struct db *db)
{
	struct db_meter taken = db->meter;

	db->meter = (struct db_meter) { 0 };
	return taken;
}

void
db_disconnect(struct db *db)
{
	lane_close(db->lane);
}

bool
db_is_connected(const struct db *db)
{
	return db->lanes ? lanes_connected(db->lanes) > 0 : db->lane->conn != NULL;
}

enum db_condition
db_trouble(const struct db *db)
{
	return db->lanes ? lanes_trouble(db->lanes) : db->lane->trouble;
}

const char *
db_why(const struct db *db)
{
	return db->lanes ? lanes_why(db->lanes) : db->lane->why;
}

/* ---- between two transactions */

unsigned
db_epoch(const struct db *db)
{
	return db->lane->epoch;
}

int
db_socket(const struct db *db)
{
	return PQsocket(db->lane->conn); /* -1 for NULL */
}

bool
db_look(struct db *db)
{
	return db->lane->conn && lane_look(db->lane);
}

int64_t
db_retry_ms(const struct db *db)
{
	return lane_retry_ms(db->lane);
}

bool
db_connect(struct db *db)
{
	return lane_ready(db->lane);
}
