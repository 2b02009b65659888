-- class: online
-- Undoing a merge takes along what was told of the customer's subscriptions meanwhile, and takes
-- the customer out of what later merges have noted. Policies say which rows (noted).

GRANT UPDATE (credit, subscriptions, others) ON customer_merge TO clientele_serve;
GRANT UPDATE (customer_id) ON event TO clientele_serve;
GRANT UPDATE (about, about_many) ON idempotency_key TO clientele_serve;
