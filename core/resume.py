"""What an attempt outside a transaction has left to do: its recorded steps against the files and the catalog. Pure.

A step that was recorded as done is not done again. One that was under way when the attempt ended is looked for in the
catalog: each statement outside a transaction is whole by itself, so that what it makes is there or is not; only an
index that is built concurrently can be there and be of no use.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Final

from msgspec import Struct

from . import proofs, tree
from .catalog import Catalog
from .copy_data import CopyData
from .effects import effects_of
from .history import AttemptRecord, StepRecord
from .judge import search_path_after
from .names import written
from .script import Script, Statement
from .touches import Act, Ref, Touch
from .world import World


class Found(StrEnum):
    """What the catalog says about a step: done, not done, an invalid index, or nothing that would decide."""

    DONE = "done"
    NOT_DONE = "not done"
    INVALID = "invalid"
    UNKNOWN = "unknown"


class StepLook(Struct, frozen=True, kw_only=True):
    """A statement of a migration that stopped half-way, as the attempt recorded it and as it is found now."""

    statement: Statement
    # waiting, running, done, skipped or deferred
    recorded: str
    # whether the text is still the one that the attempt had
    same: bool
    found: Found
    # why that is so, in words
    note: str = ""
    # a query of ours that answers one row as long as what was found is so; None where nothing was looked for
    proof: str | None = None

    @property
    def is_edited(self) -> bool:
        """Whether a statement that is done is not the one in the file any more."""
        return self.recorded == "done" and not self.same

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.same and (self.recorded == "done" or (self.recorded == "running" and self.found is Found.DONE))

    @property
    def is_settled(self) -> bool:
        """Whether the catalog has no say in it: it is done, or stands in the way as an edited one."""
        return self.is_done or self.is_edited


# Running them a second time does what running them once does.
_REPEATABLE: Final = frozenset(
    {"ANALYZE", "CHECKPOINT", "CLUSTER", "REFRESH MATERIALIZED VIEW", "REINDEX", "REINDEX CONCURRENTLY", "VACUUM"}
)
# They are gone with the connection, and the statements after them rely on them.
OF_THE_CONNECTION: Final = frozenset({"SET", "RESET", "LOAD", "DISCARD"})


def step_hash(sql: str, data: CopyData | None = None) -> str:
    """Return what a step is known by in the attempt log: its text, and the rows that it takes from the file."""
    made = sha256(sql.encode())
    if data is not None:
        made.update(b"\n" + data.rows)
    return made.hexdigest()


def is_resumable(attempt: AttemptRecord | None) -> bool:
    """Whether an attempt ran outside a transaction and did not come to its end."""
    return attempt is not None and attempt.state in {"running", "partial"} and bool(attempt.steps)


def look_at_steps(
    script: Script, steps: Sequence[StepRecord], catalog: Catalog, *, sure: bool = True
) -> tuple[StepLook, ...]:
    """Return every statement of the file with what became of it; recorded steps that the file lost are edited ones.

    `sure` is whether a record of a transaction of the file's own was committed with it: what it calls running is not
    there then.
    """
    known = {step.number: step for step in steps}
    world = World(catalog)
    looks: list[StepLook] = []
    for statement in script.statements:
        record = known.get(statement.number)
        recorded = record.state if record else "waiting"
        same = record is not None and record.sha256 == step_hash(statement.sql, statement.data)
        if statement.kind in OF_THE_CONNECTION:
            # done again: it holds for the connection of one attempt
            looks.append(StepLook(statement=statement, recorded="waiting", same=True, found=Found.NOT_DONE))
            path = search_path_after(statement.tree, world)
            world.search_path = world.search_path if path is None else path
        elif recorded == "running" and same and statement.segment and sure:
            note = "its transaction was not committed"
            looks.append(StepLook(statement=statement, recorded=recorded, same=True, found=Found.NOT_DONE, note=note))
        elif recorded == "running" and same:
            found, note, proof = look_for(statement, world)
            looks.append(
                StepLook(statement=statement, recorded=recorded, same=True, found=found, note=note, proof=proof)
            )
        else:
            found = Found.DONE if recorded == "done" else Found.NOT_DONE
            looks.append(StepLook(statement=statement, recorded=recorded, same=same, found=found))
    return tuple(looks)


def lost_steps(script: Script, steps: Sequence[StepRecord]) -> tuple[int, ...]:
    """Return the numbers of the steps that are done and have no statement in the file any more.

    Steps that were added to the file's own (the drop of an invalid index) are recorded as `dropped`.
    """
    last = len(script.statements)
    return tuple(step.number for step in steps if step.state == "done" and step.number > last)


def look_for(statement: Statement, world: World) -> tuple[Found, str, str | None]:
    """Return whether what a statement makes or drops is there, why that is so in words, and the proof of it."""
    if statement.kind in _REPEATABLE:
        return Found.NOT_DONE, "it may be run again", None
    effects = effects_of(statement)
    if effects.unknowable or effects.guard or statement.kind == "DO":
        return Found.UNKNOWN, "the catalog does not show what it did", None
    acts = [touch for touch in effects.touches if touch.act in {Act.MAKE, Act.DROP}]
    if statement.kind.startswith("CREATE INDEX"):
        made = next((touch for touch in acts if touch.ref.kind == "index"), None)
        return _index(made, statement, world) if made else (Found.UNKNOWN, "its index has no name", None)
    if acts and all(touch.guarded or touch.replace for touch in acts):
        return Found.NOT_DONE, "it may be run again", None
    there = [world.exists(touch.ref) for touch in acts]
    names = ", ".join(str(touch.ref) for touch in acts)
    if not acts or len({touch.act for touch in acts}) > 1 or len(set(there)) > 1 or there[0] is None:
        return Found.UNKNOWN, f"the catalog does not show whether it was done{f' ({names})' if names else ''}", None
    making = acts[0].act is Act.MAKE
    if there[0] is making:
        return Found.DONE, f"{names} is {'there' if making else 'gone'}", proofs.proof([_fact(t, world) for t in acts])
    return Found.NOT_DONE, f"{names} is {'not there' if making else 'still there'}", None


def _fact(touch: Touch, world: World) -> str:
    ref = touch.ref
    if touch.act is Act.DROP:
        return proofs.negated(proofs.exists(ref))
    if ref.member is not None:
        ref = Ref(kind=ref.kind, name=world.key(ref.name), member=ref.member)
    return proofs.exists(ref)


def _index(touch: Touch, statement: Statement, world: World) -> tuple[Found, str, str | None]:
    table = world.find(touch.other or ())
    if table is None:
        return Found.NOT_DONE, "its table is not there", None
    key = (table.key[0], touch.ref.name[-1])
    name = written(key)
    there = world.relation(key)
    if there is None:
        return Found.NOT_DONE, f"index {name} is not there", None
    index = table.indexes.get(key[1])
    if index is None:
        return Found.UNKNOWN, f"{name} is there and is no index of this table", None
    if not index.valid:
        return Found.INVALID, f"index {name} is there and invalid: its build did not end", None
    named = bool(tree.inner(statement.tree).idxname)
    if not named or (index.unique, index.columns, index.partial) != (
        touch.unique,
        touch.columns,
        touch.detail == "partial",
    ):
        return Found.UNKNOWN, f"an index {name} is there, and may be another one", None
    proof = proofs.proof([proofs.exists(Ref(kind="index", name=key), valid=True)])
    return Found.DONE, f"index {name} is there and valid", proof
