-- Run in the demo's database, as its owner, when the operator asks for it: the table that the deferred steps of the
-- migrations wait for. May be run again.
--
-- The demo's traffic takes its session numbers from this fixed set of five hundred, whether the table is there or
-- not: whatever it has written matches, and so does what it writes while this runs.

CREATE TABLE IF NOT EXISTS sessions (
    id         uuid        PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO sessions (id)
SELECT md5('session ' || n)::uuid
FROM generate_series(1, 500) AS n
ON CONFLICT (id) DO NOTHING;
