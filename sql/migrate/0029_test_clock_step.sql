-- class: online
-- Runs of test clocks take turns: the one whose last step lies back the longest has the next one.
ALTER TABLE test_clock_run ADD COLUMN stepped_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN test_clock_run.stepped_at IS
    'when it last carried out a deadline, or when it was asked for';

-- The few that are open are found by test_clock_run_open. An index by this column would have an
-- entry more for each deadline.
DROP INDEX test_clock_run_due;

GRANT UPDATE (stepped_at) ON test_clock_run TO clientele_serve;
