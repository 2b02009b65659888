/* The request log: what its files share. Its rows are in memory (shm/requests.h), in no table. */
#ifndef RESOURCE_REQUEST_LOG_REQUEST_LOG_H
#define RESOURCE_REQUEST_LOG_REQUEST_LOG_H

#include "call/field.h"
#include "shm/requests.h"

enum { REQUEST_SHOWN = 1, REQUEST_SUMMED = 2 };

enum {
	SUMMARY_MINUTES_MAX = 24 * 60,
	SUMMARY_MINUTES_DEFAULT = 60,
};

struct logged {
	struct requests_entry kept;
	char                  text[REQUESTS_TEXT_BYTES]; /* of that */
	struct str            method, code, version; /* code: absent if it did not fail */
	int64_t               created_ms, status;
};

extern const struct fields request_fields;

/* As requests_find() of the call's environment, with the numbers of what is found checked. */
bool logged_find(const struct call *c, uint64_t *before, struct logged *out) MUSTCHECK;

/* Fills what is shown of it besides. */
void logged_derive(struct logged *out);

enum err request_log_summary(struct call *c);

#endif
