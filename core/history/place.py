"""Where a history table is."""

from __future__ import annotations

from msgspec import Struct

from ..names import written
from ..quoting import identifier


class Place(Struct, frozen=True, kw_only=True):
    """Where a history table is, or would be."""

    schema: str
    name: str
    exists: bool

    @property
    def sql(self) -> str:
        """The table's name for SQL."""
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    @property
    def shown(self) -> str:
        """The table's name for people."""
        return written((self.schema, self.name))
