/*
 * Configuration: one table of keys (conf.c), filled from the file, then the
 * environment (CLIENTELE_<KEY>), then the command line; later wins.
 *
 * Lifetime   Strings are owned by the struct: conf_init() to conf_fini().
 * Errors     conf_* return false and append to err: a line for each mistake, which names its
 *            file and line and its key. Readers go on after a mistake, and read what is right.
 *            Unknown keys are mistakes.
 * Secrets    Keys marked secret are never printed; conf_print() masks them.
 * Owner      What only the owner's commands may know is in a file of its own, which a process that
 *            serves never opens; from the environment and the command line it does not take it.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/base.h"
#include "base/buf.h"
#include "base/log.h"

/* Members in the order of the table; units are in the names. */
struct conf {
	char         *database_url;       /* serving role */
	char         *owner_file;         /* with database_owner_url */
	char         *listen;             /* "unix:/path", "/path", "host:port"; or empty */
	int64_t       listen_mode;        /* octal permissions of the socket file */
	char         *listen_owner;       /* "user:group" of the socket file; empty: as created */
	int64_t       listen_backlog;
	char         *listen_allow;       /* TCP peers that may connect: addresses, networks */
	char         *admin_listen;       /* like listen; empty: nowhere */
	int64_t       admin_mode;         /* octal permissions of its socket file */
	char         *admin_owner;        /* "user:group" of its socket file; empty: as created */
	char         *metrics_listen;     /* like listen, for reading alone; empty: nowhere */
	int64_t       metrics_mode;       /* octal permissions of its socket file */
	int64_t       workers;            /* CONF_WORKERS_AUTO, CONF_WORKERS_DYNAMIC, or how many */
	int64_t       workers_min;        /* these five: when dynamic */
	int64_t       workers_max;        /* 0: auto */
	int64_t       spare_min;
	int64_t       spare_max;
	int64_t       spare_idle_ms;
	int64_t       clerk;              /* 0 or 1 */
	int64_t       max_requests;       /* per worker, with jitter; 0: no end */
	int64_t       max_memory_bytes;   /* resident, of a worker; 0: no end */
	int64_t       request_timeout_ms;
	int64_t       queue_timeout_ms;   /* 0: none */
	int64_t       queue_shed;         /* percent of the listen queue; 0: never */
	int64_t       statement_timeout_ms;
	int64_t       lock_timeout_ms;
	int64_t       shutdown_timeout_ms;
	int64_t       requests_in_hand;
	int64_t       body_max_bytes;
	int64_t       metadata_max_bytes;
	int64_t       auth_cache_ttl_ms;
	int64_t       idempotency_ttl_ms;
	int64_t       retain_invoices_ms;
	int64_t       imports_open;       /* of an environment, at most */
	int64_t       import_max_bytes;
	char         *public_url;
	char         *cors_origins;
	int64_t       sign_in_by_proxy;   /* 0 or 1 */
	char         *checkout_url_template; /* billing/checkout.h; empty: the service's own page */
	char         *checkout_url_secret;
	char         *payment_instructions; /* "|" ends a line; empty: none */
	char         *pidfile;
	char         *user;               /* to become when started as root; empty: stay */
	int64_t       rate_limit;         /* rate_pack(); of each environment */
	int64_t       tenant_share;       /* percent of the workers; 100: no rule */
	int64_t       keys_max;       /* of each environment, those that work */
	int64_t       prepared_statements; /* 0 or 1 */
	int64_t       sandbox;            /* CONF_SANDBOX_ */
	char         *log;                /* "stderr", "syslog" or a path */
	int64_t       log_format;         /* enum log_format */
	int64_t       log_level;          /* enum log_level */
	int64_t       request_log;        /* 0 or 1: a line for each request */
	int64_t       slow_request_ms;    /* 0: none is slow */
	int64_t       requests_kept;      /* 0: none */
	char         *database_owner_url; /* of the owner's file */

	bool          owner;              /* conf_allow_owner() */
	bool          owner_given;        /* an owner's key was set */
};

/* 16 MiB; a search of them all takes a worker up to ten milliseconds. */
enum { CONF_REQUESTS_KEPT_MAX = 65536 };

enum { CONF_SANDBOX_OFF, CONF_SANDBOX_ON, CONF_SANDBOX_LOG };

enum { CONF_WORKERS_AUTO = 0, CONF_WORKERS_DYNAMIC = -1, CONF_WORKERS_MAX = 512 };

/* Every key at its default. */
void conf_init(struct conf *c);
void conf_fini(struct conf *c);

/* name is as in the file; false when there is no such key or the value is out of bounds. */
bool conf_set(struct conf *c, const char *name, const char *value, struct buf *err) MUSTCHECK;

/* "--key=value" of the command line; dashes in the key are read as underscores. */
bool conf_set_flag(struct conf *c, const char *flag, struct buf *err) MUSTCHECK;

/* Whether a flag begins with "--" and a key of the table and '='. */
bool conf_is_flag(const char *flag);

/* The value in a flag that sets a key marked secret; NULL: it sets none. */
const char *conf_flag_secret(const char *flag);

bool conf_read_file(struct conf *c, const char *path, struct buf *err) MUSTCHECK;

/* For a process that does not serve: from now on the owner's keys are taken. */
void conf_allow_owner(struct conf *c);

/* The owner's file, which has the owner's keys and no others; after conf_allow_owner(). */
bool conf_read_owner_file(struct conf *c, const char *path, struct buf *err) MUSTCHECK;

/* The same for text in memory; origin is what messages call it. */
bool conf_read_text(struct conf *c, const char *origin, struct str text, struct buf *err) MUSTCHECK;

/*
 * Only variables named after keys are read: a container manager may set others with our prefix
 * (CLIENTELE_PORT for a service called "clientele").
 */
bool conf_read_env(struct conf *c, struct buf *err) MUSTCHECK;

/*
 * For a reload: keys that cannot change in a running service keep the values
 * of 'running'; names of those that were meant to change go into kept.
 */
void conf_keep_fixed(struct conf *next, const struct conf *running, struct buf *kept);

/* One "key = value" a line, in the file's own syntax; without the owner's keys. */
void conf_print(const struct conf *c, struct buf *out);

/* A time as keys take it, "90s" or "24h"; false when it is malformed or out of bounds. */
bool conf_time(struct str text, int64_t min_ms, int64_t max_ms, int64_t *out_ms) MUSTCHECK;

/* Whether a key of the table has its default. */
bool conf_is_default(const struct conf *c, const char *name);

/* The table, for tests that compare it with the sample; returns the name, NULL past the end. */
const char *conf_key(size_t i, const char **dflt, const char **sentence);

#endif
