/* Which descriptors are ready, as epoll tells it. */
#include "base/poller.h"

#include <sys/epoll.h>
#include <unistd.h>

static const struct {
	unsigned ours;
	uint32_t theirs;
} words[] = {
	{ POLLER_READ, EPOLLIN },
	{ POLLER_WRITE, EPOLLOUT },
	{ POLLER_LEFT, EPOLLRDHUP },
	{ POLLER_EDGE, EPOLLET },
	{ POLLER_EXCLUSIVE, EPOLLEXCLUSIVE },
	{ POLLER_ENDED, EPOLLHUP | EPOLLERR },
};

int
poller_new(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

static bool
control(int poller, int operation, int fd, struct source *source, unsigned wants)
{
	struct epoll_event event = { .data.ptr = source };

	for (size_t i = 0; i < COUNTOF(words); i++)
		if (wants & words[i].ours)
			event.events |= words[i].theirs;
	return epoll_ctl(poller, operation, fd, &event) == 0;
}

bool
poller_add(int poller, int fd, struct source *source, unsigned wants)
{
	return control(poller, EPOLL_CTL_ADD, fd, source, wants);
}

bool
poller_change(int poller, int fd, struct source *source, unsigned wants)
{
	return control(poller, EPOLL_CTL_MOD, fd, source, wants);
}

void
poller_remove(int poller, int fd)
{
	(void)control(poller, EPOLL_CTL_DEL, fd, NULL, 0); /* it may be closed already */
}

size_t
poller_wait(int poller, struct poller_event out[POLLER_EVENTS_MAX], int64_t wait_ms)
{
	struct epoll_event events[POLLER_EVENTS_MAX];
	int ms = wait_ms < 0 ? -1 : wait_ms < INT32_MAX ? (int)wait_ms : INT32_MAX;
	int n = epoll_wait(poller, events, POLLER_EVENTS_MAX, ms);

	for (int i = 0; i < n; i++) {
		out[i] = (struct poller_event) { .source = events[i].data.ptr };
		for (size_t k = 0; k < COUNTOF(words); k++)
			if (events[i].events & words[k].theirs)
				out[i].is |= words[k].ours;
	}
	return n > 0 ? (size_t)n : 0;
}
