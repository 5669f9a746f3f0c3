"""What there is to settle, what the catalog shows of it, and which answers are open to an operator. Pure."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from . import formats
from .actions import Choice
from .catalog import Catalog
from .history import AttemptRecord, History
from .items import left_by
from .migration import Folder, Migration
from .rebuild import InvalidIndex
from .resume import Found, StepLook, is_resumable, look_at_steps, lost_steps
from .status import PENDING_STATES, MigrationStatus, State


class Remedy(StrEnum):
    """An answer to a case. RESUME is no record of its own: it is `apply`, or `revert` where that stopped half-way."""

    RESUME = "resume"
    DROP_INVALID = "drop-invalid"
    APPLIED = "applied"
    NOT_APPLIED = "not-applied"

    @property
    def choice(self) -> Choice | None:
        """The same as a word on which a repair acts; None for RESUME."""
        return None if self is Remedy.RESUME else Choice(self.value)


class Case(Struct, frozen=True, kw_only=True):
    """A migration that needs a look."""

    status: MigrationStatus
    # its script that stopped half-way: the migration's own, or its revert script
    file: str
    undoing: bool
    steps: tuple[StepLook, ...]
    invalid: tuple[InvalidIndex, ...]
    remedies: tuple[Remedy, ...]
    # the one answer that cannot be wrong; None where a person has to decide
    safe: Remedy | None
    # why it is safe, or why nothing is
    why: str

    @property
    def version(self) -> str:
        """The version of the migration."""
        return self.status.version

    @property
    def is_open(self) -> bool:
        """Whether it keeps other migrations from running; a rolled back attempt does not."""
        return self.status.state in {State.PARTIAL, State.IN_DOUBT, State.CHANGED}


def cases_of(
    *, folder: Folder, history: History, catalog: Catalog, states: tuple[MigrationStatus, ...]
) -> tuple[Case, ...]:
    """Return what failed, stopped half-way, is in doubt, or was edited and can be settled, in the folder's order."""
    by_version = {migration.version: migration for migration in folder.migrations}
    attempts = {attempt.version: attempt for attempt in history.attempts}
    in_force = {row.version for row in history.applied}
    cases: list[Case] = []
    for status in states:
        migration, attempt = by_version.get(status.version), attempts.get(status.version)
        if migration is None:
            continue
        if status.state in {State.PARTIAL, State.IN_DOUBT} and attempt is not None:
            undoing = status.version in in_force
            cases.append(_half(migration, attempt, status, catalog, undoing=undoing, sure=history.place is None))
        elif status.state is State.CHANGED and formats.BY_NAME[folder.format].has(formats.Notion.REALIGN):
            cases.append(_edited(migration, status, formats.BY_NAME[folder.format].title))
        elif status.state in PENDING_STATES:
            cases += _pending(migration, status, catalog)
    return tuple(cases)


def _edited(migration: Migration, status: MigrationStatus, title: str) -> Case:
    return Case(
        status=status,
        file=migration.file,
        undoing=False,
        steps=(),
        invalid=(),
        remedies=(Remedy.APPLIED,),
        safe=None,
        why=f"the file was edited after it was applied; {title} would take it for what was applied",
    )


def _pending(migration: Migration, status: MigrationStatus, catalog: Catalog) -> list[Case]:
    left = tuple(index for _, index in left_by(migration.script.statements, catalog))
    if not left and status.state is not State.FAILED:
        return []
    why = "it was rolled back: there is nothing to settle, and apply runs it again"
    if left:
        why = "an invalid index stands where it builds its own; look whether somebody is building it right now"
    return [
        Case(
            status=status,
            file=migration.file,
            undoing=False,
            steps=(),
            invalid=left,
            remedies=(Remedy.DROP_INVALID,) if left else (),
            safe=None,
            why=why,
        )
    ]


def _half(
    migration: Migration,
    attempt: AttemptRecord,
    status: MigrationStatus,
    catalog: Catalog,
    *,
    undoing: bool,
    sure: bool,
) -> Case:
    side = migration.revert if undoing else None
    script, file = (side.script, side.file) if side else (migration.script, migration.file)
    steps = look_at_steps(script, attempt.steps, catalog, sure=sure) if is_resumable(attempt) else ()
    to_do = tuple(step.statement for step in steps if not step.is_done)
    invalid = tuple(index for _, index in left_by(to_do, catalog))
    safe, why = _judged(steps, invalid, lost_steps(script, attempt.steps), undoing=undoing)
    if undoing and side is None:
        safe, why = None, "its revert script is not in the folder any more"
    remedies = [Remedy.APPLIED, Remedy.NOT_APPLIED]
    if invalid:
        remedies.insert(0, Remedy.DROP_INVALID)
    if steps and not invalid and safe is not None:
        remedies.insert(0, Remedy.RESUME)
    return Case(
        status=status,
        file=file,
        undoing=undoing,
        steps=steps,
        invalid=invalid,
        remedies=tuple(remedies),
        safe=safe,
        why=why,
    )


def _judged(
    steps: tuple[StepLook, ...], invalid: tuple[InvalidIndex, ...], lost: tuple[int, ...], *, undoing: bool
) -> tuple[Remedy | None, str]:
    """Return the one answer that cannot be wrong, with the reason."""
    if not steps:
        return None, "nothing tells how far it came: look whether its statements took effect"
    edited = [step.statement.number for step in steps if step.is_edited] + list(lost)
    if edited:
        return None, f"statement {', '.join(map(str, edited))} was edited after it was done"
    unknown = next((it for it in steps if it.recorded == "running" and it.found is Found.UNKNOWN), None)
    if unknown is not None:
        return None, f"statement {unknown.statement.number} was under way, and {unknown.note}"
    if invalid:
        names = ", ".join(index.name for index in invalid)
        return Remedy.DROP_INVALID, f"index {names} is invalid and of no use"
    if all(step.is_done for step in steps):
        return (Remedy.NOT_APPLIED if undoing else Remedy.APPLIED), "every statement of it is done"
    if not any(step.is_done for step in steps):
        return (Remedy.APPLIED if undoing else Remedy.NOT_APPLIED), "no statement of it took effect"
    return Remedy.RESUME, "it can go on where it ended"
