/*
 * What the commands that look at tenants or change them share: a connection as the owner, and
 * transactions whose failure is said in words.
 */
#ifndef CLI_OWNER_H
#define CLI_OWNER_H

#include "base/arena.h"
#include "cli/cmd.h"
#include "db/db.h"

struct owner {
	const struct conf *conf;
	struct db         *db;
	struct arena       arena;
};

void owner_init(struct owner *o, const struct conf *conf);
void owner_fini(struct owner *o);

/* Runs it. 0, or an exit code, and stderr says what went wrong and what to do. */
int owner_run(struct tx *tx) MUSTCHECK;

/* The second half of that, for commands that expect some failures: status is not DB_OK. */
int owner_failed(const struct tx *tx, enum db_status status);

/* What has ids: { "an", "invoice", STR("inv_") }. Its commands are the group of that name. */
struct owner_noun {
	const char *a, *name;
	struct str  prefix;
};

/* 0, or EXIT_USAGE, and stderr says that it is none. */
int owner_read_id(const struct owner_noun *n, const char *text, struct id *out) MUSTCHECK;

/* Says that there is none of that name; EXIT_UNKNOWN. */
int owner_unknown(const struct owner_noun *n, struct str text);

struct str owner_id(struct owner *o, struct str prefix, const struct id *id);
struct str owner_time(struct owner *o, const struct row *r, int column); /* absent for NULL */
struct str owner_number(struct owner *o, int64_t n);

struct owner_environment {
	struct id  id;
	bool       livemode;
	struct str organization;
};

/*
 * The environments of one organization, or of all when name is absent, and of these the live or the
 * sandbox ones, or both when env is absent. EXIT_UNKNOWN when there is no such organization.
 */
int owner_environments(struct owner *o, struct str name, struct str env,
    struct owner_environment **out, size_t *count) MUSTCHECK;

/* Says that there is no such organization; EXIT_UNKNOWN. */
int owner_unknown_organization(struct str name);

/* "live" or "sandbox" */
struct str owner_environment_name(const struct owner_environment *e);

/* A transaction in one environment, with that as its first step. */
void owner_enter(struct owner *o, struct tx *tx, const struct owner_environment *e);

/* The first step of a transaction that was begun otherwise. */
void owner_enter_in(struct tx *tx, const struct owner_environment *e);

/* A further step of it, whose first parameter is the environment. */
struct bind *owner_step(struct tx *tx, enum sql_id statement, const struct owner_environment *e);

#endif
