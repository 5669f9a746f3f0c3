"""Folders of other tools for the tests: three migrations each, and the SQL that the tool itself would leave behind."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha1, sha256, sha384
from pathlib import Path
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace

from changeover.core.target import Target
from tests.runs import Project, project

A = "CREATE TABLE shop (id int PRIMARY KEY);\n"
B = "ALTER TABLE shop ADD COLUMN name text;\n"
C = "CREATE INDEX CONCURRENTLY shop_name ON shop (name);\n"


class Sample(Struct, frozen=True, kw_only=True):
    """A folder of one format."""

    # name -> text
    files: Mapping[str, str]
    # query for the rows of the history, without times and durations, and what it answers once all is applied
    query: str
    rows: str
    # the table's own name
    table: str
    # after the newest was reverted; None where the format has no revert
    reverted: str | None = None


def _golang() -> Sample:
    names = ("000001_shop", "000002_name", "000003_index")
    files = {f"{name}.up.sql": text for name, text in zip(names, (A, B, C), strict=True)}
    downs = ("DROP TABLE shop;\n", "ALTER TABLE shop DROP COLUMN name;\n", "DROP INDEX shop_name;\n")
    files |= {f"{name}.down.sql": text for name, text in zip(names, downs, strict=True)}
    return Sample(
        files=files,
        table="schema_migrations",
        query="SELECT version, dirty FROM schema_migrations",
        rows="3|f",
        reverted="2|f",
    )


def java_checksum(text: str) -> int:
    """Return Flyway's checksum, as Java's CRC32 over its lines gives it."""
    made = 0
    for line in text.splitlines():
        made = crc32(line.encode(), made)
    return made - (1 << 32) if made >= 1 << 31 else made


def _dbmate() -> Sample:
    return Sample(
        files={
            "20240101000000_shop.sql": f"-- migrate:up\n{A}\n-- migrate:down\nDROP TABLE shop;\n",
            "20240102000000_name.sql": f"-- migrate:up\n{B}\n-- migrate:down\nALTER TABLE shop DROP COLUMN name;\n",
            "20240103000000_index.sql": (
                f"-- migrate:up transaction:false\n{C}\n-- migrate:down\nDROP INDEX shop_name;\n"
            ),
        },
        table="schema_migrations",
        query="SELECT version FROM schema_migrations ORDER BY 1",
        rows="20240101000000\n20240102000000\n20240103000000",
        reverted="20240101000000\n20240102000000",
    )


def _goose() -> Sample:
    return Sample(
        files={
            "00001_shop.sql": f"-- +goose Up\n{A}\n-- +goose Down\nDROP TABLE shop;\n",
            "00002_name.sql": f"-- +goose Up\n{B}\n-- +goose Down\nALTER TABLE shop DROP COLUMN name;\n",
            "00003_index.sql": (
                f"-- +goose NO TRANSACTION\n-- +goose Up\n{C}\n-- +goose Down\nDROP INDEX CONCURRENTLY shop_name;\n"
            ),
        },
        table="goose_db_version",
        query="SELECT id, version_id, is_applied FROM goose_db_version ORDER BY 1",
        rows="1|0|t\n2|1|t\n3|2|t\n4|3|t",
        reverted="1|0|t\n2|1|t\n3|2|t",
    )


def _sqlx() -> Sample:
    files = {
        "1_shop.up.sql": A,
        "1_shop.down.sql": "DROP TABLE shop;\n",
        "2_name_of_it.up.sql": B,
        "2_name_of_it.down.sql": "ALTER TABLE shop DROP COLUMN name;\n",
        "3_index.up.sql": f"-- no-transaction\n{C}",
        "3_index.down.sql": "DROP INDEX shop_name;\n",
    }
    sums = [sha384(files[name].encode()).hexdigest() for name in files if ".up." in name]
    rows = [
        f"{n}|{what}|t|\\x{made}"
        for n, what, made in zip((1, 2, 3), ("shop", "name of it", "index"), sums, strict=True)
    ]
    return Sample(
        files=files,
        table="_sqlx_migrations",
        query="SELECT version, description, success, checksum FROM _sqlx_migrations ORDER BY 1",
        rows="\n".join(rows),
        reverted="\n".join(rows[:2]),
    )


def _prisma() -> Sample:
    names = ("20240101000000_shop", "20240102000000_name", "20240103000000_index")
    files = {f"{name}/migration.sql": text for name, text in zip(names, (A, B, C), strict=True)}
    rows = [f"{name}|{sha256(files[f'{name}/migration.sql'].encode()).hexdigest()}|t|t|t|1" for name in names]
    return Sample(
        files={**files, "migration_lock.toml": 'provider = "postgresql"\n'},
        table="_prisma_migrations",
        query="SELECT migration_name, checksum, finished_at IS NOT NULL, logs IS NULL, rolled_back_at IS NULL, "
        "applied_steps_count FROM _prisma_migrations ORDER BY started_at",
        rows="\n".join(rows),
    )


def _flyway() -> Sample:
    files = {
        "V1__shop.sql": A,
        "V1.1__name_of_it.sql": B,
        "V2__index.sql": C,
        "R__view.sql": "CREATE OR REPLACE VIEW named AS SELECT name FROM shop;\n",
    }
    said = (("1", "shop"), ("1.1", "name of it"), ("2", "index"), ("", "view"))
    rows = [
        f"{rank}|{version}|{what}|SQL|{file}|{java_checksum(text)}|postgres|t"
        for rank, (file, text), (version, what) in zip((1, 2, 3, 4), files.items(), said, strict=True)
    ]
    return Sample(
        files=files,
        table="flyway_schema_history",
        query="SELECT installed_rank, version, description, type, script, checksum, installed_by, success "
        "FROM flyway_schema_history ORDER BY 1",
        rows="\n".join(rows),
    )


def _tern() -> Sample:
    below = "---- create above / drop below ----"
    return Sample(
        files={
            "001_shop.sql": f"{A}\n{below}\n\nDROP TABLE shop;\n",
            "002_name.sql": f"{B}\n{below}\n\nALTER TABLE shop DROP COLUMN name;\n",
            "003_index.sql": f"---- tern: disable-tx ----\n{C}\n{below}\n\nDROP INDEX shop_name;\n",
        },
        table="schema_version",
        query="SELECT version FROM schema_version",
        rows="3",
        reverted="2",
    )


def _node_pg_migrate() -> Sample:
    names = ("1700000000001_shop", "1700000000002_name", "1700000000003_index")
    downs = ("DROP TABLE shop;", "ALTER TABLE shop DROP COLUMN name;", "DROP INDEX shop_name;")
    texts = (A, B, C.replace("CONCURRENTLY ", ""))
    return Sample(
        files={
            f"{name}.sql": f"-- Up Migration\n{up}\n-- Down Migration\n{down}\n"
            for name, up, down in zip(names, texts, downs, strict=True)
        },
        table="pgmigrations",
        query="SELECT id, name FROM pgmigrations ORDER BY id",
        rows="\n".join(f"{number}|{name}" for number, name in enumerate(names, 1)),
        reverted="\n".join(f"{number}|{name}" for number, name in enumerate(names[:2], 1)),
    )


def _graphile_migrate() -> Sample:
    files: dict[str, str] = {}
    rows: list[str] = []
    previous = ""
    for number, text in enumerate((A, B, C), 1):
        head = "--! no-transaction\n" if text is C else ""
        body = f"{head}{text}".strip()
        chained = f"{previous}\n{body}".strip() + "\n"
        made = f"sha1:{sha1(chained.encode()).hexdigest()}"
        name = f"{number:06}.sql"
        files[f"committed/{name}"] = f"--! Previous: {previous or '-'}\n--! Hash: {made}\n\n{body}\n"
        rows.append(f"{made}|{previous}|{name}")
        previous = made
    return Sample(
        files=files,
        table="graphile_migrate.migrations",
        query="SELECT hash, previous_hash, filename FROM graphile_migrate.migrations ORDER BY filename",
        rows="\n".join(rows),
    )


def _diesel() -> Sample:
    names = ("2024-01-01-000000_shop", "2024-01-02-000000_name", "2024-01-03-000000_index")
    versions = ("20240101000000", "20240102000000", "20240103000000")
    files = {f"{name}/up.sql": text for name, text in zip(names, (A, B, C), strict=True)}
    downs = ("DROP TABLE shop;", "ALTER TABLE shop DROP COLUMN name;", "DROP INDEX shop_name;")
    files |= {f"{name}/down.sql": text for name, text in zip(names, downs, strict=True)}
    return Sample(
        files={**files, f"{names[2]}/metadata.toml": "run_in_transaction = false\n"},
        table="__diesel_schema_migrations",
        query="SELECT version FROM __diesel_schema_migrations ORDER BY 1",
        rows="\n".join(versions),
        reverted="\n".join(versions[:2]),
    )


def atlas_sum(texts: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the text of atlas.sum, and the running hash of each file."""
    running, sums = sha256(), dict[str, str]()
    for file, text in texts.items():
        running.update(file.encode() + text.encode())
        sums[file] = b64encode(running.digest()).decode()
    total = sha256("".join(f"{file}{made}" for file, made in sums.items()).encode())
    lines = [f"h1:{b64encode(total.digest()).decode()}", *(f"{file} h1:{made}" for file, made in sums.items())]
    return "\n".join(lines) + "\n", sums


