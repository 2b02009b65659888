/*
 * Internal to db/: the connection itself, waiting on it, and words for the log.
 */
#ifndef DB_LANE_H
#define DB_LANE_H

#include "db/db.h"
#include "db/lanes.h"

#include <libpq-fe.h>

enum {
	LANE_WHY_BYTES = 256,
	CANCEL_WAIT_MS = 1000,  /* for PostgreSQL to accept a cancellation */
	CANCEL_GRACE_MS = 1000, /* and then for the statement to end */
};

/* A connection, or what is known about why there is none. */
struct lane {
	const struct conf *conf;
	enum db_role       role;
	PGconn            *conn;                 /* NULL when there is none */
	bool               prepared[SQL__COUNT]; /* asked for on this connection */
	int64_t            next_try_ms;          /* monotonic */
	int64_t            backoff_ms;           /* 0 after a success */
	unsigned           epoch;                /* db_epoch() */
	bool               pooled;               /* there is a pooler before the server */
	unsigned           pooler_signs;         /* errors that only a pooler can cause */
	bool               unreplicated;         /* what was committed is on no standby yet */
	bool               warned;               /* db_check() warns once */
	char               failure[LANE_WHY_BYTES]; /* libpq's message on the last failed connect */
	char               why[LANE_WHY_BYTES];     /* db_why() */
	char               logged[LANE_WHY_BYTES];  /* the one that the log has */
	int64_t            logged_ms;
	enum db_condition  trouble;                 /* db_trouble() */
};

struct db {
	const struct conf *conf;
	enum db_role       role;
	struct lane       *lane;             /* its own; in lanes: the one that it has in hand */
	struct lanes      *lanes;            /* where it gets one; NULL: it has its own */
	struct wait        wait;             /* in lanes */
	bool               slow;             /* db_slow() */
	uint64_t           tenant;           /* db_tenant() */
	int64_t            deadline_ms;      /* monotonic, of the running transaction */
	const struct peer *peer;             /* db_watch() */
	struct db_meter    meter;
};

/* The longest wait for all answers of one run of a transaction, in ms. */
int64_t lane_timeout_ms(enum db_role role, const struct conf *conf);

/* A new connection without session settings, or NULL: lane->why says why. */
PGconn *lane_open(struct lane *l);
void    lane_close(struct lane *l);

/*
 * A connection with its session, in pipeline mode, or NULL. Waits for seconds at most; touches
 * nothing but the lane, so that another thread may do it. lane_settle() follows.
 */
void lane_attempt(struct lane *l);

/* What follows from an attempt: the back-off and, unless quietly, the log. */
void lane_settle(struct lane *l, bool quietly);

/* Hears PostgreSQL's notices. Again when the lane has moved: the connection knows its address. */
void lane_listen(struct lane *l);

/* Connected, and between two transactions. */
bool lane_is_usable(const struct lane *l);

/* Reads what the server says unasked; closes a connection that has ended. */
bool lane_look(struct lane *l);

/* Ends the connection so that another process finds room, and leaves it a start. */
void lane_give_way(struct lane *l);

/* How long the back-off still lasts; 0: it is over. */
int64_t lane_retry_ms(const struct lane *l);

/*
 * From lane_hold() to lane_release() nothing is sent on the connection: PQpipelineSync() of libpq
 * before version 17 sends at once, and so many transactions would be as many calls and wake
 * PostgreSQL as often. One lane at a time.
 */
void lane_hold(const struct lane *l);
void lane_release(void);

/* Connects if it must and the back-off is over. False: there is no connection. */
bool lane_ready(struct lane *l) MUSTCHECK;

/*
 * Sends the session settings. They hold for the connection or, without prepared statements,
 * for the transaction that begins with them.
 */
bool lane_send_settings(const struct lane *l, PGconn *conn) MUSTCHECK;

/*
 * The next result; NULL between two statements. *lost is set when none will come: the
 * deadline has passed or the connection broke.
 */
PGresult *wait_result(struct db *db, bool *lost);

/* The same for a connection that has no session yet, with nothing but a deadline. */
PGresult *wait_plain(PGconn *conn, int64_t deadline_ms, bool *lost);

/*
 * Has PostgreSQL cancel the running statement. True: it has sent its signal, which therefore
 * cannot hit a later statement.
 */
bool wait_cancel(PGconn *conn);

/*
 * Whether its server is one that this was made for, and text comes back from it as it was sent.
 * False: why has a sentence.
 */
bool check_server(const PGconn *conn, char *why, size_t size) MUSTCHECK;

/* Fills tx->log. */
void tx_note(struct tx *tx, const char *fmt, ...) PRINTF(2, 3);

/* The name of a step's statement. */
const char *tx_statement(const struct tx *tx, size_t step);

#endif
