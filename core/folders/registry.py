"""The formats whose folders can be read; a format that is not here is not supported."""

from __future__ import annotations

from typing import Final

from . import dbmate, flyway, golang_migrate, goose, native, prisma, sqlx
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
    )
}
