/*
 * A line on a terminal that says how far a long command has got; nothing where standard error is no
 * terminal.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "base/base.h"

struct progress {
	bool    shown;    /* standard error is a terminal */
	int64_t begun_ms, told_ms;
	int64_t from;     /* what had been done before */
	int64_t total;
};

/* done of total things were done before this. */
void progress_begin(struct progress *p, int64_t done, int64_t total);

/* Some times a second: so many are done now. more: what else the line says. */
void progress_tell(struct progress *p, int64_t done, const char *more);

/* Removes the line. */
void progress_end(const struct progress *p);

#endif
