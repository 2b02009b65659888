/*
 * Calls of the API that an operator makes on the command line: with its rules, sentences,
 * statements and events, as the owner of the database, and in an environment of his choice. So a
 * command knows no field of a resource, and has each filter that a list has.
 *
 * Version    The current one. What the API does not know in it is refused, not ignored.
 * Lifetime   Answers live as long as the owner's arena.
 */
#ifndef CLI_OPERATE_H
#define CLI_OPERATE_H

#include "cli/listing.h"
#include "http/request.h"
#include "json/jread.h"

struct operate_answer {
	struct jdoc doc;
	struct str  result; /* of a create: "created" or "existing"; else absent */
	struct str  merged; /* into whom the customer that was asked for was merged, or absent */
};

/*
 * Makes the call. path is below the API's base, escaped, perhaps with a query; body is empty where
 * there is none. 0, or an exit code, and stderr says what is wrong.
 */
int operate(struct owner *o, const struct owner_environment *e, enum method method,
    struct str path, struct str body, struct operate_answer *out) MUSTCHECK;

/*
 * The body that words "FIELD=TEXT" and "FIELD:=JSON" make; a single "-": what standard input has.
 * NULL is behind the last word. 0, or an exit code.
 */
int operate_body(struct owner *o, char **words, struct str *out) MUSTCHECK;

/* Cuts "NAME=VALUE"; EXIT_USAGE when there is no '=' or no name. what: "FILTER", to say so. */
int operate_pair(const char *word, const char *what, struct str *name, struct str *value) MUSTCHECK;

/* A new row of the members that the listing's columns name, which makes JSON of what is no text. */
void operate_row(struct listing *l, const struct jdoc *doc, const struct jnode *object);

/* base and text, which is escaped. */
struct str operate_path(struct owner *o, const char *base, struct str text);

#endif
