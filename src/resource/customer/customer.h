/*
 * A customer.
 *
 * Lifetime   Views into the request, its arena, or a transaction's result.
 * Invariant  What comes from the database or has passed fields_read() obeys the
 *            rules of contract section 3.
 */
#ifndef RESOURCE_CUSTOMER_CUSTOMER_H
#define RESOURCE_CUSTOMER_CUSTOMER_H

#include "base/id.h"
#include "base/str.h"

/* What a client can set. The order of the first eight is the order of bits in customer_update (sql/query). */
enum member {
	MEMBER_EXTERNAL_ID,
	MEMBER_EMAIL,
	MEMBER_FULL_NAME,
	MEMBER_TAX_DOCUMENT,
	MEMBER_ADDRESS,
	MEMBER_TIMEZONE,
	MEMBER_METADATA,
	MEMBER_IS_ACTIVE,
	MEMBER_ADDRESS_ID,
	MEMBER__COUNT
};

struct customer {
	struct id  id;
	struct str external_id;  /* or absent */
	struct str email;
	struct str full_name;    /* or absent */
	struct str tax_document; /* or absent */
	struct str address;      /* JSON of the known members, or absent */
	struct str timezone;
	struct str metadata;     /* JSON as it came */
	bool       is_active;
	struct id  address_id;   /* only on its way in */
	int64_t    created_ms, updated_ms;
	unsigned   given;        /* a request's: bit of each member that it sets */
	bool       existing;     /* a create's: it was there before */
};

#define CUSTOMER_PREFIX STR("cus_")

static inline bool
customer_gives(const struct customer *c, enum member m)
{
	return c->given & (1u << m);
}

#endif