def _atlas() -> Sample:
    texts = {"1_shop.sql": A, "2_name.sql": B, "3_index.sql": f"-- atlas:txmode none\n\n{C}"}
    whole, sums = atlas_sum(texts)
    said = zip("123", ("shop", "name", "index"), sums.values(), strict=True)
    return Sample(
        files={**texts, "atlas.sum": whole},
        table="atlas_schema_revisions.atlas_schema_revisions",
        query="SELECT version, description, type, applied, total, error, hash, partial_hashes, operator_version "
        "FROM atlas_schema_revisions.atlas_schema_revisions ORDER BY version",
        rows="\n".join(f"{version}|{what}|2|1|1||{made}|null|changeover" for version, what, made in said),
    )


def _sqitch() -> Sample:
    names = ("shop", "name", "index")
    downs = ("DROP TABLE shop;", "ALTER TABLE shop DROP COLUMN name;", "DROP INDEX shop_name;")
    files: dict[str, str] = {}
    lines = ["%syntax-version=1.0.0", "%project=shop", ""]
    rows: list[str] = []
    parent = ""
    for name, text, down in zip(names, (A, B, C), downs, strict=True):
        files[f"deploy/{name}.sql"] = text
        files[f"revert/{name}.sql"] = f"BEGIN;\n{down}\nCOMMIT;\n"
        when, who = "2024-01-02T03:04:05Z", "Ann <ann@example.org>"
        lines.append(f"{name} {when} {who} # Adds {name}.")
        said = f"project shop\nchange {name}\n{parent}planner {who}\ndate {when}\n\nAdds {name}.".encode()
        made = sha1(f"change {len(said)}\0".encode() + said).hexdigest()
        parent = f"parent {made}\n"
        rows.append(f"{made}|{sha1(text.encode()).hexdigest()}|{name}|shop|Adds {name}.|Ann|ann@example.org")
    return Sample(
        files={"sqitch.plan": "\n".join(lines) + "\n", **files},
        table="sqitch.changes",
        query="SELECT change_id, script_hash, change, project, note, planner_name, planner_email FROM sqitch.changes "
        "ORDER BY committed_at",
        rows="\n".join(rows),
        reverted="\n".join(rows[:2]),
    )


SAMPLES: dict[str, Sample] = {
    "golang-migrate": _golang(),
    "dbmate": _dbmate(),
    "goose": _goose(),
    "sqlx": _sqlx(),
    "prisma": _prisma(),
    "flyway": _flyway(),
    "tern": _tern(),
    "node-pg-migrate": _node_pg_migrate(),
    "graphile-migrate": _graphile_migrate(),
    "diesel": _diesel(),
    "atlas": _atlas(),
    "sqitch": _sqitch(),
}


def shop_of(target: Target, folder: Path, name: str) -> Project:
    """Return a project with the folder of a format, whose hazards pass."""
    made = project(target, folder)
    for file, text in SAMPLES[name].files.items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(text)
    made.settings = replace(made.settings, format=name, allowed_hazards={"all": "--allow"})
    return made
