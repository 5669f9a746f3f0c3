-- Data: the currencies that the platform knows, and one bounded batch for each new column.

-- Validation reads every row, but under SHARE UPDATE EXCLUSIVE, which the application does not feel. It comes before
-- the updates, so that it does not read their new row versions as well.
ALTER TABLE donations VALIDATE CONSTRAINT donations_status_check;

CREATE TABLE IF NOT EXISTS currencies (
    code        text     PRIMARY KEY CHECK (code ~ '^[A-Z]{3}$'),
    name        text     NOT NULL,
    -- digits after the decimal point: 2 for euro, 0 for yen
    minor_units smallint NOT NULL
);

-- ON CONFLICT DO NOTHING: a platform that has some of these rows already keeps its own.
INSERT INTO currencies (code, name, minor_units) VALUES
    ('EUR', 'Euro', 2),
    ('USD', 'US dollar', 2),
    ('GBP', 'Pound sterling', 2),
    ('CHF', 'Swiss franc', 2),
    ('JPY', 'Yen', 0),
    ('IDR', 'Rupiah', 2)
ON CONFLICT (code) DO NOTHING;

-- Row locks are held until the commit, so a batch has an upper bound. What is older than sixty days was settled long
-- ago; a larger platform repeats this statement in further files until it changes no row.
UPDATE donations
SET status = 'settled'
WHERE id IN (
    SELECT id
    FROM donations
    WHERE status = 'received' AND created_at < now() - interval '60 days'
    ORDER BY created_at
    LIMIT 5000
);

UPDATE users
SET last_donated_at = latest.donated_at
FROM (
    SELECT user_id, max(created_at) AS donated_at
    FROM donations
    GROUP BY user_id
) AS latest
WHERE users.id = latest.user_id
  AND users.id BETWEEN 1 AND 5000
  AND users.last_donated_at IS NULL;

-- The reference of 0005 holds for new rows since it was added; this has the older ones checked. Deferred together
-- with it where there is no table of sessions.
-- changeover: when table sessions
ALTER TABLE donation_transactions VALIDATE CONSTRAINT donation_transactions_session_id_fkey;
