"""The rules over the statements of a plan, each before the database as it will be when its turn comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from postgast import pg_query_pb2 as pb

from .. import tree
from ..catalog import Catalog
from ..catalog_objects import Relation
from ..estimate import Estimate
from ..estimates.statement import estimate
from ..judge import Judged, search_path_after
from ..names import read, written
from ..plan import HazardFinding
from ..precheck import Decision
from ..script import Script
from ..touches import Act
from ..world import World
from .allowances import Allowances
from .case import Case, Past, is_table, nodes_of
from .rule import WARNING, Danger, Rule
from .rules import RULES

Findings = tuple[HazardFinding, ...]


class Passage(Struct, frozen=True, kw_only=True):
    """The statements of one entry of a plan, as they were judged."""

    statements: Sequence[Judged]
    transactional: bool
    script: Script
    # a revert script
    reverts: bool = False


def find(passages: Sequence[Passage], catalog: Catalog, allowances: Allowances) -> list[tuple[Findings, ...]]:
    """Return the hazards of every statement, entry by entry, each with who allowed it; none of what does not run.

    A table that the plan itself makes, or that is known to be empty, is exempt: there are no rows and nobody waits.
    Statements see what those before them have done, as the pre-check does.
    """
    world = World(catalog)
    look = _Look(world=world, keyed=_keyed(passages))
    found: list[tuple[Findings, ...]] = []
    for passage in passages:
        world.begin()
        past: tuple[Past, ...] = ()
        mine: list[Findings] = []
        # by effects: what shares them with a statement that was looked at is no danger either, and teaches nothing
        harmless: dict[int, Estimate] = {}
        for judged in passage.statements:
            if (
                judged.decision is not Decision.RUN
                or judged.added
                or harmless.get(id(judged.effects)) is judged.estimate
            ):
                mine.append(())
                continue
            case = look.case(judged, passage, past)
            mine.append(tuple(_allowed(case, passage, allowances)))
            ran = look.past(case)
            # a hundred thousand INSERTs do not each go through all before them
            past = (*past, ran) if ran.matters else past
            look.apply(judged)
            # values of an enum that are not committed yet may be among those of the rows
            if judged.effects.shape is not None and not mine[-1] and not any(it.enum_values for it in past):
                harmless[id(judged.effects)] = judged.estimate
        found.append(tuple(mine))
    return found


def _allowed(case: Case, passage: Passage, allowances: Allowances) -> Iterator[HazardFinding]:
    for rule, danger in dangers(case):
        by, reason = allowances.of(rule.id, case.statement, passage.script)
        yield HazardFinding(
            id=rule.id,
            severity=WARNING if passage.reverts and rule.undoes else rule.severity,
            title=rule.title,
            relation=danger.relation,
            text=danger.text,
            instead=danger.instead,
            complete=danger.complete,
            seconds=danger.seconds,
            manual=rule.manual,
            allowed_by=by,
            reason=reason,
        )


def dangers(case: Case) -> Iterator[tuple[Rule, Danger]]:
    """Yield what the rules find in one statement, each rule once for each relation."""
    said: set[tuple[str, str]] = set()
    for rule in RULES:
        for danger in rule.find(case):
            if (rule.id, danger.relation) not in said:
                said.add((rule.id, danger.relation))
                yield rule, danger


def _keyed(passages: Sequence[Passage]) -> frozenset[str]:
    """Return the tables that some statement of the plan gives a primary key, by their last name."""
    return frozenset(
        touch.ref.name[-1]
        for passage in passages
        for judged in passage.statements
        for touch in judged.effects.touches
        if touch.act is Act.MAKE and touch.ref.kind == "constraint" and touch.constraint == "p"
    )


class _Look(Struct, kw_only=True):
    """Goes through the plan with one world."""

    world: World
    keyed: frozenset[str]

    def case(self, judged: Judged, passage: Passage, past: tuple[Past, ...]) -> Case:
        # what locks something and does no work did none in the pre-check's world, which is the same
        idle = bool(judged.estimate.locks) and not judged.toils
        work = () if idle else estimate(judged.effects, self.world)[1]
        claimed = {claim.relation: self.relation(claim.relation) for claim in judged.estimate.locks}
        locked = {name: relation for name, relation in claimed.items() if relation is not None}
        return Case(
            judged=judged,
            world=self.world,
            toils=tuple(t for t in work if t.state.relation is not None and not t.state.relation.is_empty),
            nodes=nodes_of(judged, self.world),
            version=self.world.catalog.server.version_num,
            transactional=passage.transactional,
            past=past,
            locked=locked,
            keyed=self.keyed,
        )

    def relation(self, qualified: str) -> Relation | None:
        """Return a relation of the database by its name in a plan; one by one, as few of them are asked for."""
        schema, name = read(qualified)
        return self.world.catalog.relations.get((schema, name))

    def past(self, case: Case) -> Past:
        """Return what later statements have to know; outside of a transaction no lock outlives its statement."""
        locks = [
            (claim.relation, claim.mode)
            for claim in case.judged.estimate.locks
            if case.transactional and is_table(case, claim.relation)
        ]
        return Past(
            line=case.statement.place.line,
            kind=case.statement.kind,
            locks=tuple(locks),
            worked=tuple(toil.state.qualified for toil in case.toils),
            enum_values=tuple(self.enum_values(case)),
            altered=tuple({c.table: c.node for c in case.commands()}.items()),
            dropped_indexes=tuple(self.dropped_indexes(case)),
        )

    def enum_values(self, case: Case) -> Iterator[tuple[str, str]]:
        for node in case.of("alter_enum_stmt"):
            full = self.world.named("type", tree.strings(node.type_name))
            if node.new_val and not node.old_val and full is not None and self.world.made_at("type", full) is None:
                yield written(full), node.new_val

    def dropped_indexes(self, case: Case) -> Iterator[tuple[str, tuple[str, ...] | None]]:
        for name, _ in case.dropped(pb.OBJECT_INDEX):
            index = case.there(name)
            table = self.world.relation(index.table) if index is not None and index.table is not None else None
            if index is not None and table is not None and index.key[1] in table.indexes:
                yield table.qualified, table.indexes[index.key[1]].columns

    def apply(self, judged: Judged) -> None:
        """Make the statement's acts happen, as the pre-check has."""
        world = self.world
        active = [t for t in judged.effects.touches if all(world.holds(test) is not False for test in t.tests)]
        for touch in active:
            if touch.act is not Act.NEED:
                world.apply(touch)
        if judged.statement.kind in {"SET", "RESET"} and judged.statement.tree is not None:
            path = search_path_after(judged.statement.tree, world)
            world.search_path = world.search_path if path is None else path
