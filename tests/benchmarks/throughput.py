"""How long the same SQL takes, on loopback and over a link with 10 ms more for each round trip."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from tests.benchmarks.peers import PEERS, Changeover, Peer, PsqlEach, named
from tests.benchmarks.place import Place, far
from tests.benchmarks.timing import Found, Measure, interleaved

PART = "throughput"
_FAR = 0.010
_TABLE = "CREATE TABLE entry (id int, at date, amount numeric(12,2), text text);\n"


def small(count: int) -> str:
    """Return a migration of so many small statements, the table included."""
    rows = (
        f"INSERT INTO entry VALUES ({it}, '2026-01-01', {it % 977}.25, 'entry number {it}');\n"
        for it in range(count - 1)
    )
    return _TABLE + "".join(rows)


def many(count: int) -> list[str]:
    """Return migrations of five statements each."""
    return [
        f"CREATE TABLE t{it} (id int PRIMARY KEY, name text);\n"
        f"CREATE INDEX t{it}_name ON t{it} (name);\n"
        f"INSERT INTO t{it} VALUES (1, 'one'), (2, 'two');\n"
        f"COMMENT ON TABLE t{it} IS 'table {it}';\n"
        f"ALTER TABLE t{it} ADD COLUMN at date;\n"
        for it in range(count)
    ]


def wide(megabytes: int) -> str:
    """Return a data migration of about so many megabytes, as dumps write them: a thousand characters a row."""
    text = "x" * 950
    return _TABLE + "".join(
        f"INSERT INTO entry VALUES ({it}, '2026-01-01', 1.00, '{text}');\n" for it in range(megabytes * 1000)
    )


def copied(place: Place, megabytes: int) -> str:
    """Write such rows into a file that the server reads, and return the migration that copies it."""
    file = place.work / f"rows-{megabytes}.txt"
    if not file.exists():
        text = "x" * 950
        with file.open("w") as rows:
            rows.writelines(f"{it}\t2026-01-01\t1.00\t{text}\n" for it in range(megabytes * 1000))
        file.chmod(0o644)
    return f"{_TABLE}COPY entry FROM '{file}';\n"


def measure(
    place: Place, found: Found, what: str, files: Sequence[str], peers: Sequence[Peer], *, runs: int, note: str = ""
) -> None:
    """Let everybody apply the same files to a fresh database, in turn."""
    ours = Changeover()
    measures: dict[str, Measure] = {"changeover": _measured(place, files, ours)}
    # after it, from the same run: what of it was no start, no plan and no look afterwards
    measures["changeover, the run alone"] = lambda: ours.ran or None
    for peer in peers:
        if peer.is_here():
            measures[peer.name] = _measured(place, files, peer)
        else:
            found.absent.add(f"{peer.name} is not installed here.")
    interleaved(found, PART, what, measures, runs=runs, note=note)


def _measured(place: Place, files: Sequence[str], peer: Peer) -> Measure:
    def once() -> float | None:
        folder = place.work / "folder"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        peer.write(folder, files)
        with place.database() as database:
            done = peer.apply(place, database, folder)
            if done.code:
                print(f"{peer.name} ended with {done.code}: {done.err[-400:]}")
                return None
        return done.wall

    return once


def run(place: Place, found: Found, *, runs: int, quick: bool) -> None:
    """Measure all of it; `quick` does a tenth. What takes a peer minutes is measured once, and the table says so."""
    size, count, data = (500, 50, 5) if quick else (5000, 500, 50)
    psql, dbmate = named("psql"), named("dbmate")
    measure(place, found, f"{size // 10:,} small statements, loopback", [small(size // 10)], PEERS, runs=runs)
    measure(place, found, f"{size:,} small statements, loopback", [small(size)], [psql, dbmate], runs=runs)
    each = [psql, PsqlEach(), dbmate]
    measure(place, found, f"{count} migrations of 5 statements, loopback", many(count), each, runs=runs)
    measure(place, found, f"{data} MB of INSERTs, loopback", [wide(data)], [psql, dbmate], runs=1)
    measure(place, found, f"{data} MB by COPY, loopback", [copied(place, data)], [psql, dbmate], runs=runs)
    if not quick:
        measure(place, found, "100,000 small statements, loopback", [small(100_000)], [psql], runs=1)
    with far(place, _FAR) as there:
        where = "10 ms more each round trip"
        few = [peer for peer in PEERS if peer.name not in {"yoyo", "sqitch"}]
        measure(there, found, f"{size // 10:,} small statements, {where}", [small(size // 10)], few, runs=3)
        measure(there, found, f"{size:,} small statements, {where}", [small(size)], [psql], runs=1)
        files = many(count // 10)
        measure(there, found, f"{len(files)} migrations of 5 statements, {where}", files, [psql, dbmate], runs=3)
        measure(there, found, f"{data // 50} MB of INSERTs, {where}", [wide(data // 50)], [psql, dbmate], runs=1)
        measure(there, found, f"{data} MB by COPY, {where}", [copied(place, data)], [psql, dbmate], runs=3)
