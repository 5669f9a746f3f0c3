"""The way of all text to the screen: made visible once, then never read as markup.

Widgets take `Content` and `Cell` from here, never a plain string with data in it.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from rich.cells import cell_len, chop_cells
from textual.content import Content

from ..core.errors import Fault
from ..core.events import Result, StatementState
from ..core.precheck import Verdict
from ..core.status import State
from .format import ELLIPSIS, visible

NOTHING: Final = Content("")


def words(text: str, tone: str = "text", *, bold: bool = False, lines: bool = False) -> Content:
    """Return `text`, made visible, in the colour of `tone`; on one line unless `lines`."""
    style = f"${tone} bold" if bold else f"${tone}"
    return Content.styled(visible(text, lines=lines), style)


def joined(*parts: Content | str) -> Content:
    """Return the parts side by side; a plain string here is ours, never data."""
    return Content.assemble(*parts)


def stacked(*lines: Content | None) -> Content:
    """Return the lines under each other, without those that are None."""
    return Content("\n").join([line for line in lines if line is not None])


def beside(lead: Content, text: str, tone: str = "text") -> Content:
    """Return `text`, of as many lines as it has, to the right of `lead`: none of them begins under that."""
    first, *others = visible(text, lines=True).split("\n")
    indent = " " * cell_len(lead.plain)
    said = stacked(words(first, tone), *(joined(indent, words(other, tone)) for other in others))
    return joined(lead, said)


class Cell(Struct, frozen=True):
    """A piece of a table's row; its text is visible already."""

    text: str
    tone: str = "text"


def cell(text: str, tone: str = "text") -> Cell:
    """Return a table cell of `text`, made visible on one line."""
    return Cell(visible(text), tone)


def squeezed(sql: str) -> str:
    """Return SQL on one line: every run of white space is one blank. For lists only, never for what is run."""
    return " ".join(sql.split())


def fit(text: str, width: int, *, cut: str = "end", right: bool = False) -> str:
    """Return visible `text` in exactly `width` cells: padded, or shortened with `…` at its `cut`.

    `cut` is start, middle or end: where the text matters least.
    """
    if width <= 0:
        return ""
    length = cell_len(text)
    if length > width:
        text = _shortened(text, width, cut)
        length = cell_len(text)
    pad = " " * (width - length)
    return pad + text if right else text + pad


def padded(text: str, width: int) -> str:
    """Return visible `text` in at least `width` cells."""
    return text + " " * (width - cell_len(text))


def _shortened(text: str, width: int, cut: str) -> str:
    if width == 1:
        return ELLIPSIS
    tail = {"end": 0, "middle": (width - 1) // 2, "start": width - 1}[cut]
    head = width - 1 - tail
    start = chop_cells(text, head)[0] if head else ""
    end = ""
    if tail:
        end = chop_cells(text[::-1], tail)[0][::-1]
    return start + ELLIPSIS + end


# Every state has a word that fits its column, and a shape beside it that does not need colour.
STATEMENT: Final[dict[StatementState, tuple[str, str]]] = {
    StatementState.WAITING: ("·", "dim"),
    StatementState.RUNNING: ("► run", "live"),
    StatementState.DONE: ("✓ done", "ok"),
    StatementState.SKIPPED: ("✓ skip", "dim"),
    StatementState.DEFERRED: ("~ defer", "warn"),
    StatementState.FAILED: ("× FAIL", "bad"),
}

RESULT: Final[dict[Result, tuple[str, str]]] = {
    Result.APPLIED: ("✓ applied", "ok"),
    Result.REVERTED: ("✓ reverted", "ok"),
    Result.BASELINED: ("✓ baselined", "ok"),
    Result.REPAIRED: ("✓ repaired", "ok"),
    Result.NOTHING_TO_DO: ("✓ nothing to do", "ok"),
    Result.ROLLED_BACK: ("× rolled back", "bad"),
    Result.STOPPED: ("■ stopped", "warn"),
    Result.PARTIAL: ("! partial", "bad"),
    Result.IN_DOUBT: ("? in doubt", "bad"),
    Result.REFUSED: ("× refused", "bad"),
}

STATE: Final[dict[State, tuple[str, str]]] = {
    State.APPLIED: ("✓ applied", "ok"),
    State.PENDING: ("○ pending", "live"),
    State.CHANGED: ("× changed", "bad"),
    State.LINE_ENDINGS: ("✓ line ends", "dim"),
    State.DEFERRED: ("~ deferred", "warn"),
    State.FAILED: ("× failed", "bad"),
    State.PARTIAL: ("! partial", "bad"),
    State.IN_DOUBT: ("? in doubt", "bad"),
    State.MISSING_FILE: ("! file gone", "warn"),
    State.UNKNOWN: ("? unknown", "warn"),
}

VERDICT: Final[dict[Verdict, tuple[str, str]]] = {
    Verdict.READY: ("✓ ready", "ok"),
    Verdict.SATISFIED: ("✓ satisfied", "dim"),
    Verdict.DIFFERENT: ("≠ different", "warn"),
    Verdict.CONFLICT: ("× CONFLICT", "bad"),
    Verdict.MISSING: ("× MISSING", "bad"),
    Verdict.OPTIONAL: ("· optional", "dim"),
    Verdict.DEFERRED: ("~ deferred", "warn"),
    Verdict.UNKNOWABLE: ("? unknowable", "warn"),
}


def fault_words(fault: Fault) -> Content:
    """Return a failure in full: what happened, where, the server's words, what to do; SQLSTATE last."""
    place = ""
    if fault.file:
        place = fault.file + (f":{fault.line}" if fault.line else "") + (f":{fault.column}" if fault.column else "")
    return stacked(
        words(f"× {fault.summary}", "bad", bold=True, lines=True),
        _named("at", place),
        _named("detail", fault.detail),
        _named("hint", fault.hint),
        _named("context", fault.context),
        words(fault.advice, lines=True) if fault.advice else None,
        _named("SQLSTATE", fault.sqlstate),
    )


def _named(name: str, text: str | None) -> Content | None:
    if not text:
        return None
    return beside(words(f"{name:<9}", "dim"), text)
