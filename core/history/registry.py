"""The histories of other tools that can be read and written; a format that is not here is not supported."""

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
    node_pg_migrate,
    prisma,
    sqitch,
    sqlx,
    tern,
)
from .dialect import Dialect

DIALECTS: Final[dict[str, Dialect]] = {
    module.DIALECT.format.name: module.DIALECT
    for module in (
        golang_migrate, dbmate, goose, sqlx, prisma, flyway, tern, node_pg_migrate, graphile_migrate, diesel, atlas,
        sqitch,
    )
}  # fmt: skip
