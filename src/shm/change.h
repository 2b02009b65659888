/*
 * What the supervisor was asked to change, and what became of it: for each kind a number that each
 * change takes when it begins, and the number up to which all have ended.
 *
 * Waiting    Whoever asks reads 'begun' first. What it asked for has ended once 'ended' is greater:
 *            only a change that begins after that sees what was there when it asked.
 * Rights     Part of the supervisor's pages in the scoreboard (shm/stats.h): it alone writes.
 * Locks      None; change_read() says when the sentence was being changed meanwhile.
 */
#ifndef SHM_CHANGE_H
#define SHM_CHANGE_H

#include "base/str.h"
#include "shm/word.h"

/* CHANGE(name, what it is called) */
#define CHANGES(CHANGE) \
	CHANGE(RELOAD,  "reload") \
	CHANGE(UPGRADE, "upgrade") \
	CHANGE(WORKERS, "workers") \
	CHANGE(REOPEN,  "reopen")

enum change_kind {
#define CHANGE(name, word) CHANGE_##name,
	CHANGES(CHANGE)
#undef CHANGE
	CHANGE__COUNT
};

extern const char *const change_names[CHANGE__COUNT];

enum { CHANGE_WHY_BYTES = 512 };

struct change {
	_Atomic(uint32_t) begun;
	_Atomic(uint32_t) ended;
	_Atomic(uint32_t) code;            /* of the last that ended: 0, or why it was refused */
	_Atomic(uint64_t) refused;         /* how many */
	_Atomic(int64_t)  refused_wall_ms; /* the last of them; 0: there was none */
	_Atomic(uint32_t) turn;            /* odd while 'why' is being written */
	char              why[CHANGE_WHY_BYTES]; /* the last refusal */
};

/* What another process sees of it. */
struct change_report {
	uint32_t begun, ended;
	int      code; /* an exit code of base.h */
	uint64_t refused;
	int64_t  refused_wall_ms;
	char     why[CHANGE_WHY_BYTES]; /* printable */
};

void change_begin(struct change *c);

/* All that have begun; code 0 is success, and otherwise why says why not. */
void change_end(struct change *c, int code, struct str why);

bool change_is_open(const struct change *c);

void change_read(const struct change *c, struct change_report *out);

#endif
