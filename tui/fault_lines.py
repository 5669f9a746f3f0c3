"""A failure in plain lines."""

from __future__ import annotations

from typing import Final

from ..core.errors import Fault
from .format import bounded, visible

# Foreign text is cut to these many characters; a line must stay one that a log can hold.
TEXT: Final = 1000


def fault_lines(fault: Fault) -> list[str]:
    """Return a failure in full: what happened and where, the server's words, what to do; SQLSTATE last."""
    lines = [visible(f"{_place(fault)}{fault.summary}")]
    for name, text in (("detail", fault.detail), ("hint", fault.hint), ("context", fault.context)):
        if text:
            lines.append(f"  {name}: {bounded(text, TEXT)}")
    if fault.advice:
        lines.append(f"  {visible(fault.advice)}")
    if fault.sqlstate:
        lines.append(f"  SQLSTATE {visible(fault.sqlstate)}")
    return lines


def fault_words(fault: Fault) -> str:
    """Return a failure on one line."""
    state = f" (SQLSTATE {fault.sqlstate})" if fault.sqlstate else ""
    return bounded(f"{_place(fault)}{fault.summary}", TEXT) + visible(state)


def _place(fault: Fault) -> str:
    """Return file, line and column as far as they are known, with the colon that sets them off, or nothing."""
    known = [str(part) for part in (fault.file, fault.line, fault.column) if part is not None]
    return f"{':'.join(known)}: " if fault.file else ""
