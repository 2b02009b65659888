/* Sockets and workers from one program image to the next. */
#include "master/handover.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NUMBERS_MAX = 5,
	TEXT_MAX_BYTES = 96 * 1024, /* the kernel takes 128 KiB for one variable */
};

static const char variable[] = "CLIENTELE_HANDOVER";
static const char socket_prefix[] = "socket.";

static const struct word {
	const char *name;
	size_t      at;
	size_t      count;
} words[] = {
#define WORD(member, count) { #member, offsetof(struct handover, member), count }
	WORD(pid, 1),
	WORD(rehearsal, 1),
	WORD(result, 1),
	WORD(lifeline, 2),
	WORD(stats, 1),
	WORD(buckets, 2),
	WORD(generation, 1),
	WORD(started_wall_ms, 1),
	WORD(started_ms, 1),
	WORD(target, 1),
	WORD(asked, 3),
	WORD(reload, 4),
	WORD(upgrade, 4),
#undef WORD
};

/* The numbers of a word; no struct handover is const where it is made, and only reading writes. */
static int64_t *
numbers_of(const struct handover *h, const struct word *w)
{
	return (int64_t *)((uintptr_t)h + w->at);
}

static void
print_numbers(struct buf *out, const int64_t *n, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_fmt(out, "%s%lld", i ? "," : "=", (long long)n[i]);
	buf_fmt(out, " ");
}

void
handover_print(const struct handover *h, struct buf *out)
{
	for (size_t i = 0; i < COUNTOF(words); i++) {
		buf_fmt(out, "%s", words[i].name);
		print_numbers(out, numbers_of(h, &words[i]), words[i].count);
	}
	for (size_t i = 0; i < h->sockets; i++) {
		buf_fmt(out, "%s%s", socket_prefix, h->socket[i].name);
		print_numbers(out, (const int64_t[]) { h->socket[i].fd, h->socket[i].made }, 2);
	}
	for (size_t i = 0; i < h->workers; i++) {
		const int64_t n[] = { h->worker[i].place, h->worker[i].pid, h->worker[i].ready,
			h->worker[i].forked_ms, h->worker[i].requests_before };

		buf_fmt(out, "worker");
		print_numbers(out, n, COUNTOF(n));
	}
}

/* At least count numbers; a later version may have more of them. */
static bool
read_numbers(struct str text, int64_t *out, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!str_to_i64(str_cut(&text, ','), 0, INT64_MAX, &out[i]))
			return false;
	return true;
}

static bool
read_word(struct handover *h, struct str name, struct str value)
{
	int64_t n[NUMBERS_MAX];

	for (size_t i = 0; i < COUNTOF(words); i++)
		if (str_is(name, words[i].name))
			return read_numbers(value, numbers_of(h, &words[i]), words[i].count);
	if (str_starts(name, STR("socket.")) && h->sockets < HANDOVER_SOCKETS_MAX) {
		const size_t skip = strlen(socket_prefix);
		struct str   rest = { name.ptr + skip, name.len - skip };

		if (!read_numbers(value, n, 2) || rest.len >= HANDOVER_NAME_BYTES)
			return false;
		memcpy(h->socket[h->sockets].name, rest.ptr, rest.len);
		h->socket[h->sockets].fd = n[0];
		h->socket[h->sockets++].made = n[1];
	}
	if (str_is(name, "worker") && h->workers < HANDOVER_WORKERS_MAX) {
		if (!read_numbers(value, n, 5))
			return false;
		h->worker[h->workers].place = n[0];
		h->worker[h->workers].pid = n[1];
		h->worker[h->workers].ready = n[2];
		h->worker[h->workers].forked_ms = n[3];
		h->worker[h->workers++].requests_before = n[4];
	}
	return true;
}

bool
handover_parse(struct str text, int64_t pid, struct handover *h)
{
	bool good = true;

	*h = (struct handover) { 0 };
	while (good && text.ptr) {
		struct str value = str_cut(&text, ' ');
		struct str name = str_cut(&value, '=');

		if (value.ptr)
			good = read_word(h, name, value);
	}
	if (good && h->pid != 0 && h->pid == pid)
		return true;
	*h = (struct handover) { 0 };
	return false;
}

bool
handover_take(struct handover *h)
{
	const char *text = getenv(variable);
	bool        given = text && handover_parse(str_of(text), getpid(), h);

	if (given)
		handover_keep_open(h, false);
	else
		*h = (struct handover) { 0 };
	handover_withdraw();
	return given;
}

bool
handover_leave(const struct handover *h)
{
	struct buf text;
	bool       left;

	buf_init(&text, TEXT_MAX_BYTES);
	handover_print(h, &text);
	buf_add(&text, "", 1);
	left = !text.full && setenv(variable, text.ptr, 1) == 0;
	buf_fini(&text);
	return left;
}

void
handover_withdraw(void)
{
	unsetenv(variable);
}

void
handover_add_socket(struct handover *h, const char *name, int fd, bool made)
{
	if (h->sockets == HANDOVER_SOCKETS_MAX)
		return;
	snprintf(h->socket[h->sockets].name, HANDOVER_NAME_BYTES, "%s", name);
	h->socket[h->sockets].fd = fd;
	h->socket[h->sockets++].made = made;
}

int
handover_socket(const struct handover *h, const char *name, bool *made)
{
	for (size_t i = 0; i < h->sockets; i++)
		if (strcmp(h->socket[i].name, name) == 0) {
			*made = h->socket[i].made != 0;
			return (int)h->socket[i].fd;
		}
	return -1;
}

void
handover_tell(const struct handover *h, struct str why)
{
	if (h->rehearsal && h->result > STDERR_FILENO
	    && write((int)h->result, why.ptr, why.len) == -1)
		return; /* whoever asked has the exit code */
}

static void
keep_open(int64_t fd, bool open)
{
	if (fd > STDERR_FILENO)
		fcntl((int)fd, F_SETFD, open ? 0 : FD_CLOEXEC);
}

void
handover_keep_open(const struct handover *h, bool open)
{
	for (size_t i = 0; i < h->sockets; i++)
		keep_open(h->socket[i].fd, open);
	for (size_t i = 0; i < COUNTOF(h->lifeline); i++)
		keep_open(h->lifeline[i], open);
	keep_open(h->stats, open);
	keep_open(h->result, open);
	keep_open(h->buckets[0], open);
}
