/* The queue of the listening socket. */
#include "net/queue.h"
#include "base/log.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TICK_MS = 100, /* of the supervisor, while connections wait */
	/*
	 * A look at a unix socket takes 30 us, as much as a request (TCP: 1 us). So workers that
	 * find connections waiting look 50 times a second together: when 10,000 come in a second,
	 * 200 come in between.
	 */
	LOOK_MS = 20,
	LOOK_SHEDDING_MS = 2, /* a worker refuses dozens in that time */
	QUIET_MS = 5000, /* without refusing, until the log says that it is over */
};

void
queue_init(struct queue *q, int listen_fd, struct stats_shared *shared)
{
	socklen_t   domain_len = sizeof(int), cookie_len = sizeof(q->cookie);
	int         domain = 0;
	struct stat st;

	*q = (struct queue) { .shared = shared, .listen_fd = listen_fd, .netlink_fd = -1 };
	if (getsockopt(listen_fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) == -1)
		return;
	if (domain == AF_INET || domain == AF_INET6)
		q->how = QUEUE_TCP;
	else if (domain == AF_UNIX && fstat(listen_fd, &st) == 0
	    && getsockopt(listen_fd, SOL_SOCKET, SO_COOKIE, q->cookie, &cookie_len) == 0) {
		q->how = QUEUE_UNIX;
		q->inode = (uint32_t)st.st_ino;
	}
}

void
queue_fini(struct queue *q)
{
	if (q->netlink_fd != -1)
		close(q->netlink_fd);
	q->netlink_fd = -1;
	q->how = QUEUE_SILENT;
}

/* 0 or an errno. */
static int
ask_tcp(const struct queue *q, int64_t *length, int64_t *limit)
{
	struct tcp_info info;
	socklen_t       len = sizeof(info);

	if (getsockopt(q->listen_fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
		return errno;
	if (info.tcpi_state != TCP_LISTEN)
		return EINVAL;
	/* These two mean something else on a socket that listens. */
	*length = info.tcpi_unacked;
	*limit = info.tcpi_sacked;
	return 0;
}

static int
find_rqlen(const struct nlmsghdr *answer, size_t size, int64_t *length, int64_t *limit)
{
	const char *at = (const char *)answer + NLMSG_SPACE(sizeof(struct unix_diag_msg));
	const char *end = (const char *)answer + size;

	while (end - at >= NLA_HDRLEN) {
		struct nlattr          head;
		struct unix_diag_rqlen queue;

		memcpy(&head, at, sizeof(head));
		if (head.nla_len < NLA_HDRLEN || head.nla_len > end - at)
			break;
		if (head.nla_type == UNIX_DIAG_RQLEN
		    && head.nla_len >= NLA_HDRLEN + sizeof(queue)) {
			memcpy(&queue, at + NLA_HDRLEN, sizeof(queue));
			*length = queue.udiag_rqueue;
			*limit = queue.udiag_wqueue;
			return 0;
		}
		at += NLA_ALIGN(head.nla_len);
	}
	return ENODATA;
}

static int
ask_unix(struct queue *q, int64_t *length, int64_t *limit)
{
	struct {
		struct nlmsghdr      head;
		struct unix_diag_req body;
	} question = {
		.head = {
			.nlmsg_len = sizeof(question),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST,
			.nlmsg_seq = ++q->number,
		},
		.body = {
			.sdiag_family = AF_UNIX,
			.udiag_ino = q->inode,
			.udiag_show = UDIAG_SHOW_RQLEN,
			.udiag_cookie = { q->cookie[0], q->cookie[1] },
		},
	};
	union {
		struct nlmsghdr head;
		char            bytes[512];
	} answer;
	ssize_t n;

	if (q->netlink_fd == -1)
		q->netlink_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    NETLINK_SOCK_DIAG);
	if (q->netlink_fd == -1 || send(q->netlink_fd, &question, sizeof(question), 0) == -1)
		return errno;
	do {
		/* The kernel has answered before send() returned. */
		n = recv(q->netlink_fd, &answer, sizeof(answer), 0);
		if (n == -1)
			return errno;
	} while (n < (ssize_t)sizeof(answer.head) || answer.head.nlmsg_seq != q->number);
	if (answer.head.nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *error = NLMSG_DATA(&answer.head);
		bool                   whole = (size_t)n >= NLMSG_SPACE(sizeof(*error));

		return whole && error->error ? -error->error : EPROTO;
	}
	if (answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY
	    || (size_t)n < NLMSG_SPACE(sizeof(struct unix_diag_msg)))
		return EPROTO;
	return find_rqlen(&answer.head, (size_t)n, length, limit);
}

bool
queue_ask(struct queue *q, int64_t *length, int64_t *limit)
{
	int error = EAFNOSUPPORT;

	switch (q->how) {
	case QUEUE_TCP:
		error = ask_tcp(q, length, limit);
		break;
	case QUEUE_UNIX:
		error = ask_unix(q, length, limit);
		break;
	case QUEUE_SILENT:
		return false;
	}
	if (error == 0)
		return true;
	if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS)
		return false;
	/* Anything else that the system refuses once it refuses always. */
	if (!atomic_exchange(&q->shared->logged_silent, 1))
		log_info("the length of the listen queue is unknown, so nothing is refused before "
			 "it is full: %s", strerror(error));
	queue_fini(q);
	return false;
}

