/*
 * Where a customer pays: a page of the service, or by the key checkout_url_template one of the
 * operator's own. A trial is begun on the former alone: no call of the API could do it. What stands
 * in the template for these is percent-encoded:
 *
 *	{subscription}  its id
 *	{invoice}       the id of the invoice that is to be paid
 *	{amount}        what is to be paid, in the minor unit
 *	{currency}      as in "usd"
 *	{success_url}   where the customer goes on, as it was sent; empty if it was not
 *	{sig}           HMAC-SHA256 over these five, with a line feed between two of them, with the
 *	                bytes of checkout_url_secret as the key: 64 digits, lower-case
 */
#ifndef BILLING_CHECKOUT_H
#define BILLING_CHECKOUT_H

#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf.h"

struct life;

/* False: err has the mistake in the template, or in what it needs. */
bool checkout_check(const struct conf *conf, struct buf *err) MUSTCHECK;

/* Absent if there is nothing to pay and nothing to begin. */
struct str checkout_url(struct arena *a, const struct conf *conf, const struct life *l);

#endif
