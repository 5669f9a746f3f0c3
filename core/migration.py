"""A migration as its folder holds it."""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from .errors import Fault
from .facts import Facts

if TYPE_CHECKING:
    # the parser is left to who reads scripts: a state is known without it
    from .script import Script


class Kind(StrEnum):
    """VERSIONED runs once, in its place. REPEATABLE runs after those, whenever its checksum is another one.

    BASELINE stands for everything up to its version, on a database that has no history yet.
    """

    VERSIONED = "versioned"
    REPEATABLE = "repeatable"
    BASELINE = "baseline"


class Checksums(Struct, frozen=True, kw_only=True):
    """Hexadecimal SHA-256 of a file: of its exact bytes, and of the text with CR LF and CR turned into LF."""

    exact: str
    normalised: str


class SideScript(Struct, frozen=True, kw_only=True):
    """The script that undoes a migration, or the one that verifies it: a file beside its own, or a section of it."""

    # relative to the folder
    file: str
    content: bytes
    checksums: Checksums
    script: Script


class Migration(Struct, frozen=True, kw_only=True):
    """One migration of a folder, read once: what was shown is what runs."""

    # the key in the tool's history, as text: 1 for 0001_x.up.sql where the table has a number
    version: str
    name: str
    # relative to the folder, as people say it
    file: str
    # of the whole file, of which `script` may be a section
    content: bytes
    checksums: Checksums
    script: Script
    revert: SideScript | None = None
    verify: SideScript | None = None
    kind: Kind = Kind.VERSIONED
    # by the tool's own algorithm, as its table keeps it, as text; None where it keeps none
    recorded_checksum: str | None = None
    # other values in the table that the tool takes for the same
    also_equal: tuple[str, ...] = ()
    # the checksums of the same text with other line ends, which the tool takes for another file
    nearly_equal: tuple[str, ...] = ()
    # what the tool's users call it besides its version and its file; the first of these is it alone
    also_called: tuple[str, ...] = ()
    # the language of a migration that is not SQL (Go, Python, ...): it is listed, and never run; its script is empty
    foreign: str = ""
    # what the tool's history row has besides
    facts: Facts | None = None

    @property
    def stem(self) -> str:
        """The file's name without `.sql`: what the names of its revert and verify scripts begin with."""
        return self.file.removesuffix(".sql")

    @property
    def is_repeatable(self) -> bool:
        """Whether it is due whenever its checksum is another one than the history's."""
        return self.kind is Kind.REPEATABLE

    def has_checksum(self, recorded: str | None) -> bool:
        """Whether the tool takes `recorded`, a value of its history table, for this file's."""
        return recorded is None or recorded in {self.recorded_checksum, *self.also_equal}


class Folder(Struct, frozen=True, kw_only=True):
    """A migrations folder and its migrations in the order in which they apply."""

    path: Path
    format: str
    migrations: tuple[Migration, ...]
    # where the tool's own configuration beside the folder puts its history: a schema, a table; None where it is silent
    history_schema: str | None = None
    history_table: str | None = None
    # whether it was read without what only the server can say, and something of it depends on that
    asks_server: bool = False
    # why nothing of it may run, whatever the history says (a wrong atlas.sum)
    refusals: tuple[Fault, ...] = field(default=())


def checksums_of(content: bytes) -> Checksums:
    """Return the SHA-256 of a file's bytes, and of its text with every line end turned into LF."""
    normalised = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return Checksums(exact=sha256(content).hexdigest(), normalised=sha256(normalised).hexdigest())


def line_end_variants(content: bytes) -> tuple[bytes, ...]:
    """Return the content with LF and with CR LF for every line end, without what it is already."""
    unix = content.replace(b"\r\n", b"\n")
    return tuple(it for it in (unix, unix.replace(b"\n", b"\r\n")) if it != content)
