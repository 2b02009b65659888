/*
 * Rows of a resource on their way to an answer: what every resource does with the columns of its
 * table (call/field.h). The statements given to these functions return those columns first.
 *
 *	bind_id(call_read(c, &tx, SQL_THING_GET), stored_id(c, &thing_fields, 0));
 *	return stored_get(c, &thing_fields, &tx, THING_SHOWN);
 *
 * Missing    Where there is no row, the problem is 'missing' of the fields.
 * Lifetime   What is read lives as long as the request's arena.
 */
#ifndef CALL_STORED_H
#define CALL_STORED_H

#include "call/field.h"
#include "call/page.h"
#include "call/write.h"

/*
 * The n-th parameter of the path as an id of the resource; NULL if it is not one. Bound as a
 * statement's parameter, NULL finds nothing.
 */
const struct id *stored_id(struct call *c, const struct fields *f, size_t n);

/* Ends a handler that found nothing. */
enum err stored_missing(struct call *c, const struct fields *f);

/* Fills *out, the resource's struct, from a row; members without a column become zero. */
void stored_read(const struct row *r, const struct fields *f, void *out);

/* Binds all columns as parameters, in their order. */
void stored_bind(struct bind *b, const struct fields *f, const void *from);

/*
 * Binds two parameters by which a row is found: the reference as an id of the resource, or NULL if
 * it is none, and as it is, for those that have another name.
 */
void stored_bind_ref(struct bind *b, const struct fields *f, struct str ref);

/* ---- one ---- */

/* Runs the transaction that call_read() prepared, and reads its only row. */
enum err stored_find(struct call *c, const struct fields *f, struct tx *tx, void *out);

/* Does that, and answers with it. */
enum err stored_get(struct call *c, const struct fields *f, struct tx *tx, unsigned view);

/* For 'make' of a write: answers with the row that a step returned; 201 with its Location. */
enum err stored_returned(struct write *w, size_t step, int status, const struct fields *f,
    unsigned view);

/* ---- a page of a list ---- */

/*
 * Prepares the transaction that reads a page. The statement takes $1 environment, $2 id of the last
 * row before the page, $3 rows; the caller binds what comes after them.
 */
struct bind *stored_ask(struct call *c, struct tx *tx, enum sql_id statement,
    const struct page *page);

/*
 * Runs that transaction, and answers with the page: with fewer rows, and the cursor of the last of
 * them, where an answer does not hold all.
 */
enum err stored_page(struct call *c, const struct fields *f, struct tx *tx, const struct page *page,
    unsigned view);

/* The whole handler of a list without filters: reads the query, then does both. */
enum err stored_list(struct call *c, const struct fields *f, enum sql_id statement, unsigned view);

#endif
