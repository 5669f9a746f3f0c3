"""What a module of a migration folder format offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from msgspec import Struct, field

from ..formats import Format
from ..migration import Folder
from .listing import Listing
from .naming import New


class Options(Struct, frozen=True, kw_only=True):
    """What the reading of a folder depends on besides its files."""

    # name -> value, from the settings: for the formats that define placeholders, and no others
    placeholders: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    # variables of the environment, for the tools that read values or settings from it
    environ: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    # the time that Flyway has a placeholder for
    now: datetime | None = None
    # of the target, once it is connected to: Flyway and graphile-migrate have placeholders for them
    database: str | None = None
    user: str | None = None
    # the first of its search_path that is there
    schema: str | None = None


Read: TypeAlias = Callable[[Path, Options], Folder]


class Reader(Struct, frozen=True, kw_only=True):
    """One format's way of reading a folder."""

    format: Format
    # how sure a listing makes it: 0 not this format, 1 it may be, 2 its names or texts say so, 3 a file of the tool's
    # own says so
    likeness: Callable[[Listing], int]
    read: Read
    # None where only the tool itself can write one, and then how a person goes on with it
    new: New | None = None
    instead_of_new: str = ""
