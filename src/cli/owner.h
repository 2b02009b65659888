/*
 * What the commands that change tenants share: a connection as the owner, and
 * transactions that end the command when they fail.
 */
#ifndef CLI_OWNER_H
#define CLI_OWNER_H

#include "base/arena.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "db/db.h"

struct owner {
	struct db   *db;
	struct arena arena;
};

void owner_init(struct owner *o, const struct conf *conf);
void owner_fini(struct owner *o);

/* The transaction's exit code; the log says what went wrong. */
int owner_run(struct tx *tx);

struct str owner_id(struct owner *o, struct str prefix, const struct id *id);
struct str owner_time(struct owner *o, const struct row *r, int column); /* absent for NULL */

struct owner_environment {
	struct id  id;
	bool       livemode;
	struct str organization;
};

/* Environments of one organization, or of all when name is absent. */
int owner_environments(struct owner *o, struct str name, struct owner_environment **out,
    size_t *count);

#endif
