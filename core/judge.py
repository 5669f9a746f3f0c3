"""Effects x catalog -> rows of the pre-check table, and what becomes of each statement of a plan. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from . import proofs, tree
from .catalog import Catalog
from .effects import effects_of, effects_of_all
from .effects_routines import Routines
from .errors import Place
from .estimate import Estimate, Toil
from .estimates.statement import estimate
from .findings import Finding, find
from .fresh_values import FreshValues
from .names import Parts, read, written
from .precheck import Decision, Row, Verdict
from .relation_state import RELATION_REFS
from .script import Statement
from .touches import Act, Effects, Ref, Test, Touch
from .world import World


class Entry(Struct, frozen=True, kw_only=True):
    """The statements of one migration that a plan goes through."""

    version: str
    statements: tuple[Statement, ...]
    # whether all of them run in one transaction
    transactional: bool = True


class Judged(Struct, frozen=True, kw_only=True):
    """What becomes of one statement."""

    statement: Statement
    effects: Effects
    decision: Decision
    # satisfied, optional, condition, guard, resumed, marked or rebuild; empty for a plain run
    cause: str = ""
    reason: str = ""
    proof: str | None = None
    guards_itself: bool = False
    rows: tuple[Row, ...] = ()
    estimate: Estimate = field(default_factory=Estimate)
    toils: tuple[Toil, ...] = ()
    # qualified names, each once
    needs: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    # as in a planned statement
    done_before: bool = False
    added: bool = False


def judge(entries: Sequence[Entry], catalog: Catalog) -> tuple[tuple[Judged, ...], ...]:
    """Return what becomes of every statement, entry by entry; each sees what the ones before it have done."""
    world = World(catalog)
    routines = Routines()
    read_effects = [list(effects_of_all(entry.statements, routines)) for entry in entries]
    ahead = _Ahead.of(read_effects)
    judged: list[tuple[Judged, ...]] = []
    for entry, effects in zip(entries, read_effects, strict=True):
        world.begin()
        seen: set[tuple[str, str, str, str, str]] = set()
        done: list[Judged] = []
        fresh = FreshValues(world)
        # by their effects: those that share them have nothing between them that a plan looks at
        known: dict[int, Judged] = {}
        for statement, its in zip(entry.statements, effects, strict=True):
            ahead.at += 1
            judge_one = _Case(
                statement=statement, effects=its, version=entry.version, world=world, ahead=ahead, seen=seen
            )
            uses = fresh.conflicts(statement) if entry.transactional else []
            twin = known.get(id(its))
            one = judge_one.judged() if twin is None else replace(twin, statement=statement, rows=())
            if its.shape is not None and one.decision is Decision.RUN:
                known[id(its)] = one
            if one.decision is Decision.RUN:
                fresh.take(statement)
                rows = [row for place, finding in uses for row in judge_one.row(place, finding, "type")]
                one = replace(one, rows=(*one.rows, *rows)) if rows else one
            done.append(one)
        judged.append(tuple(done))
    return tuple(judged)


def holds_now(statement: Statement, catalog: Catalog) -> bool:
    """Whether the condition or guard that a statement was deferred for holds in the database as it is."""
    world = World(catalog)
    condition = condition_ref(statement)
    if condition is not None:
        return world.exists(condition) is True
    guard = effects_of(statement).guard
    return bool(guard) and all(world.holds(test) is True for test in guard)


def condition_ref(statement: Statement) -> Ref | None:
    """Return the object that `when` asks for."""
    condition = statement.condition
    if condition is None:
        return None
    parts = read(condition.name)
    if condition.kind in {"column", "constraint"}:
        return Ref(kind=condition.kind, name=parts[:-1], member=parts[-1])
    return Ref(kind="base table" if condition.kind == "table" else condition.kind, name=parts)


class _Ahead(Struct, kw_only=True):
    """Columns that statements further on make or convert; `at` counts the statements that were judged."""

    # column name -> number of the statement, its table as written, its touch
    columns: dict[str, list[tuple[int, Parts, Touch]]]
    at: int = 0

    @classmethod
    def of(cls, effects: Sequence[Sequence[Effects]]) -> _Ahead:
        columns: dict[str, list[tuple[int, Parts, Touch]]] = defaultdict(list)
        number = 0
        for entry in effects:
            for its in entry:
                number += 1
                for touch in its.touches:
                    if touch.ref.kind == "column" and touch.ref.member is not None and touch.type is not None:
                        columns[touch.ref.member].append((number, touch.ref.name, touch))
        return cls(columns=columns)

    def find(self, world: World, table: str, column: str, act: Act) -> str | None:
        """Return the place of a later statement that does `act` to a column, None where there is none."""
        for number, name, touch in self.columns.get(column, ()):
            if number > self.at and touch.act is act and written(world.key(name)) == table:
                return f"{touch.place.file}:{touch.place.line}"
        return None


class _Case(Struct, kw_only=True):
    """One statement before the world as it is when its turn comes."""

    statement: Statement
    effects: Effects
    version: str
    world: World
    ahead: _Ahead
    seen: set[tuple[str, str, str, str, str]]

    def judged(self) -> Judged:
        condition = condition_ref(self.statement)
        proof = None
        if condition is not None:
            shown = str(self.statement.condition)
            fact = proofs.exists(condition)
            if self.world.exists(condition) is not True:
                return self.deferred(shown, proofs.proof([proofs.negated(fact)]), str(condition), condition.kind)
            proof = proofs.proof([fact])
        guarded = self.by_guard()
        if guarded is not None:
            return guarded
        work = estimate(self.effects, self.world)
        findings = self.findings()
        idle = self.idle(findings)
        if idle is not None:
            return self.skipped(findings, idle)
        return self.run(findings, work, proof, "condition" if condition is not None else "")

    def findings(self) -> list[tuple[Touch, Finding | None]]:
        """Go through the acts in their order, each in the world that those before it have left.

        Where all of them turn out to be idle, none has changed anything. Guards are asked before the first act.
        """
        world = self.world
        active = [t for t in self.effects.touches if all(world.holds(test) is not False for test in t.tests)]
        findings: list[tuple[Touch, Finding | None]] = []
        # tables that CREATE TABLE IF NOT EXISTS leaves as they are
        kept: set[Parts] = set()
        for touch in active:
            finding = find(touch, world, convert=self.convert, made_by=_made_by)
            making = touch.act is Act.MAKE
            if making and touch.ref.kind == "column" and touch.ref.name in kept:
                findings.append((touch, self.lacking(touch, finding)))
                continue
            if making and touch.ref.kind == "table" and finding and finding.verdict is Verdict.SATISFIED:
                kept.add(touch.ref.name)
            findings.append((touch, finding))
            if touch.act is not Act.NEED:
                world.apply(touch)
        return findings

    def convert(self, table: str, column: str) -> str | None:
        return self.ahead.find(self.world, table, column, Act.CHANGE)

    # -- decisions

    def deferred(self, what: str, proof: str, name: str, kind: str, *, guards_itself: bool = False) -> Judged:
        row = self.row(
            self.statement.place,
            Finding(verdict=Verdict.DEFERRED, object=name, expected="there, for this step", found="not there yet"),
            kind,
        )
        return Judged(
            statement=self.statement,
            effects=self.effects,
            decision=Decision.DEFER,
            cause="guard" if guards_itself else "condition",
            reason=f"waits for {what}",
            proof=proof,
            guards_itself=guards_itself,
            rows=row,
        )

    def by_guard(self) -> Judged | None:
        """Decide on a DO block whose own condition does not hold: deferred where it waits, else satisfied."""
        guard = self.effects.guard
        failing = [test for test in guard if self.world.holds(test) is False]
        if not failing:
            return None
        waits = next((test for test in failing if test.holds), None)
        facts = [_fact(test) for test in guard]
        if waits is not None:
            proof = proofs.proof([proofs.negated(" AND ".join(facts))])
            what = f"{waits.ref.kind.removeprefix('base ')} {waits.ref}"
            return self.deferred(what, proof, str(waits.ref), waits.ref.kind, guards_itself=True)
        found = [
            Finding(verdict=Verdict.SATISFIED, object=str(t.ref), expected="there", found="there") for t in failing
        ]
        rows = tuple(
            row for t, f in zip(failing, found, strict=True) for row in self.row(self.statement.place, f, t.ref.kind)
        )
        return Judged(
            statement=self.statement,
            effects=self.effects,
            decision=Decision.SKIP,
            cause="satisfied",
            reason=f"{failing[0].ref.kind} {failing[0].ref} is there already",
            proof=proofs.proof([proofs.negated(_fact(test)) for test in failing]),
            rows=rows,
        )

    def idle(self, findings: list[tuple[Touch, Finding | None]]) -> tuple[str, ...] | None:
        """Return the SQL conditions under which the statement has nothing to do, None where it has something to do."""
        if self.statement.kind == "DO" or self.effects.unknowable or len(self.effects.steps) != 1:
            return None
        if self.effects.guard or not findings:
            return None
        conditions: list[str] = []
        acted = False
        for touch, finding in findings:
            if touch.act is Act.NEED or finding is None:
                continue
            if finding.idle:
                conditions.extend(finding.idle)
                acted = True
            elif finding.verdict in {Verdict.SATISFIED, Verdict.DIFFERENT} and touch.act is Act.MAKE:
                continue
            elif not _is_container(touch) or finding.verdict is not Verdict.READY:
                return None
        return tuple(dict.fromkeys(conditions)) if acted else None

    def skipped(self, findings: list[tuple[Touch, Finding | None]], idle: tuple[str, ...]) -> Judged:
        kept = [(t, f) for t, f in findings if f is not None and (f.idle or f.verdict is Verdict.DIFFERENT)]
        optional = all(finding.verdict is Verdict.OPTIONAL for _, finding in kept)
        first = kept[0][1]
        state = "is not there" if optional else "is there already"
        return Judged(
            statement=self.statement,
            effects=self.effects,
            decision=Decision.SKIP,
            cause="optional" if optional else "satisfied",
            reason=f"{kept[0][0].ref.kind} {first.object} {state}",
            proof=proofs.proof(idle),
            rows=tuple(row for t, f in kept for row in self.row(t.place, f, t.ref.kind)),
        )

    def run(
        self,
        findings: list[tuple[Touch, Finding | None]],
        work: tuple[Estimate, tuple[Toil, ...]],
        proof: str | None,
        cause: str,
    ) -> Judged:
        effects = self.effects
        rows = [row for t, f in findings if f is not None for row in self.row(t.place, f, t.ref.kind)]
        if effects.unknowable:
            unknown = Finding(
                verdict=Verdict.UNKNOWABLE, object=self.statement.kind, expected="", found=effects.unknowable
            )
            rows.extend(self.row(self.statement.place, unknown, "statement"))
        names = {act: self.names(findings, act) for act in Act}
        judged = Judged(
            statement=self.statement,
            effects=effects,
            decision=Decision.RUN,
            cause=cause,
            proof=proof,
            rows=tuple(rows),
            estimate=work[0],
            toils=work[1],
            needs=names[Act.NEED],
            makes=names[Act.MAKE],
            changes=names[Act.CHANGE],
            drops=names[Act.DROP],
        )
        self.leave([touch for touch, _ in findings])
        return judged

    def names(self, findings: list[tuple[Touch, Finding | None]], act: Act) -> tuple[str, ...]:
        found = (f.object for t, f in findings if t.act is act and f is not None and f.verdict is not Verdict.OPTIONAL)
        return tuple(dict.fromkeys(found))

    def leave(self, touches: list[Touch]) -> None:
        """Say what only running the statement tells, and where names are looked up after it."""
        world = self.world
        extension = any(t.act is Act.MAKE and t.ref.kind == "extension" for t in touches)
        if (self.effects.unknowable or extension) and world.blurred is None:
            world.blurred = self.statement.place
        owned = self.statement.kind == "DROP OWNED"
        if (self.effects.unknowable or owned) and world.cleared is None:
            world.cleared = self.statement.place
        if self.statement.kind in {"SET", "RESET"} and self.statement.tree is not None:
            path = search_path_after(self.statement.tree, world)
            if path is not None:
                world.search_path = path

    # -- rows

    def lacking(self, touch: Touch, finding: Finding | None) -> Finding | None:
        if finding is None or finding.verdict is not Verdict.READY:
            return finding
        table = written(self.world.key(touch.ref.name))
        later = self.ahead.find(self.world, table, touch.ref.member or "", Act.MAKE)
        found = f"not there, added by {later}" if later else f"not there, and {table} is"
        verdict = Verdict.DIFFERENT if later else Verdict.CONFLICT
        return Finding(verdict=verdict, object=finding.object, expected=finding.expected, found=found)

    def row(self, place: Place, finding: Finding, kind: str) -> tuple[Row, ...]:
        """Return the row of a finding, nothing where this migration has the same one already."""
        kind = kind.removeprefix("base ")
        key = (kind, finding.object, finding.verdict, finding.expected, finding.found)
        if key in self.seen:
            return ()
        self.seen.add(key)
        return (
            Row(
                object=finding.object,
                kind=kind,
                needed_by=place,
                version=self.version,
                statement=self.statement.number,
                expected=finding.expected,
                found=finding.found,
                verdict=finding.verdict,
            ),
        )


def _made_by(place: object) -> str:
    return f"made by {place.file}:{place.line}" if isinstance(place, Place) else "made by the plan"


def _is_container(touch: Touch) -> bool:
    """Whether a touch only names the relation whose columns or constraints the statement is about."""
    plain = touch.renamed is None and touch.moved is None and not touch.detail
    return touch.act is Act.CHANGE and touch.ref.kind in RELATION_REFS and plain


def _fact(test: Test) -> str:
    fact = proofs.exists(test.ref, anywhere=test.anywhere)
    return fact if test.holds else proofs.negated(fact)


def search_path_after(node: object, world: World) -> tuple[str, ...] | None:
    """Return the schemas that SET search_path leaves to look in; the statements after it see only those."""
    inner = tree.inner(node)
    if tree.kind(node) != "variable_set_stmt" or inner.name != "search_path":
        return None
    if not inner.args:
        return world.catalog.search_path
    names = [str(item.a_const.sval.sval) for item in inner.args]
    names = [world.catalog.server.user if name == "$user" else name for name in names]
    there = [name for name in names if world.named("schema", (name,)) is not None]
    return tuple(there) if "pg_catalog" in there else ("pg_catalog", *there)
