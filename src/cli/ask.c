/* Asks a running service over admin_listen. */
#include "cli/ask.h"
#include "admin/status.h"
#include "base/clock.h"
#include "net/connect.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TIMEOUT_MS = 5000, /* the service answers in milliseconds, or something is wrong with it */
	ANSWER_MAX_BYTES = STATUS_MAX_BYTES + 4096,
	STEP_BYTES = 16 * 1024,
};

static bool
send_all(int fd, struct str text)
{
	while (text.len) {
		ssize_t n = send(fd, text.ptr, text.len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text.ptr += n;
		text.len -= (size_t)n;
	}
	return true;
}

/* Up to the end of the connection; false: errno says why. */
static bool
read_all(int fd, struct buf *answer)
{
	int64_t end = clock_mono_ms() + TIMEOUT_MS;

	for (;;) {
		char   *room = buf_room(answer, STEP_BYTES);
		ssize_t n;

		errno = EMSGSIZE;
		if (!room)
			return false;
		n = recv(fd, room, STEP_BYTES, 0);
		if (n == 0)
			return true;
		if (n == -1)
			return false;
		answer->len += (size_t)n;
		errno = ETIMEDOUT;
		if (clock_mono_ms() > end)
			return false;
	}
}

/* "HTTP/1.1 200 OK", headers, an empty line, the body. */
static int
parse(struct str answer, struct str *body)
{
	const char *end = memmem(answer.ptr, answer.len, "\r\n\r\n", 4);
	int64_t     status = 0;

	if (!end || !str_starts(answer, STR("HTTP/1.")) || answer.len < 12
	    || !str_to_i64((struct str) { answer.ptr + 9, 3 }, 100, 599, &status))
		return 0;
	*body = (struct str) { end + 4, (size_t)(answer.ptr + answer.len - end) - 4 };
	return (int)status;
}

int
ask(const struct conf *c, const char *method, const char *target, struct buf *out,
    struct buf *err)
{
	struct buf request, answer;
	struct str body;
	int        status = 0;
	int        fd;

	if (!c->admin_listen[0]) {
		buf_fmt(err, "admin_listen is not set: the service has nowhere to be asked");
		return 0;
	}
	fd = connect_admin(c, TIMEOUT_MS, err);
	if (fd == -1)
		return 0;
	buf_init(&request, 1024);
	buf_init(&answer, ANSWER_MAX_BYTES + STEP_BYTES);
	buf_fmt(&request, "%s %s HTTP/1.0\r\nHost: clientele\r\n\r\n", method, target);
	if (!send_all(fd, buf_view(&request)) || !read_all(fd, &answer))
		buf_fmt(err, "%s: no answer: %s", c->admin_listen,
		    errno == EAGAIN ? strerror(ETIMEDOUT) : strerror(errno));
	else if ((status = parse(buf_view(&answer), &body)) == 0)
		buf_fmt(err, "%s: what answers there is not clientele", c->admin_listen);
	else
		buf_str(out, body);
	buf_fini(&answer);
	buf_fini(&request);
	close(fd);
	return status;
}
