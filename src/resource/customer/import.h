/*
 * Customers from the records of a file (call/sheet.h): what a line means, and how many of them are
 * written at once. Whoever imports (the command) says where they come from and how far it got.
 *
 * Rules      Those of a create in the current version, by the same reader; members that it does
 *            not know are refused. Besides, a line may have what an export writes: isActive,
 *            createdAt, updatedAt, archivedAt, an id of the API (which names nobody here), and
 *            what else the API shows. A column "address.city" is the member of an address,
 *            "metadata.x" one of the metadata.
 * Null       An absent cell, or null, is not given.
 * Events     As the API writes them: customer.created, customer.updated.
 */
#ifndef RESOURCE_CUSTOMER_IMPORT_H
#define RESOURCE_CUSTOMER_IMPORT_H

#include "call/call.h"
#include "call/sheet.h"
#include "resource/customer/customer.h"

/* What becomes of a line whose external id a customer has already. */
#define IMPORT_CONFLICTS(CONFLICT) \
	CONFLICT(SKIP, "skip") \
	CONFLICT(UPDATE, "update") /* the members that the line gives are set */ \
	CONFLICT(FAIL, "fail")

enum import_conflict {
#define CONFLICT(name, word) IMPORT_##name,
	IMPORT_CONFLICTS(CONFLICT)
#undef CONFLICT
};

struct import_rules {
	enum import_conflict conflict;
	bool                 created_at; /* createdAt and updatedAt of the lines are kept */
};

#define IMPORT_RESULTS(RESULT) \
	RESULT(CREATED, "created") \
	RESULT(EXISTING, "existing") \
	RESULT(UPDATED, "updated") \
	RESULT(FAILED, "failed")

enum import_result {
#define RESULT(name, word) IMPORT_##name,
	IMPORT_RESULTS(RESULT)
#undef RESULT
	IMPORT__RESULTS
};

extern const char *const import_result_names[IMPORT__RESULTS];

/* A line on its way, and what has become of it. */
struct import_line {
	int64_t            line;
	bool               broken;   /* it cannot be read as a customer */
	struct customer    customer; /* as it is to be */
	enum import_result result;
	struct id          id;       /* of the customer that there is now; nil: there is none */
	enum err           code;     /* of one that failed: */
	const char        *param, *message; /* param may be NULL */
};

/* What reads them: one for a file. Lines keep what they have in call.arena, which may change. */
struct import_reader {
	struct import_rules         rules;
	struct call                 call;    /* of the current version, without a request */
	struct arena                scratch; /* of one line */
	struct buf                  text;
	size_t                      count;   /* columns of CSV */
	const struct import_column *column;
};

void import_reader_init(struct import_reader *r, const struct conf *conf,
    const struct import_rules *rules);
void import_reader_fini(struct import_reader *r);

/*
 * Reads the names of the columns, which stay in the arena. False: *why says what is wrong with one
 * of them.
 */
bool import_read_names(struct import_reader *r, struct arena *a, const struct record *names,
    const char **why) MUSTCHECK;

/*
 * Reads a record into *out, whose customer gets an id; what is wrong with it makes it broken, and
 * FAILED.
 */
void import_read(struct import_reader *r, const struct record *record, struct import_line *out);

/*
 * Adds the steps that write those of the lines that are not broken, of which no two have the same
 * external id. With 'dry' nothing is written. Returns the first of the steps. When they have been
 * answered, import_written() tells each line what has become of it. False: a customer who was in
 * the way is gone; it is to be undone and done again.
 */
size_t import_write(struct tx *tx, const struct id *environment, const struct import_rules *rules,
    struct import_line *lines, size_t count, bool dry);
bool import_written(const struct tx *tx, size_t step, const struct import_rules *rules,
    struct import_line *lines, size_t count, bool dry) MUSTCHECK;

/* Appends the line's result as a line of NDJSON. */
void import_tell(struct buf *out, const struct import_line *line);

#endif
