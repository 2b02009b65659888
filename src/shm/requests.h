/*
 * The requests that were answered last, a ring of fixed size: what the call that lists them reads.
 *
 * Writers    Workers, each request once it was answered. Nobody waits for anybody: each takes the
 *            next number, and with it a slot, of which the former request is gone.
 * Readers    Workers. A slot that is being written, or that a worker left half-written when it
 *            died, is absent; none is read torn.
 * Holds      What struct requests_entry has. Whoever fills it sees to it that no text of a client
 *            is in it but the id of the request, which was checked.
 * Life       That of the supervisor's program: workers come and go, an upgrade begins anew.
 * Trust      A worker may write anything here. Lengths and characters are checked when read; what
 *            the numbers of an entry mean is for the reader to check.
 */
#ifndef SHM_REQUESTS_H
#define SHM_REQUESTS_H

#include "base/id.h"
#include "base/str.h"

/* Of id and path together; an id has up to REQUEST_ID_MAX_BYTES. */
enum { REQUESTS_TEXT_BYTES = 184 };

/* At the end of a path that did not fit. */
#define REQUESTS_CUT STR("...")

struct requests_entry {
	struct id  environment, actor;
	bool       user;       /* the actor is one, and no API key */
	int64_t    arrived_us; /* wall clock */
	int64_t    took_us;    /* at most 2^32 - 1 */
	unsigned   status;     /* these four: 16, 16, 8 and 8 bits */
	unsigned   error;      /* enum err */
	unsigned   method;     /* enum method */
	unsigned   version;    /* enum version */
	struct str id, path;   /* printable ASCII */
};

struct requests;

/* Ends the process when the system has no memory to share. */
struct requests *requests_new(size_t kept);

/* For this process; NULL is nothing. */
void requests_free(struct requests *r);

void requests_add(struct requests *r, const struct requests_entry *e);

/* Above the number of each that is there now. */
uint64_t requests_end(const struct requests *r);

/*
 * The newest request of the environment with a number below *before, which becomes its number;
 * out->id and out->path are views of text. False: there is none.
 */
bool requests_find(const struct requests *r, const struct id *environment, uint64_t *before,
    struct requests_entry *out, char text[REQUESTS_TEXT_BYTES]) MUSTCHECK;

/*
 * All requests that arrived after this moment (wall clock) and are answered were there when it was
 * called, and before, of whatever environment.
 */
int64_t requests_since_us(const struct requests *r);

/* Another one for each ring: numbers of one mean nothing in another. */
uint64_t requests_mark(const struct requests *r);

#endif
