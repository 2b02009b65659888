-- class: online
-- Gadgets. As in every table of a tenant's data, the environment comes first in each key, row-level
-- security is forced, indexed text has COLLATE "C", and the serving role gets only what it needs.

CREATE TABLE gadget (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    code           text COLLATE "C" NOT NULL,
    color          text,
    size           bigint NOT NULL,
    part_of        uuid,
    created_at     timestamptz(3) NOT NULL,
    updated_at     timestamptz(3) NOT NULL,
    PRIMARY KEY (environment_id, id),
    CONSTRAINT gadget_code UNIQUE (environment_id, code)
);
COMMENT ON COLUMN gadget.id IS
    'UUIDv7: its order is the order of creation, so the primary key serves lists and cursors';

ALTER TABLE gadget ENABLE ROW LEVEL SECURITY;
ALTER TABLE gadget FORCE ROW LEVEL SECURITY;
CREATE POLICY environment ON gadget USING (environment_id = app_environment());
GRANT SELECT, INSERT, UPDATE (code, color, size, part_of, updated_at) ON gadget TO clientele_serve;
