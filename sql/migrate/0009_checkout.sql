-- class: online
-- What the checkout page of a subscription asks to pay: the invoice's id, total and currency, with
-- blanks between them; NULL for one that only asks for a trial to be begun. A function, because a
-- statement opens all tables that it joins, and most subscriptions have no checkout page.
CREATE FUNCTION billing_asked(environment uuid, subscription uuid, status text, change uuid)
    RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT concat_ws(' ', i.id, i.total, i.currency)
              FROM invoice i
             WHERE i.environment_id = environment AND i.subscription_id = subscription
               AND i.status = 'outstanding'
               AND (billing_asked.status = 'pending_payment' OR i.id = change)
             LIMIT 1);
