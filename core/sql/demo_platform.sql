-- Run once in the demo's database, as its owner: the donation platform before its migrations.
--
-- What the migrations have to cope with: users and donations lack columns; users.display_name is there already;
-- donations.amount_cents is an integer where the application wants a bigint; there is no table of sessions.
-- The rows are the same on every machine.

SELECT setseed(0.42);

ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE ON TABLES TO donation_app;

CREATE TABLE users (
    id           integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email        text        NOT NULL UNIQUE,
    display_name text,
    created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE donations (
    id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id      integer     NOT NULL REFERENCES users (id),
    amount_cents integer     NOT NULL CHECK (amount_cents > 0),
    currency     text        NOT NULL DEFAULT 'EUR',
    message      text,
    created_at   timestamptz NOT NULL DEFAULT now()
);

INSERT INTO users (email, display_name, created_at)
SELECT 'donor' || n || '@example.org',
       CASE WHEN n % 3 > 0 THEN 'Donor ' || n END,
       now() - random() * interval '3 years'
FROM generate_series(1, 3000) AS n;

INSERT INTO donations (id, user_id, amount_cents, currency, message, created_at)
SELECT md5('donation ' || n)::uuid,
       1 + floor(random() * 3000)::integer,
       100 * (1 + floor(random() ^ 4 * 500)::integer),
       (ARRAY['EUR', 'EUR', 'EUR', 'USD', 'GBP', 'CHF'])[1 + floor(random() * 6)::integer],
       CASE WHEN n % 5 = 0 THEN 'Keep up the good work!' END,
       now() - random() ^ 2 * interval '2 years'
FROM generate_series(1, 60000) AS n;

-- The application's front page shows the latest donations.
CREATE INDEX donations_created_at_idx ON donations (created_at DESC);

ANALYZE users, donations;
