-- class: online
-- What the checkout page of a subscription asks to pay: the invoice's id, total and currency, with
-- blanks between them; NULL for one that only asks for a trial to be begun. A function, because a
-- statement opens all tables that it joins, and most subscriptions have no checkout page. Its body
-- is a text: so PostgreSQL lets a later migration change the types of the columns.
CREATE FUNCTION billing_asked(environment uuid, subscription uuid, status text, change uuid)
    RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
        SELECT concat_ws(' ', i.id, i.total, i.currency)
          FROM invoice i
         WHERE i.environment_id = $1 AND i.subscription_id = $2 AND i.status = 'outstanding'
           AND ($3 = 'pending_payment' OR i.id = $4)
         LIMIT 1
    $$;
