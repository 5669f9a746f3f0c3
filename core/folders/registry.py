"""The formats whose folders are read: those that are worked with, and those that are only recognised."""

from __future__ import annotations

from typing import Final

from . import (
    atlas,
    dbmate,
    diesel,
    flyway,
    golang_migrate,
    goose,
    graphile_migrate,
    listed,
    native,
    node_pg_migrate,
    prisma,
    sqitch,
    sqlx,
    tern,
)
from .reader import Reader

READERS: Final[dict[str, Reader]] = {
    reader.format.name: reader
    for reader in (
        native.READER,
        golang_migrate.READER,
        dbmate.READER,
        goose.READER,
        sqlx.READER,
        prisma.READER,
        flyway.READER,
        tern.READER,
        node_pg_migrate.READER,
        graphile_migrate.READER,
        diesel.READER,
        atlas.READER,
        sqitch.READER,
    )
}

# Recognised, so that nobody takes them for another format: no module in core/history/ writes their tables.
UNRECORDED: Final[dict[str, Reader]] = {reader.format.name: reader for reader in listed.LISTED}
