-- What happened to the money of a donation: charges, fees, refunds.
--
-- No IF NOT EXISTS: a table of this name with other columns has to stop the migration, not to be taken for this one.

CREATE TABLE donation_transactions (
    id                 uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    -- The two references take SHARE ROW EXCLUSIVE on users and donations: readers go on, writers wait for the few
    -- milliseconds that this file takes. The new table is empty, so there is nothing to check.
    donation_id        uuid        NOT NULL REFERENCES donations (id),
    user_id            integer     NOT NULL REFERENCES users (id),
    -- No reference yet: not every platform has a table of sessions. See 0005.
    session_id         uuid,
    kind               text        NOT NULL CHECK (kind IN ('charge', 'fee', 'refund')),
    amount_cents       bigint      NOT NULL,
    currency           text        NOT NULL,
    -- the payment provider's own number, and the guard against booking one message twice
    provider_reference text        UNIQUE,
    created_at         timestamptz NOT NULL DEFAULT now()
);

-- On an empty table of our own a plain CREATE INDEX is right: nobody can be waiting for it.
CREATE INDEX donation_transactions_donation_id_idx ON donation_transactions (donation_id);
CREATE INDEX donation_transactions_user_id_idx ON donation_transactions (user_id, created_at);

COMMENT ON TABLE donation_transactions IS 'Movements of money that belong to a donation; rows are never changed.';
