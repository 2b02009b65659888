/*
 * The pages for people: an invoice, and the checkout of a subscription. Whoever knows the address
 * of one may see it: its last part is a secret (billing_token()), which also says whose it is.
 *
 * Missing    A token that is wrong, malformed or no longer good gets one and the same answer.
 * Share      Nobody knows whose request it is before it is looked up, so all pages together have
 *            the share of one tenant (call/share.h), and take nothing of a rate limit.
 */
#ifndef SITE_SITE_H
#define SITE_SITE_H

#include "call/call.h"

enum err site_invoice(struct call *c);
enum err site_checkout(struct call *c);
enum err site_checkout_deed(struct call *c);

/* ---- what they share (site.c) ---- */

/* Ends a handler that found nothing. */
enum err site_missing(struct call *c);

/*
 * The token of the path, in *token, and its environment in c->tenant. False: it is none, and the
 * handler ends with site_missing().
 */
bool site_token(struct call *c, struct str *token) MUSTCHECK;

/* What both show. */
struct sale {
	bool       livemode;
	struct str seller, currency;
	int64_t    subtotal, credit, total;
	struct str lines;        /* a cell with rows (sql/query/invoice.sql) */
	struct str instructions; /* the environment's own, or absent */
};

/* A note that nothing is real here, if so. */
void site_note(struct call *c, const struct sale *sale);

/* A name and its value; nothing if that is absent. In a list that the caller begins and ends. */
void site_row(struct call *c, const char *name, struct str value);

/* The lines, credit and total. */
void site_sum(struct call *c, const struct sale *sale);

/* How to pay, if anybody has said it: the environment, or else the configuration. */
void site_instructions(struct call *c, const struct sale *sale);

#endif
