-- class: online
-- What is told of a subscription can be told late, and then it is another one. So each event keeps
-- how it was: billing_save has the members. What never changes (an invoice's number, a name of a
-- subscription) is read where it stands.
ALTER TABLE event ADD COLUMN state json;
COMMENT ON COLUMN event.state IS
    'of an event of a subscription: how that was when its change was done; ids in it are uuids';
-- A reason to cancel may name a person, so an erase empties it: of the customer who was noted.
CREATE POLICY noted ON event AS RESTRICTIVE FOR UPDATE TO clientele_serve
    USING (customer_id = app_customer());
GRANT SELECT (state), UPDATE (state) ON event TO clientele_serve;
