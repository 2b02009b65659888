/*
 * A plan group: plans within which a subscription may change, in the order that says which way is
 * up. A plan is in at most one group, and says itself which one.
 *
 * Lifetime   Views into the request, its arena, or a transaction's result.
 */
#ifndef RESOURCE_PLAN_GROUP_PLAN_GROUP_H
#define RESOURCE_PLAN_GROUP_PLAN_GROUP_H

#include "call/stored.h"

enum {
	/* The contract names no lengths; these are those of plans. */
	PLAN_GROUP_NAME_MAX_CHARS = 200,
	PLAN_GROUP_DESCRIPTION_MAX_CHARS = 2000,
	/* A GET shows them all; as many as a page of a list has. Also in sql/query. */
	PLAN_GROUP_PLANS_MAX = 100,
};

/* What a client can set, in the order of plan_group_update's bits (sql/query). */
enum member_of_group { MEMBER_NAME, MEMBER_DESCRIPTION, MEMBER_IS_PUBLIC };

struct plan_group {
	struct id  id;
	struct str name;
	struct str description; /* or absent */
	bool       is_public;
	struct str plans;       /* a cell with rows, or absent */
	int64_t    created_ms, updated_ms;
	unsigned   given;       /* by a request: a bit for each member */
};

/* Where a field is shown. */
enum group_view {
	GROUP_PLAIN = 1,
	GROUP_DETAILED = 2, /* the answer to a GET of one group */
	GROUP_DELETED = 4,
	GROUP_ORDERED = 8,  /* the answer when its plans were put in order */
	GROUP_JOINED = 16,  /* the answer when a plan was added, in earlier versions */
	MEMBER_LISTED = 32, /* a plan in its group */
	MEMBER_ADDED = 64,
	MEMBER_REMOVED = 128,
};

extern const struct fields group_fields, group_member_fields;

/* The calls below /plan-groups/{id}/plans (members.c). */
enum err member_add(struct call *c);
enum err member_remove(struct call *c);
enum err member_reorder(struct call *c);

#endif
