-- Columns that the application expects on donations. The table is busy: ACCESS EXCLUSIVE has to wait for a report
-- that reads it, and everybody who comes later would wait behind us. Nothing below looks at rows, so once the lock
-- is there, the work takes milliseconds; until then changeover gives way and tries again.

ALTER TABLE donations ADD COLUMN IF NOT EXISTS status text NOT NULL DEFAULT 'received';
ALTER TABLE donations ADD COLUMN IF NOT EXISTS session_id uuid;
ALTER TABLE donations ADD COLUMN IF NOT EXISTS refunded_at timestamptz;

-- NOT VALID: holds for every row from now on, without reading those that are there. 0008 has them checked, under a
-- lock that lets the application go on.
ALTER TABLE donations
    ADD CONSTRAINT donations_status_check
    CHECK (status IN ('received', 'settled', 'refunded', 'disputed')) NOT VALID;
