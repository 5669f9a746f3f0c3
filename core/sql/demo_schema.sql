-- One row: how far the donation platform's schema has come, for the demo's traffic, which uses what is there.

SELECT pg_catalog.to_regclass('public.donation_transactions') IS NOT NULL AS transactions,
       EXISTS (
           SELECT FROM pg_catalog.pg_attribute
           WHERE attrelid = pg_catalog.to_regclass('public.donations')
             AND attname = 'session_id' AND NOT attisdropped
       ) AS sessions
