/*
 * The front server of the tests: one request over FastCGI, and what came back, taken apart.
 */
#ifndef TORTURE_FRONT_H
#define TORTURE_FRONT_H

#include "base/buf.h"
#include "base/str.h"

struct wire {
	const char *method, *uri, *body; /* body: NULL for none */
	const char *key, *idem;          /* headers, or NULL */
};

struct front {
	int        fd;    /* -1: at the end */
	struct buf raw;   /* records as they came */
	struct buf out;   /* content of the output stream */
	int        status; /* of HTTP; 0: there was none */
	bool       whole; /* head, as much body as announced, and the end of the request */
	struct str head, body;
};

void front_init(struct front *f);
void front_fini(struct front *f);

/* Connects and sends all of it; false when the socket refuses. */
bool front_send(struct front *f, const char *path, const struct wire *w) MUSTCHECK;

/* Takes what is there, waiting no longer than wait_ms; true at the end, when the answer has been taken apart. */
bool front_read(struct front *f, int wait_ms);

/* Hangs up, and takes apart what has come. */
void front_leave(struct front *f);

#endif
