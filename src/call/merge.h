/*
 * Merge patches (application/merge-patch+json, RFC 7396) by the tables of fields: null takes a
 * member away, members of an object that are not given stay, and what comes of it obeys the rules
 * of an update.
 *
 * Same       Without that type of body null means 'not given', and objects are replaced as a whole.
 */
#ifndef CALL_MERGE_H
#define CALL_MERGE_H

#include "call/field.h"

/*
 * Reads the body by the present state (the resource's struct) into *change: as field_read_body()
 * does, but with null and objects as above. ERR_TOO_LARGE, ERR_INVALID_JSON, ERR_VALIDATION.
 */
enum err merge_read_body(struct call *c, const struct fields *f, const void *present, void *change);

#endif
