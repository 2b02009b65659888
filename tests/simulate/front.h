/*
 * Simulated front servers, their clients, and what these were promised.
 *
 * Asks       Each connection asks, waits for the answer and thinks. Some cut their requests into
 *            parts, fall silent, leave, close one half, read slowly, or send what is no request.
 * Checks     Of each answer, when it comes: it is the one to this request, whole, once, in time; it
 *            holds nothing of another tenant; what it acknowledges is committed. And at the end
 *            (front_judge()): what was acknowledged is there exactly once, what was said not to be
 *            done is not, and one key has one answer.
 */
#ifndef TESTS_SIMULATE_FRONT_H
#define TESTS_SIMULATE_FRONT_H

#include "base/base.h"

#include <stdint.h>

struct front_plan {
	unsigned connections, asks;
	unsigned rude;       /* of a thousand requests */
	unsigned kept;       /* of a thousand connections */
	bool     tcp;
	int64_t  think_us;
	int64_t  limit_us;   /* an answer takes no longer; 0: nothing is known */
	bool     healthy;    /* nothing is broken, so each polite request has its answer, below 500 */
	int      listen_fd;
};

void front_begin(const struct front_plan *plan);
/* All asks have ended. */
bool front_is_done(void);
/* The request that has waited longest, or "". */
const char *front_stuck(void);
/* The worker is told to leave now. */
void front_told(void);
void front_judge(void);

extern struct front_counts {
	uint64_t answered, refused, unanswered, rude, replayed, created, retried;
	int64_t  longest_us;
} front_counts;

#endif
