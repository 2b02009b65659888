/* Waiting for PostgreSQL: with a deadline, and with an eye on the client. */
#include "base/clock.h"
#include "db/lane.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

static void *
run_cancel(void *how)
{
	static char taken;
	char        text[256];
	bool        ok = PQcancel(how, text, sizeof(text)) == 1;

	PQfreeCancel(how);
	return ok ? &taken : NULL;
}

/*
 * To cancel, libpq makes a connection and waits without a bound. So a thread does it, which is
 * left to itself when it takes too long.
 */
bool
wait_cancel(PGconn *conn)
{
	PGcancel       *how = PQgetCancel(conn);
	struct timespec end;
	pthread_t       thread;
	void           *taken = NULL;

	if (!how)
		return false;
	if (pthread_create(&thread, NULL, run_cancel, how) != 0) {
		PQfreeCancel(how);
		return false;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += CANCEL_WAIT_MS / 1000;
	if (pthread_clockjoin_np(thread, &taken, CLOCK_MONOTONIC, &end) != 0) {
		pthread_detach(thread);
		return false;
	}
	return taken != NULL;
}

/*
 * Cancels the running statement and leaves it the time to end, so that the connection can be used
 * again.
 */
static bool
cut_short(struct db *db)
{
	db->meter.left = true;
	if (!wait_cancel(db->lane->conn))
		return false;
	db->deadline_ms = clock_mono_ms() + CANCEL_GRACE_MS;
	return true;
}

/*
 * Waits until libpq can go on; false when the deadline has passed or the socket is broken. The
 * running statement is cut short when the watched peer leaves.
 */
static bool
wait_for(struct db *db)
{
	PGconn *conn = db->lane->conn;
	int     ready;

	for (;;) {
		int           unsent = PQflush(conn);
		struct pollfd fd[] = {
			{ PQsocket(conn), POLLIN, 0 },
			peer_poll(db->meter.left ? NULL : db->peer),
		};
		int64_t left = db->deadline_ms - clock_mono_ms();

		if (unsent == -1 || left <= 0)
			return false;
		if (unsent)
			fd[0].events |= POLLOUT;
		ready = poll(fd, COUNTOF(fd), left < INT32_MAX ? (int)left : INT32_MAX);
		if (ready == -1 && errno != EINTR)
			return false;
		if (fd[0].revents & ~POLLOUT)
			return PQconsumeInput(conn) == 1;
		if (fd[1].revents && !cut_short(db))
			return false;
	}
}

PGresult *
wait_result(struct db *db, bool *lost)
{
	bool ok = !db->lanes || lanes_turn(db);

	while (ok && PQisBusy(db->lane->conn))
		ok = db->lanes ? lanes_wait(db) : wait_for(db);
	if (ok)
		return PQgetResult(db->lane->conn);
	*lost = true;
	return NULL;
}

PGresult *
wait_plain(PGconn *conn, int64_t deadline_ms, bool *lost)
{
	struct db   db = { .deadline_ms = deadline_ms };
	struct lane lane = { .conn = conn };

	db.lane = &lane;
	return wait_result(&db, lost);
}
