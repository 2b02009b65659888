/*
 * The queue of the listening socket: how many connections wait there for a worker, and when they
 * are so many that requests are refused before the queue overflows, which front servers answer with
 * an error of their own.
 *
 * Source     For unix sockets NETLINK_SOCK_DIAG about this very socket, for TCP TCP_INFO. Where the
 *            kernel, a sandbox or another network namespace does not answer, length and limit are
 *            -1 and nothing is ever refused; the log says so once.
 * Shared     What was found is in struct stats_shared. Every process may look; whoever looks next
 *            sees how long ago that was, so that together they look no more often than is of use.
 * Refusing   From shed_percent of the limit on, until half of that. The log has a line when it
 *            begins and one when there was none for a while.
 * Ownership  Each process has its own struct queue; the descriptor inside must not be shared.
 */
#ifndef NET_QUEUE_H
#define NET_QUEUE_H

#include "shm/stats.h"

struct queue {
	struct stats_shared *shared;
	int                  listen_fd;
	int                  netlink_fd; /* -1: not open */
	enum { QUEUE_SILENT, QUEUE_UNIX, QUEUE_TCP } how;
	uint32_t inode, cookie[2];     /* of the unix socket */
	uint32_t number;               /* of the question */
};

void queue_init(struct queue *q, int listen_fd, struct stats_shared *shared);
void queue_fini(struct queue *q); /* it is silent from then on */

/* From the kernel; false: it does not answer. The limit is that of listen(), one less than fits. */
bool queue_ask(struct queue *q, int64_t *length, int64_t *limit);

/* By the supervisor, whenever it is awake. The ms until it should look again, or INT64_MAX. */
int64_t queue_tick(struct queue *q, int64_t shed_percent);

/*
 * By a worker that has a request: whether its request is to be refused. 'waited'
 * says that the worker did not have to wait for it, so it may be one of many.
 */
bool queue_sheds(struct queue *q, int64_t shed_percent, bool waited);

/* True for one caller of all processes, when it was for none for so long; *last is that time. */
bool queue_turn(_Atomic(int64_t) *last, int64_t every_ms);

#endif
