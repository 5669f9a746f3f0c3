-- An integer of cents ends at 21 million in the currency's own unit, and a single donation in rupiah comes near it.
--
-- From integer to bigint every row is written anew, and nobody can read the table meanwhile. On a table of many
-- millions of rows, add a second column, keep it up to date with a trigger, fill it in batches, and swap the names.
-- Here the table is small, and the plain way is the honest one. It has a file of its own because the lock is held
-- until the transaction ends: nothing else should happen under it.

-- changeover: allow rewrite-type-change: the table is small, and its rewrite takes less than a second
ALTER TABLE donations ALTER COLUMN amount_cents TYPE bigint;
