/*
 * What one program image leaves to the next one when `clientele serve` replaces itself: sockets,
 * the lifeline of the workers, the scoreboard, and the workers themselves. It travels as words in
 * one environment variable, CLIENTELE_HANDOVER.
 *
 * Format     "pid=77 lifeline=5,6 generation=3 socket.listen=4,1 worker=0,4711,1,98765,0 ..."
 *            It is read by other versions of this program: words are only ever added, and those
 *            that are not known are skipped.
 * Addressee  The process whose id 'pid' is; a process with another id that inherits the variable
 *            does not use it.
 */
#ifndef MASTER_HANDOVER_H
#define MASTER_HANDOVER_H

#include "base/buf.h"

enum {
	HANDOVER_SOCKETS_MAX = 4,
	HANDOVER_WORKERS_MAX = 1024,
	HANDOVER_NAME_BYTES = 16,
};

struct handover {
	int64_t pid;       /* 0: there is none, this is the first image of its process */
	int64_t rehearsal; /* 0 or 1: prove that it works, with one worker, and end */
	int64_t result;    /* of a rehearsal: descriptor that takes why it fails; 0: none */
	int64_t lifeline[2];
	int64_t stats;     /* descriptor of the scoreboard's memory */
	int64_t buckets[2]; /* the same of the rate limits' memory, and its layout */
	int64_t generation;
	int64_t started_wall_ms;
	int64_t started_ms; /* 0: an older program, which did not know it */
	int64_t target;
	/* The keys that target stands for: workers (and one), workers_min, workers_max. */
	int64_t asked[3];
	/* Of both kinds of change: begun, ended, refused, when the last refusal was. */
	int64_t reload[4], upgrade[4];
	size_t  sockets;
	struct {
		char    name[HANDOVER_NAME_BYTES];
		int64_t fd;
		int64_t made; /* 0 or 1: its file was made here, and is removed at the end */
	} socket[HANDOVER_SOCKETS_MAX];
	size_t  workers;
	struct {
		int64_t place;
		int64_t pid;
		int64_t ready; /* 1, or 0 when it has been asked to leave */
		int64_t forked_ms;
		int64_t requests_before; /* what its counter in the scoreboard began at */
	} worker[HANDOVER_WORKERS_MAX];
};

void handover_print(const struct handover *h, struct buf *out);

/* False when there is nothing in it for the process 'pid'; then h is all zero. */
bool handover_parse(struct str text, int64_t pid, struct handover *h) MUSTCHECK;

/* Takes it out of the environment; the descriptors are close-on-exec again afterwards. */
bool handover_take(struct handover *h) MUSTCHECK;

/* Into the environment, and out of it when the exec failed. False when there is no memory. */
bool handover_leave(const struct handover *h) MUSTCHECK;
void handover_withdraw(void);

void handover_add_socket(struct handover *h, const char *name, int fd, bool made);

/* The descriptor with that name, or -1. */
int handover_socket(const struct handover *h, const char *name, bool *made);

/* In a rehearsal: a sentence for the program that had it begun. */
void handover_tell(const struct handover *h, struct str why);

/* Lets all these descriptors go through an exec, or not any more. */
void handover_keep_open(const struct handover *h, bool open);

#endif
