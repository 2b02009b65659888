-- class: online
-- Files that are sent to the API to be imported: what is to be done with each and how far that has
-- got, the parts in which it comes, and what has become of its lines. The clerk does the work.

CREATE TABLE import_job (
    environment_id  uuid NOT NULL,
    id              uuid NOT NULL,
    status          text COLLATE "C" NOT NULL
                    CHECK (status IN ('receiving', 'queued', 'running', 'done', 'failed',
                                      'cancelled')),
    format          text COLLATE "C" NOT NULL CHECK (format IN ('ndjson', 'csv')),
    dry             boolean NOT NULL,
    conflict        text COLLATE "C" NOT NULL CHECK (conflict IN ('skip', 'update', 'fail')),
    keep_created_at boolean NOT NULL,
    key_id          uuid,
    source          text NOT NULL,
    parts           bigint NOT NULL DEFAULT 0,
    bytes           bigint NOT NULL DEFAULT 0,
    checked         boolean NOT NULL DEFAULT false,
    begins_bytes    bigint NOT NULL DEFAULT 0,
    begins_line     bigint NOT NULL DEFAULT 0,
    at_bytes        bigint NOT NULL DEFAULT 0,
    at_line         bigint NOT NULL DEFAULT 0,
    lines           bigint NOT NULL DEFAULT 0,
    created         bigint NOT NULL DEFAULT 0,
    existing        bigint NOT NULL DEFAULT 0,
    updated         bigint NOT NULL DEFAULT 0,
    failed          bigint NOT NULL DEFAULT 0,
    tries           bigint NOT NULL DEFAULT 0,
    reason          text,
    created_at      timestamptz(3) NOT NULL DEFAULT now(),
    touched_at      timestamptz(3) NOT NULL DEFAULT now(),
    queued_at       timestamptz(3),
    started_at      timestamptz(3),
    ended_at        timestamptz(3),
    swept           boolean NOT NULL DEFAULT false,
    PRIMARY KEY (environment_id, id)
);
COMMENT ON COLUMN import_job.key_id IS 'the API key that it was made with; NULL: the operator';
COMMENT ON COLUMN import_job.source IS 'what app_source() is while it is carried out';
COMMENT ON COLUMN import_job.checked IS 'the whole file has been read once, and can be imported';
COMMENT ON COLUMN import_job.begins_bytes IS
    'with begins_line: where the first record is, behind the names of CSV';
COMMENT ON COLUMN import_job.at_bytes IS 'with at_line: what is checked, and then what is done';
COMMENT ON COLUMN import_job.lines IS 'records of the file, those that are checked';
COMMENT ON COLUMN import_job.tries IS 'how often in a row a step failed';
COMMENT ON COLUMN import_job.touched_at IS 'when a part came, or a step was done';
COMMENT ON COLUMN import_job.swept IS 'it has ended, and has no parts any more';

CREATE INDEX import_job_open ON import_job (environment_id, queued_at, id) WHERE ended_at IS NULL;
CREATE INDEX import_job_receiving ON import_job (touched_at) WHERE status = 'receiving';
CREATE INDEX import_job_unswept ON import_job (ended_at) WHERE ended_at IS NOT NULL AND NOT swept;
CREATE INDEX import_job_old ON import_job (ended_at) WHERE ended_at IS NOT NULL AND swept;

CREATE TABLE import_part (
    environment_id uuid NOT NULL,
    import_id      uuid NOT NULL,
    number         bigint NOT NULL,
    bytes          bigint NOT NULL,
    digest         bytea NOT NULL,
    data           bytea NOT NULL,
    PRIMARY KEY (environment_id, import_id, number)
);
-- So that a piece of one can be read without the rest of it.
ALTER TABLE import_part ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE import_result (
    environment_id uuid NOT NULL,
    import_id      uuid NOT NULL,
    line           bigint NOT NULL,
    data           text NOT NULL,
    PRIMARY KEY (environment_id, import_id, line)
);
COMMENT ON COLUMN import_result.line IS 'the last line of the file that the results are about';

ALTER TABLE import_job ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_job FORCE ROW LEVEL SECURITY;
ALTER TABLE import_part ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_part FORCE ROW LEVEL SECURITY;
ALTER TABLE import_result ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_result FORCE ROW LEVEL SECURITY;
CREATE POLICY environment ON import_job USING (environment_id = app_environment());
CREATE POLICY environment ON import_part USING (environment_id = app_environment());
CREATE POLICY environment ON import_result USING (environment_id = app_environment());
-- As for runs of test clocks: the clerk finds one of any environment and locks it, then it enters
-- that.
CREATE POLICY clerk_sees ON import_job FOR SELECT
    USING (current_setting('app.clerk', true) = 'on');
CREATE POLICY clerk_locks ON import_job FOR UPDATE
    USING (current_setting('app.clerk', true) = 'on') WITH CHECK (false);

GRANT SELECT, INSERT, DELETE,
      UPDATE (status, parts, bytes, checked, begins_bytes, begins_line, at_bytes, at_line, lines,
              created, existing, updated, failed, tries, reason, touched_at, queued_at, started_at,
              ended_at, swept)
    ON import_job TO clientele_serve;
GRANT SELECT, INSERT, DELETE ON import_part, import_result TO clientele_serve;
