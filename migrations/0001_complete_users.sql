-- Columns that the application expects on users. Some platforms have display_name already: it was once added by
-- hand. IF NOT EXISTS lets this file run on both.
--
-- One statement per column, so that changeover can leave out the ones that are there. Sent anyway, such a statement
-- would change nothing and still take ACCESS EXCLUSIVE on the table.

ALTER TABLE users ADD COLUMN IF NOT EXISTS display_name text;

-- A constant default is kept in the catalog: no row is touched, however large the table.
ALTER TABLE users ADD COLUMN IF NOT EXISTS locale text NOT NULL DEFAULT 'en';

-- Stays empty here; 0008 fills it in.
ALTER TABLE users ADD COLUMN IF NOT EXISTS last_donated_at timestamptz;
