"""What the badge of read-only inspection rests on: whether our role could write at all."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from changeover.core.connect import Connector
from changeover.core.inspection import read_power
from changeover.core.settings import Retry
from changeover.core.target import Target
from tests.servers import Server

# a role that only reads, in a database where PUBLIC may not create either
READER = """
    CREATE ROLE reader_{0} LOGIN; CREATE ROLE other_{0} NOLOGIN;
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    CREATE TABLE item (id int, name text); CREATE SEQUENCE counter;
    CREATE FUNCTION touch() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
    REVOKE EXECUTE ON FUNCTION touch() FROM PUBLIC;
    GRANT SELECT ON item TO reader_{0}, PUBLIC; GRANT SELECT ON counter TO reader_{0};
    GRANT pg_read_all_stats, pg_monitor TO reader_{0};
"""


async def power_of(target: Target) -> str:
    connector = Connector(target, Retry(retries=0), emit=lambda _: None, read_only=True)
    connection = await connector("look")
    try:
        return await read_power(connection)
    finally:
        await connector.close()


@pytest.mark.parametrize(
    ("grants", "power"),
    [
        ((), ""),
        (("ALTER ROLE {reader} SUPERUSER",), "superuser"),
        (("ALTER ROLE {reader} CREATEROLE",), "attribute CREATEROLE, CREATEDB or REPLICATION"),
        (("GRANT pg_write_server_files TO {reader}",), "member of pg_write_server_files"),
        (("GRANT CREATE ON DATABASE {database} TO {reader}",), "CREATE on this database"),
        (("GRANT CREATE ON SCHEMA public TO PUBLIC",), "CREATE on schema public"),
        (("ALTER TABLE item OWNER TO {reader}",), "owner of public.item"),
        (("GRANT TRUNCATE ON item TO {reader}",), "TRUNCATE on public.item"),
        (("GRANT DELETE ON item TO PUBLIC",), "DELETE on public.item"),
        (("GRANT USAGE ON SEQUENCE counter TO {reader}",), "USAGE on public.counter"),
        (("GRANT UPDATE (name) ON item TO {reader}",), "UPDATE on a column of public.item"),
        (("GRANT EXECUTE ON FUNCTION touch() TO {reader}",),
         "may call public.touch(), which runs with its owner's rights"),
        # one SET ROLE away, though nothing is inherited
        (("ALTER ROLE {reader} NOINHERIT", "GRANT INSERT ON item TO {other}", "GRANT {other} TO {reader}"),
         "INSERT on public.item"),
    ],
)  # fmt: skip
async def test_a_role_is_read_only_where_no_right_to_change_anything_is_found(
    any_server: Server, any_database: Target, grants: tuple[str, ...], power: str
) -> None:
    name = any_database.database
    names = {"reader": f"reader_{name}", "other": f"other_{name}", "database": name}
    any_server.psql(READER.format(name) + ";".join(each.format(**names) for each in grants), name)
    try:
        assert await power_of(replace(any_database, user=names["reader"])) == power
    finally:
        any_server.psql(f"DROP OWNED BY {names['reader']} CASCADE", name)
        any_server.psql(f"DROP OWNED BY {names['other']}; DROP ROLE {names['reader']}, {names['other']}", name)
