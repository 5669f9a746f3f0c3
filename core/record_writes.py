"""What a plan's entries write into another tool's history, as statements: their rights are asked for like any others'.

Pure. The texts are those that a run will send, with the values of nobody in particular.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from .history import History
from .history.foreign_ledger import ForeignLedger
from .history.ledger import Authorship, Deed, Record
from .history.registry import DIALECTS
from .migration import Folder, Migration
from .script import Statement, parse

_NOBODY: Final = Authorship(run="", operator="", session="", digest="")
_VALUES: Final = re.compile(r"E?'(?:[^'\\]|''|\\.)*'|\b[0-9]+(?:\.[0-9]+)?\b", re.DOTALL)


class Write(Struct, frozen=True, kw_only=True):
    """An entry of a plan that will be recorded."""

    migration: Migration
    kind: str
    record: Record
    transactional: bool


def record_writes(history: History, folder: Folder, entries: Iterable[Write]) -> tuple[Statement, ...]:
    """Return the statements, each form of them once; none for a history of ours, or one that is not there yet."""
    if history.place is None or not history.exists:
        return ()
    ledger = ForeignLedger(DIALECTS[history.format], history.place, history, folder, _NOBODY)
    forms: dict[str, str] = {}
    for entry in entries:
        for text in _texts(ledger, entry):
            forms.setdefault(_VALUES.sub("?", text), text)
    return tuple(statement for text in forms.values() for statement in parse(text.encode(), file="").statements)


def _texts(ledger: ForeignLedger, entry: Write) -> Iterator[str]:
    deed = Deed(migration=entry.migration, entry=entry.kind, record=entry.record)
    if not entry.transactional:
        for state in ("running", "partial", "failed"):
            if text := ledger.attempt(deed, state=state):
                yield text
                ledger.attempted(deed, state)
    elif text := ledger.attempt(deed, state="failed"):
        yield text
    yield ledger.recording(deed, seconds=0.0)
    ledger.expect(deed)
