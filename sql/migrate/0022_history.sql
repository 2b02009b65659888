-- class: offline
-- The history of customers: who changed what, from the events, which each change writes as before.
--
-- The events of a customer's own changes are a chain. The digest of each covers the digest of the
-- one before it, its type, time and source, and the seal of its content; the customer's row
-- has the newest digest, and its lock puts the changes into an order. The seal is a digest of the
-- content with a random salt, so that it says nothing of a content and a salt that were erased.
-- Events from before this migration have no digest, and a chain begins with the first that has one.

-- Who does what this transaction does, and in which request: an API key, in its uuid's spelling;
-- 'page', somebody at a page for people; 'command'; or 'service', what is due. Then a blank and the
-- id of the request, if there is one. Workers and commands set it, in one setting: that is cheaper.
CREATE FUNCTION app_source() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN coalesce(nullif(current_setting('app.source', true), ''), 'service');

CREATE FUNCTION history_seal(salt bytea, content text) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN sha256(salt || convert_to(content, 'UTF8'));
-- Neither text has a line feed. former: of the event before; NULL for the first one. A worker makes
-- the digests of creations itself (src/resource/customer/store.c), which is cheaper.
CREATE FUNCTION history_digest(former bytea, customer uuid, type text, at timestamptz, source text,
                               seal bytea) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN sha256(coalesce(former, ''::bytea) || uuid_send(customer) || timestamptz_send(at)
                  || convert_to(type || E'\n' || coalesce(source, '') || E'\n', 'UTF8')
                  || coalesce(seal, ''::bytea));

-- What the event of a change says: before and after of the members whose bits are set. In PL/pgSQL,
-- because a statement prepares all of its expressions each time that it runs, and of these most
-- changes need few.
CREATE FUNCTION customer_change(bits bigint,
        external_id text, new_external_id text, email text, new_email text,
        full_name text, new_full_name text, tax_document text, new_tax_document text,
        address json, new_address json, timezone text, new_timezone text,
        metadata json, new_metadata json, is_active boolean, new_is_active boolean) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
DECLARE
    before text := '';
    after  text := '';
BEGIN
    IF bits & 1 <> 0 THEN
        before := before || ',"externalId":' || coalesce(to_json(external_id)::text, 'null');
        after := after || ',"externalId":' || coalesce(to_json(new_external_id)::text, 'null');
    END IF;
    IF bits & 2 <> 0 THEN
        before := before || ',"email":' || to_json(email)::text;
        after := after || ',"email":' || to_json(new_email)::text;
    END IF;
    IF bits & 4 <> 0 THEN
        before := before || ',"fullName":' || coalesce(to_json(full_name)::text, 'null');
        after := after || ',"fullName":' || coalesce(to_json(new_full_name)::text, 'null');
    END IF;
    IF bits & 8 <> 0 THEN
        before := before || ',"taxDocument":' || coalesce(to_json(tax_document)::text, 'null');
        after := after || ',"taxDocument":' || coalesce(to_json(new_tax_document)::text, 'null');
    END IF;
    IF bits & 16 <> 0 THEN
        before := before || ',"address":' || coalesce(address::text, 'null');
        after := after || ',"address":' || coalesce(new_address::text, 'null');
    END IF;
    IF bits & 32 <> 0 THEN
        before := before || ',"timezone":' || to_json(timezone)::text;
        after := after || ',"timezone":' || to_json(new_timezone)::text;
    END IF;
    IF bits & 64 <> 0 THEN
        before := before || ',"metadata":' || metadata::text;
        after := after || ',"metadata":' || new_metadata::text;
    END IF;
    IF bits & 128 <> 0 THEN
        before := before || ',"isActive":' || to_json(is_active)::text;
        after := after || ',"isActive":' || to_json(new_is_active)::text;
    END IF;
    RETURN '{"before":{' || substr(before, 2) || '},"after":{' || substr(after, 2) || '}}';
END
    $$;

ALTER TABLE event
    ADD COLUMN source text,
    ADD COLUMN salt   bytea,
    ADD COLUMN seal   bytea,
    ADD COLUMN digest bytea;
ALTER TABLE event ALTER COLUMN source SET DEFAULT app_source();
COMMENT ON COLUMN event.source IS 'as app_source() has it; NULL: from before there was a history';
COMMENT ON COLUMN event.data IS
    'what was so at that moment and cannot be read later; ids in it are uuids. Of a change of a '
    'customer: before and after, with the changed members alone';

ALTER TABLE customer ADD COLUMN history bytea;
COMMENT ON COLUMN customer.history IS
    'the digest of its newest event; NULL: not changed since there is a history';

-- An erase takes content and salt away, of the customer who was noted alone (policy noted).
GRANT SELECT (source, seal), UPDATE (data, salt) ON event TO clientele_serve;
GRANT UPDATE (history) ON customer TO clientele_serve;
