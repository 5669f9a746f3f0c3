"""The migration tools whose folders and history tables are known, and which notions each has. Pure data."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct


class Notion(StrEnum):
    """Something that a format may have or lack; the words are those that a person reads.

    OUT_OF_ORDER: the tool itself applies what is older than the newest that is applied. CHECKSUMS: its history keeps
    one of each file. REPAIR: its history can say that a migration failed half-way. REALIGN: its repair takes an edited
    file for what was applied.
    """

    APPLY = "apply"
    REVERT = "revert"
    VERIFY = "verify"
    BASELINE = "baseline"
    REPAIR = "repair"
    REALIGN = "repair of an edited file"
    NEW = "new"
    CHECKSUMS = "checksums"
    REPEATABLE = "repeatable migrations"
    OUT_OF_ORDER = "out of order"


class Format(Struct, frozen=True, kw_only=True):
    """One tool's way of keeping migrations; the name is that of `--format`, and of its folder and history alike."""

    name: str
    # as the tool spells itself
    title: str
    # what its files look like, for a person
    pattern: str
    # empty for a format that is only listed
    notions: frozenset[Notion]

    def has(self, notion: Notion) -> bool:
        """Whether the format has the notion."""
        return notion in self.notions

    @property
    def is_applied(self) -> bool:
        """Whether Changeover applies migrations of this format; the others are only listed."""
        return Notion.APPLY in self.notions


def _format(name: str, pattern: str, *notions: Notion, title: str = "") -> Format:
    return Format(name=name, title=title or name, pattern=pattern, notions=frozenset(notions))


_N = Notion
_APPLIED: Final = (_N.APPLY, _N.BASELINE, _N.NEW)

NATIVE: Final = _format(
    "native", "0001_name.sql", *_APPLIED, _N.REVERT, _N.VERIFY, _N.REPAIR, _N.CHECKSUMS, title="Changeover"
)
GOLANG_MIGRATE: Final = _format("golang-migrate", "1_name.up.sql and 1_name.down.sql", *_APPLIED, _N.REVERT, _N.REPAIR)
DBMATE: Final = _format("dbmate", "20060102150405_name.sql with `-- migrate:up`", *_APPLIED, _N.REVERT, _N.OUT_OF_ORDER)
GOOSE: Final = _format("goose", "00001_name.sql with `-- +goose Up`", *_APPLIED, _N.REVERT)
SQLX: Final = _format(
    "sqlx", "1_name.sql, or 1_name.up.sql and 1_name.down.sql",
    *_APPLIED, _N.REVERT, _N.REPAIR, _N.CHECKSUMS, _N.OUT_OF_ORDER,
)  # fmt: skip
PRISMA: Final = _format(
    "prisma", "20060102150405_name/migration.sql", *_APPLIED, _N.REPAIR, _N.CHECKSUMS, _N.OUT_OF_ORDER,
    title="Prisma Migrate",
)  # fmt: skip
FLYWAY: Final = _format(
    "flyway", "V1__name.sql, R__name.sql, U1__name.sql, B1__name.sql",
    *_APPLIED, _N.REVERT, _N.REPAIR, _N.REALIGN, _N.CHECKSUMS, _N.REPEATABLE, title="Flyway",
)  # fmt: skip
TERN: Final = _format("tern", "001_name.sql", *_APPLIED, _N.REVERT)
NODE_PG_MIGRATE: Final = _format("node-pg-migrate", "1600000000000_name.sql or .js", *_APPLIED, _N.REVERT)
GRAPHILE_MIGRATE: Final = _format("graphile-migrate", "committed/000001.sql", _N.APPLY, _N.BASELINE, _N.CHECKSUMS)
DIESEL: Final = _format("diesel", "2006-01-02-150405_name/up.sql", *_APPLIED, _N.REVERT, _N.OUT_OF_ORDER)
ATLAS: Final = _format(
    "atlas", "20060102150405_name.sql with atlas.sum",
    *_APPLIED, _N.REPAIR, _N.CHECKSUMS, title="Atlas",
)  # fmt: skip
SQITCH: Final = _format(
    "sqitch", "sqitch.plan with deploy/name.sql, revert/name.sql, verify/name.sql",
    *_APPLIED, _N.REVERT, _N.VERIFY, _N.CHECKSUMS, title="Sqitch",
)  # fmt: skip
ALEMBIC: Final = _format("alembic", "versions/*.py", title="Alembic")
DJANGO: Final = _format("django", "0001_initial.py", title="Django")
RAILS: Final = _format("rails", "20060102150405_name.rb", title="Rails")
LIQUIBASE: Final = _format("liquibase", "a changelog in XML, YAML, JSON or SQL", title="Liquibase")
YOYO: Final = _format("yoyo", "0001_name.py or .sql", title="yoyo-migrations")
ECTO: Final = _format("ecto", "20060102150405_name.exs", title="Ecto")
REFINERY: Final = _format("refinery", "V1__name.sql or .rs")
PGROLL: Final = _format("pgroll", "01_name.yaml or .json")

ALL: Final[tuple[Format, ...]] = (
    NATIVE, GOLANG_MIGRATE, DBMATE, GOOSE, SQLX, PRISMA, FLYWAY, TERN, NODE_PG_MIGRATE, GRAPHILE_MIGRATE, DIESEL, ATLAS,
    SQITCH, ALEMBIC, DJANGO, RAILS, LIQUIBASE, YOYO, ECTO, REFINERY, PGROLL,
)  # fmt: skip
BY_NAME: Final = {it.name: it for it in ALL}
