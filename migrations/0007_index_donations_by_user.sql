-- "My donations", newest first, was a scan of the whole table.
--
-- CONCURRENTLY lets the application write while the index is built. PostgreSQL does not allow it inside a
-- transaction, so it stands in a file of its own: if it fails, there is nothing else that could be half done.
-- changeover: transaction=off

-- IF NOT EXISTS, because outside a transaction a file may have to be run again. It would also be content with the
-- invalid index that a failed attempt leaves behind; changeover looks at the index itself before it goes on.
CREATE INDEX CONCURRENTLY IF NOT EXISTS donations_user_id_created_at_idx
    ON donations (user_id, created_at DESC);