bool
queue_turn(_Atomic(int64_t) *last, int64_t every_ms)
{
	int64_t now = clock_mono_ms();
	int64_t then = word_get(last);
	/* Another process may have been a moment later; more than that is no honest time. */
	bool    ahead = then > now && then - now > every_ms;

	return (then <= 0 || ahead || clock_age(then, now) >= every_ms)
	    && atomic_compare_exchange_strong(last, &then, now);
}

static void
raise_to(_Atomic(int64_t) *peak, int64_t value)
{
	int64_t before = word_get(peak);

	while (before < value && !atomic_compare_exchange_weak(peak, &before, value))
		;
}

static void
begin_shedding(struct stats_shared *shared, int64_t length, int64_t limit)
{
	int64_t none = 0;

	if (atomic_exchange(&shared->shedding, 1)
	    || !atomic_compare_exchange_strong(&shared->shed_since_ms, &none, clock_mono_ms()))
		return;
	log_warn("the listen queue is nearly full (%lld of %lld connections): refusing requests "
		 "with 503",
	    (long long)length, (long long)limit);
}

/* The end of it in the log, when it does not begin again for a while. */
static void
end_episode(struct stats_shared *shared)
{
	int64_t now = clock_mono_ms();
	int64_t since = word_get(&shared->shed_since_ms);

	if (since && !word_get(&shared->shedding)
	    && clock_age(word_get(&shared->shed_last_ms), now) >= QUIET_MS
	    && atomic_compare_exchange_strong(&shared->shed_since_ms, &since, 0))
		log_warn("the listen queue has room again: %llu requests were refused in %.1f s",
		    (unsigned long long)atomic_exchange(&shared->shed_requests, 0),
		    (double)clock_age(since, word_get(&shared->shed_last_ms)) / 1000);
}

static void
look(struct queue *q, int64_t shed_percent)
{
	struct stats_shared *shared = q->shared;
	int64_t              length = -1, limit = -1;

	if (q->how == QUEUE_SILENT)
		return; /* others may know */
	if (!queue_ask(q, &length, &limit)) {
		word_set(&shared->shedding, 0);
		return;
	}
	word_set(&shared->queue_length, length);
	word_set(&shared->queue_limit, limit);
	raise_to(&shared->queue_peak, length);
	if (shed_percent && length && length * 100 >= limit * shed_percent)
		begin_shedding(shared, length, limit);
	else if (!shed_percent || length * 200 <= limit * shed_percent) {
		if (atomic_exchange(&shared->shedding, 0))
			word_set(&shared->shed_last_ms, clock_mono_ms());
		end_episode(shared);
	}
}

int64_t
queue_tick(struct queue *q, int64_t shed_percent)
{
	if (queue_turn(&q->shared->looked_ms, LOOK_MS))
		look(q, shed_percent);
	return word_get(&q->shared->queue_length) > 0 ? TICK_MS : INT64_MAX;
}

bool
queue_sheds(struct queue *q, int64_t shed_percent, bool waited)
{
	struct stats_shared *shared = q->shared;
	bool                 shedding = word_get(&shared->shedding);
	bool                 turn;

	if (!shed_percent)
		return false;
	if (shedding) /* and one that has not waited shows that the queue is empty by now */
		turn = !waited || queue_turn(&shared->looked_ms, LOOK_SHEDDING_MS);
	else
		turn = waited && queue_turn(&shared->looked_ms, LOOK_MS);
	if (turn) {
		look(q, shed_percent);
		shedding = word_get(&shared->shedding);
	}
	if (shedding) {
		atomic_fetch_add_explicit(&shared->shed_requests, 1, memory_order_relaxed);
		word_set(&shared->shed_last_ms, clock_mono_ms());
	}
	return shedding;
}
