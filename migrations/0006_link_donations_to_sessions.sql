-- Ties donations to sessions, where there are sessions, with a condition that any tool can run: the block decides by
-- itself. changeover reads such a guard before the run, says in the plan which way it will go, and records the step
-- as deferred where it goes the other way. 0005 does the same with a directive, which is shorter.

DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_class
        WHERE oid = pg_catalog.to_regclass('sessions') AND relkind IN ('r', 'p')
    ) THEN
        ALTER TABLE donations
            ADD CONSTRAINT donations_session_id_fkey
            FOREIGN KEY (session_id) REFERENCES sessions (id) NOT VALID;
    ELSE
        RAISE NOTICE 'There is no table sessions yet: donations.session_id stays without a foreign key.';
    END IF;
END
$$;
