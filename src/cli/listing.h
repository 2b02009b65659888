/*
 * Results of a command: an aligned table for people, or JSON. And where most of them come from:
 * rows of environments, which a table of columns describes.
 *
 * Lifetime   Cells are views that must live until listing_print().
 * Hidden     characters of a cell (base/utf8.h) are escaped, so that each row is a line.
 */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "cli/owner.h"

enum { LISTING_COLUMNS_MAX = 26 };

struct listing {
	struct arena      *arena;
	const char *const *columns; /* names, JSON's member names too */
	size_t             width;   /* columns */
	unsigned           raw;     /* bits of the columns whose cells are JSON: numbers, objects */
	bool               upright; /* for people: a line for each cell, not for each row */
	size_t             rows, capacity;
	struct str        *cells;   /* absent: "-" for people, null in JSON */
};

void listing_init(struct listing *l, struct arena *a, const char *const *columns, size_t width);

/* A new row to fill, width cells. */
struct str *listing_row(struct listing *l);

void listing_print(const struct listing *l, bool json);

/* As JSON: an array of objects. It lives as long as the arena. */
struct str listing_json(const struct listing *l);

/* As CSV (RFC 4180), with a line of names; an absent cell is empty. */
void listing_print_csv(const struct listing *l);

/* ---- rows of environments ---- */

enum listing_kind {
	LISTING_ORGANIZATION, LISTING_ENVIRONMENT, /* those that the row is in */
	LISTING_ID,                                /* 'prefix' and a uuid */
	LISTING_TEXT,
	LISTING_TIME,
	LISTING_NUMBER,                            /* these three are themselves in JSON */
	LISTING_BOOL,
	LISTING_JSON,
};

typedef struct str listing_make_fn(struct owner *o, const struct row *row, int column);

struct listing_column {
	const char       *name;
	enum listing_kind kind;
	int               at;     /* which of the result; NULL there is an absent cell */
	struct str        prefix;
	listing_make_fn  *make;   /* or NULL: makes the cell of a text or of JSON from it */
};

#define LISTING_CELL(name, kind, at) { (name), LISTING_##kind, (at), STR_NONE, NULL }
#define LISTING_REF(name, prefix, at) { (name), LISTING_ID, (at), prefix, NULL }
#define LISTING_MADE(name, kind, at, make) { (name), LISTING_##kind, (at), STR_NONE, (make) }
/* The first two of a view across environments. */
#define LISTING_PLACE \
	LISTING_CELL("organization", ORGANIZATION, 0), LISTING_CELL("environment", ENVIRONMENT, 0)

struct listing_view {
	const struct listing_column *columns;
	size_t                       width;
	bool                         upright;
};

#define LISTING_VIEW(table, is_upright) { (table), COUNTOF(table), (is_upright) }

/*
 * Looks into each environment that --org and --env leave: a row for each that the statement has
 * there. Its first parameter is the environment; 'bind' binds the others, and may be NULL.
 */
typedef void listing_bind_fn(struct bind *b, const void *with);
int listing_read(struct cmd_context *ctx, const struct listing_view *view, enum sql_id statement,
    listing_bind_fn *bind, const void *with, struct listing *out) MUSTCHECK;

/* A command that shows one, which was asked for as 'text'; EXIT_UNKNOWN when there is none. */
int listing_show(struct cmd_context *ctx, const struct listing_view *view,
    const struct owner_noun *noun, enum sql_id statement, listing_bind_fn *bind, const void *with,
    const char *text) MUSTCHECK;

/* The same for what is found by its id alone; EXIT_USAGE when the text is no such id. */
int listing_show_id(struct cmd_context *ctx, const struct listing_view *view,
    const struct owner_noun *noun, enum sql_id statement, const char *text) MUSTCHECK;

/*
 * A command that lists one environment, newest first, by --first and --after. Statements take
 * $1 environment, $2 id of the last row of an earlier list, $3 rows; 'of_state' also $4 state;
 * 'of_customer' also $4 state or NULL, $5 a customer's public id or NULL, $6 his external id.
 */
struct listing_pages {
	const struct owner_noun *noun;
	struct listing_view      view;
	enum sql_id              all, of_state, of_customer;
	const char              *states; /* "a|b|c": what --state may be; NULL: it has none */
};

int listing_page(struct cmd_context *ctx, const struct listing_pages *pages) MUSTCHECK;

/* Binds two parameters for either of a customer's ids: the public one or NULL, and the text. */
void listing_bind_customer(struct bind *b, struct str ref);

#endif
