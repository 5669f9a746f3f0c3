"""A rehearsal runs foreign SQL on the operator's own machine: everything here tries to reach out of the shadow."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from changeover.core.target import Target
from tests.rehearsals import rehearse_on
from tests.servers import Server

# Each is tried by itself as dynamic SQL, its error swallowed; what succeeds is written down.
# {out} is a folder that anybody may write to, {port} is where a server of ours listens.
ATTEMPTS = """
COPY (SELECT 1) TO PROGRAM 'touch {out}/program-out'
COPY probe FROM PROGRAM 'touch {out}/program-in'
COPY (SELECT 1) TO '{out}/file'
COPY probe FROM '/etc/passwd'
SELECT lo_import('/etc/passwd')
SELECT lo_export(lo_from_bytea(0, 'x'), '{out}/large-object')
SELECT pg_read_file('/etc/passwd')
SELECT pg_read_binary_file('/etc/passwd')
SELECT pg_ls_dir('/')
SELECT * FROM pg_stat_file('/etc/passwd')
SELECT rolpassword FROM pg_authid
SELECT * FROM pg_hba_file_rules
SELECT pg_reload_conf()
SELECT pg_rotate_logfile()
SELECT pg_switch_wal()
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> current_user AND pg_terminate_backend(pid)
LOAD '/usr/lib/x86_64-linux-gnu/libm.so.6'
LOAD 'dblink'
SET session_preload_libraries = 'dblink'
ALTER DATABASE {db} SET session_preload_libraries = 'dblink'
ALTER ROLE CURRENT_USER SET session_preload_libraries = 'dblink'
CREATE FUNCTION system(cstring) RETURNS int LANGUAGE c AS 'libc.so.6', 'system'
CREATE FUNCTION inner_one() RETURNS int LANGUAGE internal AS 'pg_read_file'
CREATE LANGUAGE plpython3u
CREATE EXTENSION plpython3u
CREATE EXTENSION plperlu
CREATE EXTENSION dblink
CREATE EXTENSION postgres_fdw
CREATE EXTENSION file_fdw
CREATE EXTENSION adminpack
CREATE EXTENSION pageinspect
CREATE FOREIGN DATA WRAPPER w
CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port={port}' PUBLICATION p
CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port={port}' PUBLICATION p WITH (connect = false)
CREATE TABLESPACE x LOCATION '{out}'
CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION hook()
CREATE ACCESS METHOD a TYPE TABLE HANDLER heap_tableam_handler
CREATE PUBLICATION everything FOR ALL TABLES
CREATE DATABASE another
CREATE ROLE strong SUPERUSER
CREATE ROLE weak
ALTER ROLE CURRENT_USER SUPERUSER
ALTER ROLE CURRENT_USER CREATEROLE
ALTER ROLE CURRENT_USER BYPASSRLS
GRANT pg_execute_server_program TO CURRENT_USER
GRANT pg_read_server_files TO CURRENT_USER
GRANT pg_write_server_files TO CURRENT_USER
GRANT pg_maintain TO CURRENT_USER
SET ROLE pg_execute_server_program
ALTER FUNCTION hidden() OWNER TO pg_execute_server_program
UPDATE pg_proc SET proowner = 10 WHERE proname = 'hidden'
DELETE FROM pg_authid
INSERT INTO pg_am SELECT * FROM pg_am
"""
# The same for each superuser of the shadow, by its name.
AGAINST_SUPERUSERS = """
SET ROLE {boss}
SET SESSION AUTHORIZATION {boss}
GRANT {boss} TO CURRENT_USER
ALTER FUNCTION hidden() OWNER TO {boss}
ALTER ROLE {boss} PASSWORD 'known'
ALTER ROLE {boss} SET search_path = evil, pg_catalog
REASSIGN OWNED BY CURRENT_USER TO {boss}
"""
TRAPS = """
CREATE SCHEMA evil;
CREATE TABLE probe (line text);
CREATE TABLE breach (what text);
CREATE FUNCTION hook() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION hidden() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $f$
BEGIN
    COPY (SELECT 1) TO PROGRAM 'touch {out}/definer';
