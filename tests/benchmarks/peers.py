"""What people use today, on the same work: each with its own kind of folder, driven by its own command.

They are installed into a folder of `.venv` and never into the project. Each gets the same SQL; how it sends it is its
own affair.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from tests.benchmarks.place import Place, environment, psql_program
from tests.benchmarks.timing import Ran, timed

HOME: Final = Path(sys.prefix) / "peers"
_PYTHON: Final = HOME / "python" / "bin"
_NODE: Final = HOME / "node" / "node_modules" / ".bin"
_ALEMBIC_ENV = """
from alembic import context
from sqlalchemy import create_engine, pool
import os
engine = create_engine(os.environ["BENCH_URL"].replace("postgresql:", "postgresql+psycopg2:"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
_ALEMBIC_STEP = """
from pathlib import Path
from alembic import op
revision, down_revision = {revision!r}, {before!r}
def upgrade():
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())
def downgrade():
    pass
"""


class Peer(ABC):
    """One of them. Most write one file for each migration, `wrapped` and named by its number."""

    name: ClassVar[str]
    program: ClassVar[Path]
    file: ClassVar[str] = "{:04}_m.sql"
    wrapped: ClassVar[str] = "{}"

    def is_here(self) -> bool:
        """Whether it is installed."""
        return self.program.exists()

    def write(self, folder: Path, files: Sequence[str]) -> None:
        """Write migrations, in order, as this one wants them; `folder` is empty."""
        for number, sql in enumerate(files, start=1):
            (folder / self.file.format(number)).write_text(self.wrapped.format(sql))

    @abstractmethod
    def arguments(self, place: Place, database: str, folder: Path) -> list[str]:
        """Return what the program is told, to apply all of them."""

    def apply(self, place: Place, database: str, folder: Path) -> Ran:
        """Apply what is pending, in one command."""
        env = environment(place, BENCH_URL=place.url(database), DATABASE_URL=place.url(database))
        return timed([str(self.program), *self.arguments(place, database, folder)], env=env, cwd=folder)


class Psql(Peer):
    """psql, one transaction for each file."""

    name = "psql"
    program = psql_program()
    wrapped = "BEGIN;\n{}COMMIT;\n"

    def arguments(self, place: Place, database: str, folder: Path) -> list[str]:
        files = [word for file in sorted(folder.glob("*.sql")) for word in ("-f", str(file))]
        return ["-Xq", "-o", os.devnull, "-v", "ON_ERROR_STOP=1", place.url(database), *files]


class PsqlEach(Psql):
    """psql, started for each file."""

    name = "psql for each file"
    program = Path("/bin/sh")

    def arguments(self, place: Place, database: str, folder: Path) -> list[str]:
        one = f'"{psql_program()}" -Xq -v ON_ERROR_STOP=1 "{place.url(database)}" -f "$f" || exit 1'
        return ["-c", f'for f in "{folder}"/*.sql; do {one}; done']


class Alembic(Peer):
    """Alembic, each file by one exec_driver_sql, as people run SQL files with it."""

    name = "alembic"
    program = _PYTHON / "alembic"

    def write(self, folder: Path, files: Sequence[str]) -> None:
        versions = folder / "steps" / "versions"
        versions.mkdir(parents=True)
        (folder / "alembic.ini").write_text("[alembic]\nscript_location = steps\n")
        (folder / "steps" / "env.py").write_text(_ALEMBIC_ENV)
        before = None
        for number, sql in enumerate(files, start=1):
            revision = f"r{number:04}"
            (versions / f"{revision}.py").write_text(_ALEMBIC_STEP.format(revision=revision, before=before))
            (versions / f"{revision}.sql").write_text(sql)
            before = revision

    def arguments(self, place: Place, database: str, folder: Path) -> list[str]:
        return ["upgrade", "head"]


class Yoyo(Peer):
    """yoyo-migrations."""

    name = "yoyo"
    program = _PYTHON / "yoyo"
    file = "{:04}.m.sql"

    def arguments(self, place: Place, database: str, folder: Path) -> list[str]:
        return ["apply", "--batch", "--no-config-file", "-d", place.url(database), str(folder)]


class Dbmate(Peer):
    """dbmate."""

    name = "dbmate"
    program = _NODE / "dbmate"
    file = "{:014}_m.sql"
    wrapped = "-- migrate:up\n{}\n-- migrate:down\n"

    def arguments(self, place: Place, database: str, folder: Path) -> list[str]:
        return ["--no-dump-schema", "--migrations-dir", str(folder), "migrate"]


class NodePgMigrate(Peer):
    """node-pg-migrate, with SQL files."""

    name = "node-pg-migrate"
    program = _NODE / "node-pg-migrate"
    file = "16{:011}_m.sql"
    wrapped = "-- Up Migration\n{}\n-- Down Migration\n"

    def arguments(self, place: Place, database: str, folder: Path) -> list[str]:
        return ["up", "-m", str(folder), "--no-single-transaction"]


class Sqitch(Peer):
    """sqitch, without verify scripts."""

    name = "sqitch"
    program = Path(shutil.which("sqitch") or "/usr/bin/sqitch")

    def write(self, folder: Path, files: Sequence[str]) -> None:
        (folder / "deploy").mkdir()
        plan = ["%syntax-version=1.0.0", "%project=bench", ""]
        for number, sql in enumerate(files, start=1):
            (folder / "deploy" / f"m{number:04}.sql").write_text(Psql.wrapped.format(sql))
            plan.append(f"m{number:04} 2026-01-01T00:00:00Z bench <bench@example.org> # m")
        (folder / "sqitch.plan").write_text("\n".join(plan) + "\n")
        (folder / "sqitch.conf").write_text(f'[core]\n\tengine = pg\n[engine "pg"]\n\tclient = {psql_program()}\n')

    def arguments(self, place: Place, database: str, folder: Path) -> list[str]:
        url = f"db:pg://postgres@{place.host}:{place.port}/{database}"
        return ["--quiet", "deploy", "--no-verify", "--target", url]


class Changeover(Peer):
    """This project: the command, from its start to its exit. What of it was the run itself is in `ran`."""

    name = "changeover"
    program = Path(sys.executable).with_name("changeover")

    def __init__(self) -> None:
        # seconds of the last run: from each migration's first attempt to its COMMIT, together
        self.ran = 0.0

    def arguments(self, place: Place, database: str, folder: Path) -> list[str]:
        return ["apply", "--yes", "--json", "--allow", "all", "--migrations", str(folder)]

    def apply(self, place: Place, database: str, folder: Path) -> Ran:
        done = super().apply(place, database, folder)
        if done.code == 0:
            self.ran = sum(it["duration_ms"] for it in json.loads(done.out)["migrations"]) / 1000
        return done


PEERS: tuple[Peer, ...] = (Psql(), Alembic(), Yoyo(), Dbmate(), NodePgMigrate(), Sqitch())


def named(name: str) -> Peer:
    """Return one of them."""
    return next(peer for peer in PEERS if peer.name == name)


def install() -> None:
    """Install those that come from PyPI and npm, once; what cannot be had is absent."""
    if not Alembic.program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME / "python")], check=True)
        pip = [str(_PYTHON / "python"), "-m", "pip", "--disable-pip-version-check", "-qq", "install"]
        subprocess.run([*pip, "alembic", "yoyo-migrations", "psycopg2-binary", "setuptools<81"], check=False)
    if not Dbmate.program.exists() and shutil.which("npm"):
        (HOME / "node").mkdir(parents=True, exist_ok=True)
        words = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(HOME / "node")]
        subprocess.run([*words, "dbmate", "node-pg-migrate", "pg"], check=False)
