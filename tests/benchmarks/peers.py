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
from typing import ClassVar

from tests.benchmarks.place import Place, environment, psql_program
from tests.benchmarks.timing import Ran, timed

HOME = Path(sys.prefix) / "peers"
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
    """One of them."""

    name: ClassVar[str]

    @abstractmethod
    def is_here(self) -> bool:
        """Whether it is installed."""

    @abstractmethod
    def write(self, folder: Path, files: Sequence[str]) -> None:
        """Write migrations, in order, as this one wants them; `folder` is empty."""

    @abstractmethod
    def words(self, place: Place, database: str, folder: Path) -> list[str]:
        """Return the command that applies all of them."""

    def apply(self, place: Place, database: str, folder: Path) -> Ran:
        """Apply what is pending, in one command."""
        env = environment(place, BENCH_URL=place.url(database), DATABASE_URL=place.url(database))
        return timed(self.words(place, database, folder), env=env, cwd=folder)


class Psql(Peer):
    """psql, one transaction for each file."""

    name = "psql"

    def is_here(self) -> bool:
        return psql_program().exists()

    def write(self, folder: Path, files: Sequence[str]) -> None:
        for number, sql in enumerate(files, start=1):
            (folder / f"{number:04}_m.sql").write_text(f"BEGIN;\n{sql}COMMIT;\n")

    def words(self, place: Place, database: str, folder: Path) -> list[str]:
        files = [word for file in sorted(folder.glob("*.sql")) for word in ("-f", str(file))]
        return [str(psql_program()), "-Xq", "-o", os.devnull, "-v", "ON_ERROR_STOP=1", place.url(database), *files]


class PsqlEach(Psql):
    """psql, started for each file."""

    name = "psql for each file"

    def words(self, place: Place, database: str, folder: Path) -> list[str]:
        one = f'"{psql_program()}" -Xq -v ON_ERROR_STOP=1 "{place.url(database)}" -f "$f" || exit 1'
        return ["/bin/sh", "-c", f'for f in "{folder}"/*.sql; do {one}; done']


class Alembic(Peer):
    """Alembic, each file by one exec_driver_sql, as people run SQL files with it."""

    name = "alembic"

    def is_here(self) -> bool:
        return (HOME / "python" / "bin" / "alembic").exists()

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

    def words(self, place: Place, database: str, folder: Path) -> list[str]:
        return [str(HOME / "python" / "bin" / "alembic"), "upgrade", "head"]


class Yoyo(Peer):
    """yoyo-migrations."""

    name = "yoyo"

    def is_here(self) -> bool:
        return (HOME / "python" / "bin" / "yoyo").exists()

    def write(self, folder: Path, files: Sequence[str]) -> None:
        for number, sql in enumerate(files, start=1):
            (folder / f"{number:04}.m.sql").write_text(sql)

    def words(self, place: Place, database: str, folder: Path) -> list[str]:
        yoyo = str(HOME / "python" / "bin" / "yoyo")
        return [yoyo, "apply", "--batch", "--no-config-file", "-d", place.url(database), str(folder)]


class Dbmate(Peer):
    """dbmate."""

    name = "dbmate"

    def is_here(self) -> bool:
        return (HOME / "node" / "node_modules" / ".bin" / "dbmate").exists()

    def write(self, folder: Path, files: Sequence[str]) -> None:
        for number, sql in enumerate(files, start=1):
            (folder / f"{number:014}_m.sql").write_text(f"-- migrate:up\n{sql}\n-- migrate:down\n")

    def words(self, place: Place, database: str, folder: Path) -> list[str]:
        dbmate = str(HOME / "node" / "node_modules" / ".bin" / "dbmate")
        return [dbmate, "--no-dump-schema", "--migrations-dir", str(folder), "migrate"]


class NodePgMigrate(Peer):
    """node-pg-migrate, with SQL files."""

    name = "node-pg-migrate"

    def is_here(self) -> bool:
        return (HOME / "node" / "node_modules" / ".bin" / "node-pg-migrate").exists()

    def write(self, folder: Path, files: Sequence[str]) -> None:
        for number, sql in enumerate(files, start=1):
            (folder / f"{1_600_000_000_000 + number}_m.sql").write_text(f"-- Up Migration\n{sql}\n-- Down Migration\n")

    def words(self, place: Place, database: str, folder: Path) -> list[str]:
        program = str(HOME / "node" / "node_modules" / ".bin" / "node-pg-migrate")
        return [program, "up", "-m", str(folder), "--no-single-transaction"]


class Sqitch(Peer):
    """sqitch, without verify scripts."""

    name = "sqitch"

    def is_here(self) -> bool:
        return shutil.which("sqitch") is not None

    def write(self, folder: Path, files: Sequence[str]) -> None:
        (folder / "deploy").mkdir()
        plan = ["%syntax-version=1.0.0", "%project=bench", ""]
        for number, sql in enumerate(files, start=1):
            (folder / "deploy" / f"m{number:04}.sql").write_text(f"BEGIN;\n{sql}COMMIT;\n")
            plan.append(f"m{number:04} 2026-01-01T00:00:00Z bench <bench@example.org> # m")
        (folder / "sqitch.plan").write_text("\n".join(plan) + "\n")
        (folder / "sqitch.conf").write_text(f'[core]\n\tengine = pg\n[engine "pg"]\n\tclient = {psql_program()}\n')

    def words(self, place: Place, database: str, folder: Path) -> list[str]:
        url = f"db:pg://postgres@{place.host}:{place.port}/{database}"
        return ["sqitch", "--quiet", "deploy", "--no-verify", "--target", url]


class Changeover(Peer):
    """This project: the command, from its start to its exit. What of it was the run itself is in `ran`."""

    name = "changeover"

    def __init__(self) -> None:
        # seconds of the last run: from each migration's first attempt to its COMMIT, together
        self.ran = 0.0

    def is_here(self) -> bool:
        return True

    def write(self, folder: Path, files: Sequence[str]) -> None:
        for number, sql in enumerate(files, start=1):
            (folder / f"{number:04}_m.sql").write_text(sql)

    def words(self, place: Place, database: str, folder: Path) -> list[str]:
        program = str(Path(sys.executable).with_name("changeover"))
        return [program, "apply", "--yes", "--json", "--allow", "all", "--migrations", str(folder)]

    def apply(self, place: Place, database: str, folder: Path) -> Ran:
        done = super().apply(place, database, folder)
        if done.code == 0:
            self.ran = sum(it["duration_ms"] for it in json.loads(done.out)["migrations"]) / 1000
        return done


PEERS: tuple[Peer, ...] = (Psql(), Alembic(), Yoyo(), Dbmate(), NodePgMigrate(), Sqitch())


def install() -> None:
    """Install those that come from PyPI and npm, once; what cannot be had is absent."""
    if not (HOME / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME / "python")], check=True)
        pip = [str(HOME / "python" / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-qq", "install"]
        subprocess.run([*pip, "alembic", "yoyo-migrations", "psycopg2-binary", "setuptools<81"], check=False)
    if not (HOME / "node").exists() and shutil.which("npm"):
        (HOME / "node").mkdir(parents=True)
        words = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(HOME / "node")]
        subprocess.run([*words, "dbmate", "node-pg-migrate", "pg"], check=False)
