-- Ties transactions to sessions, where there are sessions.
--
-- Without the table the step is deferred: changeover records that, shows it in the status, and offers the step again
-- once the table is there. The rest of the file is applied now.

COMMENT ON COLUMN donation_transactions.session_id IS 'The visit in which it happened; sessions may be kept elsewhere.';

-- NOT VALID: new rows are checked at once, and the table is not scanned while writers to both tables wait. By the
-- time this step runs there may be many rows; 0008 has them checked.
-- changeover: when table sessions
ALTER TABLE donation_transactions
    ADD CONSTRAINT donation_transactions_session_id_fkey
    FOREIGN KEY (session_id) REFERENCES sessions (id) NOT VALID;
