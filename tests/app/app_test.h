/*
 * The whole API in one process against a real database: what the tests in this
 * folder share.
 *
 * Needs      CLIENTELE_TEST_SERVE_URL (serving role) and CLIENTELE_TEST_OWNER_URL,
 *            a migrated database. Without them app_test_begin() ends the program
 *            as skipped; scripts/check app sets them.
 * Tenants    Each program makes two organizations of its own, so programs do not
 *            meet in one database.
 */
#ifndef TESTS_APP_TEST_H
#define TESTS_APP_TEST_H

#include "app/app.h"
#include "base/id.h"
#include "db/db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum tenant_name { ACME_LIVE, ACME_SANDBOX, OTHER_LIVE, TENANTS };

extern struct app     *test_app;
extern struct buckets *test_buckets;
extern struct db      *test_owner;     /* as the owner: sees what it enters */
extern struct db      *test_serve;     /* as the serving role */
extern struct arena    test_arena;     /* reset by each send() */
extern struct arena    test_kept;      /* never reset */
extern struct response test_response;
extern struct facts    test_facts;     /* of the last request */
extern struct conf     test_conf;      /* may be changed between two requests */
extern struct id       test_environment[TENANTS];
extern const char     *test_key[TENANTS];

void app_test_begin(void);
void app_test_end(void);

struct sent {
	enum tenant_name who;
	const char      *method, *uri, *body;
	const char      *version;  /* Commet-Version, or NULL */
	const char      *idem;     /* Idempotency-Key, or NULL */
	const char      *key;      /* instead of who's, or NULL */
	const char      *request_id, *refused; /* or NULL */
	const char      *prefer, *authorization, *trace, *match, *address; /* or NULL */
	const char      *cookie, *csrf; /* of a session, which makes the call instead of who; or NULL */
	const char      *user;    /* for whom the front server vouches, or NULL */
	const char      *type;    /* of the body, or NULL */
	bool             too_large;            /* its body was not read */
	const struct peer *peer;               /* or NULL: nobody who could leave */
	unsigned         often[HEADER__COUNT]; /* how often a header was sent; 0: once, if it has a value */
};

/* Sends one request; returns the status. The answer is in test_response until the next one. */
int send_request(const struct sent *s);
#define SEND(...) send_request(&(struct sent) { __VA_ARGS__ })

/* The answer's body; kept() makes a copy that lasts. */
struct str body(void);
struct str kept(struct str s);

/* Source text of the value at a dotted path ("data.0.id") of the body; absent when there is none. */
struct str at(const char *path);
bool       at_is(const char *path, const char *json);

/* Rows of a table in one environment, seen as the owner. */
int64_t count_customers(enum tenant_name who);

/* Lines of the log that hold the text, since log_keep(); until log_count() they are shown nowhere. */
void     log_keep(void);
unsigned log_count(const char *text);

/* A text that no other test uses. */
const char *fresh(const char *prefix);

/* The path of a route in the current version; each parameter is "x". */
struct route;
const char *test_path_of(const struct route *route);

#endif
