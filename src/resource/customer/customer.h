/*
 * A customer.
 *
 * Lifetime   Views into the request, its arena, or a transaction's result.
 * Invariant  What comes from the database or has passed field_read() obeys the
 *            rules of contract section 3.
 */
#ifndef RESOURCE_CUSTOMER_CUSTOMER_H
#define RESOURCE_CUSTOMER_CUSTOMER_H

#include "call/field.h"

/* Contract section 3. Characters are Unicode code points. */
enum {
	CUSTOMER_EMAIL_MAX_CHARS = 200,
	CUSTOMER_EXTERNAL_ID_MAX_CHARS = 100,
	CUSTOMER_NAME_MAX_CHARS = 200,
	CUSTOMER_TAX_DOCUMENT_MAX_CHARS = 100,
	/* Of each part. The contract does not say; 200 is the longest field that it names. */
	CUSTOMER_ADDRESS_MAX_CHARS = 200,
	CUSTOMER_BATCH_MAX = 100,
	CUSTOMER_SEARCH_MAX_CHARS = 200,
	CUSTOMER_EXPORT_MAX = 500, /* of a page; with 16 KiB of metadata each they are 8 MiB */
	/*
	 * Customers that a page looks at for filters that no index serves; the next page goes on
	 * from there. At 6 us each it has an end after a third of a second.
	 */
	CUSTOMER_LOOKED_AT = 50000,
};

/* What a client can set. The first eight are in the order of customer_update's bits (sql/query). */
enum member_of_customer {
	MEMBER_EXTERNAL_ID,
	MEMBER_EMAIL,
	MEMBER_FULL_NAME,
	MEMBER_TAX_DOCUMENT,
	MEMBER_ADDRESS,
	MEMBER_TIMEZONE,
	MEMBER_METADATA,
	MEMBER_IS_ACTIVE,
	MEMBER_ADDRESS_ID,
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
	struct str history;      /* of a new one: the digest of its event */
	struct str address_id;   /* 16 bytes, from a request, or absent; it is not read back */
	struct live {
		struct id  id;       /* nil: there is none */
		struct str status;
		struct id  plan_id;
		struct str plan_code, plan_name;
		int64_t    period_end_ms;
		bool       cancels;
	} live;                  /* the subscription, where one customer was read */
	struct str beside;       /* all that is read of it: what the answer shows beside the row */
	int64_t    created_ms, updated_ms;
	int64_t    archived_ms;  /* 0: it is not */
	int64_t    revision;
	unsigned   given;        /* by a request: a bit for each member */
	bool       existing;     /* after a create: the customer was there before, */
	bool       changed;      /*   and has been changed by it */
};

/* Where a field is shown. */
enum customer_view {
	CUSTOMER_PLAIN = 1,
	CUSTOMER_DETAILED = 2, /* the answer to a GET of one customer */
	CUSTOMER_BRIEF = 4,    /* an element of a batch's answer */
	CUSTOMER_ERASED = 8,   /* what is left to say when it was erased */
	CUSTOMER_PAST = 16,    /* one as it was: without what the history does not have */
	CUSTOMER_ALL = 23,     /* but of one that was erased */
};

extern const struct fields customer_fields;

/* The values of what a create does not give. */
extern const struct customer customer_defaults;

#endif
