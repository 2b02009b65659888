-- class: online
-- How far the import of a file has got, written in the transaction of the customers that it wrote.
-- So whoever goes on after a crash, with the same file and the same rules, begins where these end.

CREATE TABLE import (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    digest         bytea NOT NULL CHECK (length(digest) = 32),
    lines          bigint NOT NULL,
    read           bigint NOT NULL DEFAULT 0,
    created        bigint NOT NULL DEFAULT 0,
    existing       bigint NOT NULL DEFAULT 0,
    updated        bigint NOT NULL DEFAULT 0,
    failed         bigint NOT NULL DEFAULT 0,
    bytes          bigint NOT NULL,
    line           bigint NOT NULL,
    result_bytes   bigint NOT NULL DEFAULT 0,
    started_at     timestamptz(3) NOT NULL DEFAULT now(),
    ended_at       timestamptz(3),
    PRIMARY KEY (environment_id, id),
    CONSTRAINT import_digest UNIQUE (environment_id, digest)
);
COMMENT ON COLUMN import.digest IS 'a hash of the file and the rules: which import it is';
COMMENT ON COLUMN import.lines IS 'records of the file';
COMMENT ON COLUMN import.bytes IS 'of the file, those that are done; and line: its lines';
COMMENT ON COLUMN import.result_bytes IS 'how much of the file of results is about them';

ALTER TABLE import ENABLE ROW LEVEL SECURITY;
ALTER TABLE import FORCE ROW LEVEL SECURITY;
CREATE POLICY environment ON import USING (environment_id = app_environment());
-- The owner imports, on the command line. (The check of the serving role looks for these two on
-- every table with tenants' rows.)
GRANT SELECT, INSERT ON import TO clientele_serve;
