/* The front server of the tests. */
#include "front.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BEGIN = 1, END = 3, PARAMS = 4, STDIN = 5, STDOUT = 6, HEAD_BYTES = 8, RAW_MAX_BYTES = 4 << 20 };

void
front_init(struct front *f)
{
	*f = (struct front) { .fd = -1 };
	buf_init(&f->raw, RAW_MAX_BYTES);
	buf_init(&f->out, RAW_MAX_BYTES);
}

void
front_fini(struct front *f)
{
	if (f->fd != -1)
		close(f->fd);
	buf_fini(&f->raw);
	buf_fini(&f->out);
}

static void
record(struct buf *b, unsigned char type, struct str content)
{
	unsigned char head[HEAD_BYTES] = { 1, type, 0, 1, (unsigned char)(content.len >> 8), (unsigned char)content.len };

	buf_add(b, (const char *)head, sizeof(head));
	buf_str(b, content);
}

static void
pair(struct buf *b, const char *name, const char *value)
{
	char lengths[2];

	if (!value)
		return;
	lengths[0] = (char)strlen(name);
	lengths[1] = (char)strlen(value);
	buf_add(b, lengths, sizeof(lengths));
	buf_str(b, str_of(name));
	buf_str(b, str_of(value));
}

bool
front_send(struct front *f, const char *path, const struct wire *w)
{
	static const char  responder[8] = { 0, 1 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct buf         params, all;
	char               length[24];
	bool               sent;

	buf_init(&params, 64 * 1024);
	buf_init(&all, 1 << 20);
	snprintf(length, sizeof(length), "%zu", w->body ? strlen(w->body) : 0);
	pair(&params, "REQUEST_METHOD", w->method);
	pair(&params, "REQUEST_URI", w->uri);
	pair(&params, "CONTENT_LENGTH", length);
	pair(&params, "HTTP_X_API_KEY", w->key);
	pair(&params, "HTTP_IDEMPOTENCY_KEY", w->idem);
	record(&all, BEGIN, (struct str) { responder, sizeof(responder) });
	record(&all, PARAMS, buf_view(&params));
	record(&all, PARAMS, STR(""));
	if (w->body && *w->body)
		record(&all, STDIN, str_of(w->body));
	record(&all, STDIN, STR(""));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sent = connect(f->fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	/* If the worker has died as it took the connection, there is nobody to send to, and no answer to read. */
	if (sent && send(f->fd, all.ptr, all.len, MSG_NOSIGNAL) != (ssize_t)all.len)
		sent = errno == EPIPE || errno == ECONNRESET;
	buf_fini(&params);
	buf_fini(&all);
	buf_reset(&f->raw, RAW_MAX_BYTES);
	buf_reset(&f->out, RAW_MAX_BYTES);
	f->status = 0;
	f->whole = false;
	f->head = f->body = STR("");
	return sent;
}

static void
take_apart(struct front *f)
{
	static const char ends[] = "\r\n\r\n", status[] = "Status: ", length[] = "Content-Length: ";
	const unsigned char *p = (const unsigned char *)f->raw.ptr;
	size_t               left = f->raw.len;
	const char          *at;
	bool                 ended = false;

	while (left >= HEAD_BYTES) {
		size_t content = (size_t)p[4] << 8 | p[5], all = HEAD_BYTES + content + p[6];

		if (p[1] == STDOUT)
			buf_add(&f->out, (const char *)p + HEAD_BYTES, content < left - HEAD_BYTES ? content : left - HEAD_BYTES);
		ended |= p[1] == END;
		if (all > left)
			break;
		p += all;
		left -= all;
	}
	buf_add(&f->out, "", 1); /* for the searches below */
	f->out.len--;
	if ((at = strstr(f->out.ptr, ends)) == NULL)
		return;
	f->head = (struct str) { f->out.ptr, (size_t)(at - f->out.ptr) };
	f->body = (struct str) { at + strlen(ends), f->out.len - f->head.len - strlen(ends) };
	if (str_starts(f->head, STR("Status: ")))
		f->status = (int)strtol(f->head.ptr + strlen(status), NULL, 10);
	at = strstr(f->head.ptr, length);
	f->whole = ended && left == 0 && at && strtoul(at + strlen(length), NULL, 10) == f->body.len;
}

void
front_leave(struct front *f)
{
	close(f->fd);
	f->fd = -1;
	take_apart(f);
}

bool
front_read(struct front *f, int wait_ms)
{
	if (f->fd == -1)
		return true;
	for (;;) {
		struct pollfd wait = { .fd = f->fd, .events = POLLIN };
		char         *room = buf_room(&f->raw, 65536);
		ssize_t       n;

		if (!room)
			abort();
		if (poll(&wait, 1, wait_ms) <= 0)
			return false;
		n = recv(f->fd, room, 65536, MSG_DONTWAIT);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n <= 0)
			break;
		f->raw.len += (size_t)n;
	}
	front_leave(f);
	return true;
}
