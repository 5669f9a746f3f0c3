-- One row as long as the migrations in force are the expected ones: their versions, checksums and deferred steps.
-- Every name is qualified: a migration may have left any search_path behind.
SELECT 1
 WHERE (SELECT pg_catalog.md5(in_force.text)
          FROM (SELECT COALESCE(
                           pg_catalog.string_agg(
                               pg_catalog.concat(version, ':', checksum, ':', pg_catalog.array_to_string(deferred, ',')),
                               ';' ORDER BY version COLLATE pg_catalog."C"),
                           '') AS text
                  FROM {schema}.migration) AS in_force)
       OPERATOR(pg_catalog.=) {expected}
