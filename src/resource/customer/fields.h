/*
 * The fields of a customer: what each version takes and shows, in two tables.
 * A new field is a row in each, a member of struct customer, a column in
 * sql/query/customer.sql and a migration (HACKING.md has the steps).
 */
#ifndef RESOURCE_CUSTOMER_FIELDS_H
#define RESOURCE_CUSTOMER_FIELDS_H

#include "call/call.h"
#include "json/jread.h"
#include "resource/customer/customer.h"

enum fields_use { FIELDS_CREATE, FIELDS_UPDATE };

/* Broken rules of one object. There are fewer than 32 fields to break. */
enum { FAULTS_MAX = 32 };

struct faults {
	size_t                count;
	struct problem_detail fault[FAULTS_MAX]; /* field is relative to the object */
};

/*
 * Reads a JSON object (or an empty array, which clients send for an empty
 * object) by the rules of the call's version. On a create, members that were
 * not given get their defaults. faults tells every broken rule, not the first;
 * when there are any, *out is of no use.
 */
void fields_read(struct call *c, const struct jdoc *doc, const struct jnode *object,
    enum fields_use use, struct customer *out, struct faults *faults);

/* Whether the object has a string e-mail in any spelling. */
bool fields_has_email(const struct jdoc *doc, const struct jnode *object);

enum fields_view { FIELDS_PLAIN, FIELDS_DETAILED /* what only GET of one shows */ };

/* The resource as a JSON value; customer must live until the reply is sent. */
struct json_object *fields_write(struct call *c, const struct customer *customer, enum fields_view view);

/* An element of a batch's answer. */
struct json_object *fields_write_batched(struct call *c, const struct customer *customer, size_t index);

/* The "object" of a batch's answer in the call's version. */
struct str fields_batch_object(const struct call *c);

#endif