END $f$;
CREATE FUNCTION evil.same(a text, b text) RETURNS boolean LANGUAGE plpgsql AS $f$
BEGIN
    BEGIN
        EXECUTE $q$ COPY (SELECT 1) TO PROGRAM 'touch {out}/operator' $q$;
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    RETURN a OPERATOR(pg_catalog.~) ('^(' || b || ')$');
END $f$;
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same);
CREATE TABLE worked (id int);
CREATE FUNCTION evil.expression(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $f$
BEGIN
    BEGIN
        EXECUTE $q$ COPY (SELECT 1) TO PROGRAM 'touch {out}/index' $q$;
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    RETURN 1;
END $f$;
CREATE INDEX worked_idx ON worked (evil.expression(id));
CREATE MATERIALIZED VIEW evil.sight AS SELECT evil.expression(1) AS n;
"""


def block(statement: str) -> str:
    return (
        f"DO $do$ BEGIN EXECUTE $q$ {statement} $q$; RESET ROLE; "
        f"INSERT INTO public.breach VALUES ($q$ {statement} $q$); EXCEPTION WHEN OTHERS THEN NULL; END $do$;\n"
    )


def against(statement: str) -> str:
    return (
        "DO $do$ DECLARE boss text; BEGIN FOR boss IN SELECT rolname FROM pg_roles WHERE rolsuper LOOP BEGIN "
        f"EXECUTE replace($q$ {statement} $q$, '{{boss}}', quote_ident(boss)); RESET ROLE; "
        f"INSERT INTO public.breach VALUES ($q$ {statement} $q$); EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; "
        "END $do$;\n"
    )


async def test_no_migration_gets_out_of_its_shadow(server: Server, database: Target, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o777)
    callers: list[str] = []

    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append("somebody")
        writer.close()

    listener = await asyncio.start_server(called, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    fields = {"out": str(out), "port": port, "db": database.database}
    migrations = {
        "0001_traps": TRAPS.format(**fields),
        "0002_settings": f"ALTER DATABASE {database.database} SET search_path = evil, public, pg_catalog;\n",
        "0003_dynamic": "".join(block(line.format(**fields)) for line in ATTEMPTS.strip().splitlines()),
        "0004_superusers": "".join(against(line) for line in AGAINST_SUPERUSERS.strip().splitlines()),
        "0005_hidden": "DO $do$ BEGIN PERFORM public.hidden(); EXCEPTION WHEN OTHERS THEN NULL; END $do$;\n",
        "0006_judge": "SELECT coalesce((SELECT string_agg(what, '; ') FROM public.breach), '0')::pg_catalog.int4;\n",
    }
    try:
        done = await rehearse_on(database, tmp_path / "m", migrations)
    finally:
        listener.close()
    assert list(out.iterdir()) == []
    assert callers == []
    # the last one fails where an attempt has succeeded, and names it
    assert [it.error.summary for it in done.measurements if it.error is not None] == []
    assert done.measurements[-1].entry == 5
    assert done.measurements[-1].is_measured


@pytest.mark.parametrize(
    "statement",
    [
        "COPY t FROM PROGRAM 'touch {out}/x'",
        "COPY t TO '{out}/x'",
        "ALTER SYSTEM SET archive_command = 'touch {out}/x'",
        "CREATE DATABASE other",
        "CREATE TABLESPACE x LOCATION '{out}'",
        "LOAD 'dblink'",
        "CREATE EXTENSION dblink",
        "CREATE EXTENSION no_such_thing",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "SET ROLE pg_execute_server_program",
        "CREATE FUNCTION s(cstring) RETURNS int LANGUAGE c AS 'libc.so.6', 'system'",
    ],
)
async def test_a_statement_that_needs_more_is_unknowable_and_no_failure(
    server: Server, database: Target, tmp_path: Path, statement: str
) -> None:
    from changeover.core.script import parse
    from changeover.core.unrehearsed import why_not_run, why_unknowable
    from tests.servers import connect

    (tmp_path / "out").mkdir()
    sql = statement.format(out=tmp_path / "out")
    found = parse(f"-- changeover: transaction=off\n{sql};\n".encode(), file="x.sql").statements[0]
    if why_not_run(found, available=()):
        return
    # what is not known beforehand is what the server refuses to a role without power
    server.psql("DO $$ BEGIN CREATE ROLE rehearsal_nobody LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    from changeover.core.connect import Connector
    from changeover.core.errors import ServerError
    from changeover.core.settings import Retry

    del connect
    connector = Connector(server.target(database.database, "rehearsal_nobody"), Retry(retries=0), emit=lambda _: None)
    connection = await connector("look")
    with pytest.raises(ServerError) as refused:
        await connection.execute(sql)
    await connector.close()
    assert why_unknowable(refused.value.report, lacking=(), extensions=False, gaps=False, reads=False)
