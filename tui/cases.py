"""What there is to settle, as text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..core.orphans import OrphanBackend
from ..core.recovery import InDoubt
from ..core.repair import Case
from .columns import table
from .format import bounded, numbered, visible

# Nothing runs any more: the record is of an attempt that is over.
_RECORDED: Final = {"running": "begun, no end", "waiting": "not begun"}


def case_lines(case: Case) -> list[str]:
    """Return a case: its state, each step as it was recorded and as it is found, and the answers that are open."""
    status = case.status
    undoing = ", its revert" if case.undoing else ""
    lines = [
        visible(
            f"{numbered(status.version)} {status.name} ({case.file}){undoing}: {status.state.value.replace('_', ' ')}"
        ),
        f"  {bounded(status.note, 400)}",
    ]
    rows = [
        (
            f"  {step.statement.number}",
            step.statement.kind,
            "EDITED" if step.is_edited else _RECORDED.get(step.recorded, step.recorded),
            step.found.value if step.recorded == "running" else "",
        )
        for step in case.steps
    ]
    if rows:
        header, *shown = table(("  #", "STATEMENT", "RECORDED", "FOUND"), rows)
        lines.append(header)
        for step, line in zip(case.steps, shown, strict=True):
            # a line of its own: it names objects, and says what to do with them
            lines += [line, f"     {bounded(step.note, 400)}"] if step.note else [line]
    lines += [visible(f"  invalid index {index.name} on {'.'.join(index.table)}") for index in case.invalid]
    if case.safe is not None:
        lines.append(visible(f"  safe: {case.safe.value} ({case.why})"))
    else:
        lines.append(visible(f"  {case.why}"))
    if case.remedies:
        lines.append(f"  open: {', '.join(f'--{remedy.value}' for remedy in case.remedies)}")
    return lines


def in_doubt_lines(doubts: Sequence[InDoubt]) -> list[str]:
    """Return the runs whose outcome could not be settled now."""
    return [
        visible(f"session {doubt.session} is in doubt ({_named(doubt.versions)}): {doubt.reason}") for doubt in doubts
    ]


def backend_lines(backends: Sequence[OrphanBackend]) -> list[str]:
    """Return the backends of ours that still work for a runner that is gone."""
    return [
        visible(
            f"backend {it.pid} ({it.purpose}, {it.state or 'state not visible'}) still works for session {it.session}, "
            "whose runner is gone"
        )
        for it in backends
    ]


def _named(versions: Sequence[str]) -> str:
    return ", ".join(map(numbered, versions)) or "no version"
