"""A database with 10,000 tables, 100,000 columns and 20,000 indexes: what a look at it costs."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.benchmarks.place import Place, environment, psql_program
from tests.benchmarks.timing import Found, Measure, Row, interleaved, timed

PART = "big schemas"
_TABLES = """
SELECT format('CREATE TABLE t%s (id int PRIMARY KEY, c1 int, c2 int, c3 text, c4 text, c5 date, c6 int, c7 int, c8 int,
  c9 int); CREATE INDEX ON t%s (c1)', g, g) FROM generate_series({first}, {last}) g \\gexec
"""
_STEP = "ALTER TABLE t7 ADD COLUMN note text;\nCREATE TABLE fresh (id int);\n"
# what any tool must read at least to know tables, columns and indexes
_BARE = (
    "SELECT oid, relname, relkind, relnamespace FROM pg_class; SELECT attrelid, attname, atttypid, attnotnull FROM "
    "pg_attribute WHERE attnum > 0; SELECT indexrelid, indrelid, indisvalid FROM pg_index; SELECT conname, conrelid, "
    "contype FROM pg_constraint"
)


def run(place: Place, found: Found, *, runs: int, quick: bool) -> None:
    """Measure check and plan against psql reading the bare catalogs, their memory, and the count of their queries."""
    program, folder = str(Path(sys.executable).with_name("changeover")), place.work / "big"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "0001_m.sql").write_text(_STEP)
    counted: list[int] = []
    tables = 1000 if quick else 10_000
    with place.database() as database:
        env = environment(place, DATABASE_URL=place.url(database))
        done = 0
        for goal in (tables // 10, tables):
            for first in range(done + 1, goal + 1, 500):
                place.psql(_TABLES.format(first=first, last=min(first + 499, goal)), database)
            done = goal
            counted.append(_queries(place, database, [program, "check", "--migrations", str(folder)], env))
        place.psql("ANALYZE pg_catalog.pg_attribute; ANALYZE pg_catalog.pg_class", database)
        memory: list[float] = []

        def command(word: str) -> Measure:
            def once() -> float:
                ran = timed([program, word, "--migrations", str(folder)], env=env, cwd=folder)
                memory.append(ran.memory)
                return ran.wall

            return once

        bare = [str(psql_program()), "-XAtq", "-o", os.devnull, "-c", _BARE, place.url(database)]
        measures: dict[str, Measure] = {
            "changeover check": command("check"),
            "changeover plan": command("plan"),
            "psql, bare catalog queries": lambda: timed(bare, env=env, cwd=folder).wall,
        }
        what = f"check and plan of {tables:,} tables, {tables * 10:,} columns, {tables * 2:,} indexes"
        interleaved(found, PART, what, measures, runs=min(runs, 5))
        found.add(
            Row(part=PART, what="memory at its widest", who="changeover", values=tuple(memory), unit="MB", ours=True)
        )
    found.add(
        Row(
            part=PART,
            what=f"queries of a check, {tables // 10:,} and {tables:,} tables",
            who="changeover",
            values=tuple(float(it) for it in counted),
            unit="queries",
            note="(the same)" if len(set(counted)) == 1 else "(NOT the same)",
            ours=True,
        )
    )


def _queries(place: Place, database: str, words: list[str], env: dict[str, str]) -> int:
    """Count the queries of a command by the statistics of the server's log of statements."""
    log = place.sandbox.folder / "server.log"
    place.psql("ALTER SYSTEM SET log_statement = 'all'", "postgres")
    place.psql("SELECT pg_reload_conf(); SELECT pg_sleep(0.5)", "postgres")
    before = log.stat().st_size
    timed(words, env=env, cwd=place.work)
    with log.open("rb") as file:
        file.seek(before)
        said = file.read()
    place.psql("ALTER SYSTEM RESET log_statement", "postgres")
    place.psql("SELECT pg_reload_conf()", "postgres")
    # messages of the extended protocol and of the simple one; `database` has no other client
    return said.count(b"execute ") + said.count(b"statement: ")
