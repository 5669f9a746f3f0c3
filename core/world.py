"""The database as it will be at one statement of a plan: the catalog, and over it what the earlier statements do.

One class, a little past 400 lines: how names resolve and how acts change them cannot be read apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from .catalog import Catalog, Column, Constraint, Index, Relation
from .errors import Place
from .names import Parts, is_qualified, written
from .touches import Act, Ref, Test, Touch
from .typenames import TypeUse, is_grammars

Key = tuple[str, str]

# Kinds of relation by the kind of a reference; a `table` is whatever can stand where a table can.
_TABLES: Final = frozenset({"table", "partitioned table", "view", "materialized view", "foreign table"})
_FITTING: Final = {
    "table": _TABLES,
    "base table": frozenset({"table", "partitioned table"}),
    "view": frozenset({"view", "materialized view"}),
    "materialized view": frozenset({"materialized view"}),
    "index": frozenset({"index", "partitioned index"}),
    "sequence": frozenset({"sequence"}),
}
RELATION_REFS: Final = frozenset({*_FITTING, "relation"})
_MEMBERS: Final = frozenset({"column", "constraint", "trigger", "policy", "rule"})
_PLAIN: Final = frozenset({"schema", "extension", "role"})


@dataclass(slots=True, kw_only=True)
class State:
    """A relation as it will be."""

    key: Key
    kind: str
    # as it is in the database; None where the plan makes it
    relation: Relation | None
    columns: dict[str, Column] = field(default_factory=dict)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)
    # where the plan makes it
    made: Place | None = None
    # whether `columns` holds them all: not of a view, a table made from a query, or one of the system's
    complete: bool = True
    # of an index: its table
    table: Key | None = None

    @property
    def qualified(self) -> str:
        """The name with its schema, as PostgreSQL would quote it."""
        return written(self.key)


class World:
    """Names resolve as the server will resolve them; `apply` makes a statement's acts happen."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.search_path = catalog.search_path
        # an earlier statement whose effects only running it tells: what is missing may be its making
        self.blurred: Place | None = None
        self._relations: dict[Key, State | None] = {}
        # kind and name -> where it is made, None where it is dropped
        self._named: dict[tuple[str, Parts], Place | None] = {}

    # -- relations

    def relation(self, key: Key) -> State | None:
        """Return a relation by its schema and name."""
        if key in self._relations:
            return self._relations[key]
        found = self.catalog.relations.get(key)
        state = self._load(found) if found is not None else None
        self._relations[key] = state
        return state

    def find(self, name: Parts) -> State | None:
        """Return the relation that a name stands for, through the search_path."""
        if is_qualified(name):
            return self.relation((name[-2], name[-1]))
        for schema in self.search_path:
            state = self.relation((schema, name[0]))
            if state is not None:
                return state
        return None

    def key(self, name: Parts) -> Key:
        """Return where a relation is, or where it would be made."""
        if is_qualified(name):
            return (name[-2], name[-1])
        found = self.find(name)
        return found.key if found is not None else (self.first_schema, name[0])

    def new_key(self, name: Parts) -> Key:
        """Return where CREATE would put a relation: a bare name goes into the first schema of the search_path."""
        return (name[-2], name[-1]) if is_qualified(name) else (self.first_schema, name[0])

    @property
    def first_schema(self) -> str:
        """The schema in which a bare name is made."""
        usual = (s for s in self.search_path if s != "pg_catalog" and not s.startswith("pg_temp"))
        return next(usual, "public")

    def fits(self, state: State, kind: str) -> bool:
        """Whether a relation is of the kind that a reference asks for."""
        return state.kind in _FITTING.get(kind, frozenset({state.kind}))

    def _load(self, found: Relation) -> State:
        table = self.catalog.index_tables.get(found.oid)
        owner = self.catalog.by_oid.get(table) if table is not None else None
        columns = self.catalog.columns_of(found.oid)
        return State(
            key=(found.schema, found.name),
            kind=found.kind,
            relation=found,
            columns=columns,
            constraints=self.catalog.constraints_of(found.oid),
            indexes=self.catalog.indexes_of(found.oid),
            members=set(self.catalog.members.get(found.oid, ())),
            complete=bool(columns) or found.schema not in {"pg_catalog", "information_schema"},
            table=(owner.schema, owner.name) if owner is not None else None,
        )

    # -- everything

    def exists(self, ref: Ref) -> bool | None:
        """Whether an object is there; None where a relation's columns are not known."""
        if ref.kind in RELATION_REFS:
            state = self.find(ref.name)
            return state is not None and self.fits(state, ref.kind)
        if ref.kind in _MEMBERS:
            return self._has_member(ref)
        return self.named(ref.kind, ref.name) is not None

    def holds(self, test: Test) -> bool | None:
        """Whether a guard holds here; None where that is not known."""
        found = self._anywhere(test.ref) if test.anywhere else self.exists(test.ref)
        if found is None or (found is False and self.blurred is not None):
            return None
        return found is test.holds

    def named(self, kind: str, name: Parts) -> Parts | None:
        """Return the full name of a type, function, schema, extension or role, None where there is none."""
        if kind in _PLAIN:
            return self._plain(kind, name[-1])
        if kind == "type" and (is_grammars(name) or (is_qualified(name) and name[0] == "pg_catalog")):
            return ("pg_catalog", name[-1])
        schemas = (name[-2],) if is_qualified(name) else self.search_path
        for schema in schemas:
            full = (schema, name[-1])
            if (kind, full) in self._named:
                if self._named[kind, full] is not None:
                    return full
            elif self._in_catalog(kind, full):
                return full
        return None

    def made_at(self, kind: str, name: Parts) -> Place | None:
        """Return where the plan makes an object that is no relation; None where it was there before."""
        return self._named.get((kind, name))

    def _in_catalog(self, kind: str, full: Key) -> bool:
        if kind == "type":
            state = self.relation(full)
            return full in self.catalog.types or (state is not None and state.kind in {*_TABLES, "composite type"})
        return full in self.catalog.functions

    def _plain(self, kind: str, name: str) -> Parts | None:
        if (kind, (name,)) in self._named:
            return (name,) if self._named[kind, (name,)] is not None else None
        known = {
            "schema": self.catalog.schemas,
            "extension": self.catalog.extensions,
            "role": self.catalog.roles,
        }
        return (name,) if name in known[kind] else None

    def _has_member(self, ref: Ref) -> bool | None:
        state = self.find(ref.name) if ref.name else None
        if state is None or ref.member is None:
            return False
        if ref.kind == "column":
            if ref.member in state.columns:
                return True
            return None if not state.complete else False
        if ref.kind == "constraint":
            return ref.member in state.constraints
        return (ref.kind, ref.member) in state.members

    def _anywhere(self, ref: Ref) -> bool | None:
        """Look into every schema, as a guard does that names none."""
        if ref.kind in RELATION_REFS or ref.kind == "column":
            name = ref.name[-1] if ref.name else ""
            keys = {key for key in (*self.catalog.relations, *self._relations) if key[1] == name}
            kind = "table" if ref.kind == "column" else ref.kind
            states = [s for s in map(self.relation, keys) if s is not None and self.fits(s, kind)]
            return bool(states) if ref.kind != "column" else any(ref.member in s.columns for s in states)
        if ref.kind in {"constraint", "trigger"}:
            return self._any_member(ref)
        overlay = {full: place for (kind, full), place in self._named.items() if kind == ref.kind}
        known = self.catalog.types if ref.kind == "type" else self.catalog.functions
        names = {full for full in known if full not in overlay} | {f for f, place in overlay.items() if place}
        return any(full[-1] == ref.name[-1] for full in names)

    def _any_member(self, ref: Ref) -> bool:
        oids = self.catalog.constraints if ref.kind == "constraint" else self.catalog.members
        if ref.kind == "constraint":
            near = [o for o in oids if any(r["name"] == ref.member for r in self.catalog.constraints[o])]
        else:
            near = [o for o in oids if (ref.kind, ref.member) in self.catalog.members[o]]
        keys = {(r.schema, r.name) for o in near if (r := self.catalog.by_oid.get(o)) is not None}
        if ref.name:
            state = self.find(ref.name) if len(ref.name) == 1 else None
            keys = {key for key in keys if key[1] == ref.name[-1]} | ({state.key} if state else set())
        else:
            keys |= {key for key, known in self._relations.items() if known is not None}
        states = [found for found in map(self.relation, keys) if found is not None]
        if ref.kind == "constraint":
            return any(ref.member in found.constraints for found in states)
        return any((ref.kind, ref.member) in found.members for found in states)

    # -- types

    def type_text(self, use: TypeUse) -> str:
        """Return a written type as format_type would say it: user types are qualified where the path hides them."""
        if use.system or is_grammars(use.name):
            return use.text()
        full = self.named("type", use.name)
        if full is None:
            return use.text()
        bare = full[0] == "pg_catalog" or self.named("type", (full[-1],)) == full
        return use.text(written((full[-1],) if bare else full))

    def is_constrained_domain(self, use: TypeUse) -> bool:
        """Whether a type is a domain with CHECK or NOT NULL, so that a new column of it is checked row by row."""
        full = self.named("type", use.name)
        facts = self.catalog.types.get((full[0], full[-1])) if full is not None and len(full) == 2 else None
        return facts is not None and facts.constrained and not use.array

    def is_volatile(self, function: Parts) -> bool:
        """Whether a function may be volatile; one that is not known is, as CREATE FUNCTION's default is."""
        full = self.named("function", function)
        if full is None or (full[0], full[-1]) not in self.catalog.functions:
            return True
        return self.catalog.functions[full[0], full[-1]]

    # -- change

    def apply(self, touch: Touch) -> None:
        """Make one act happen; what cannot happen (it is missing, or in the way) changes nothing."""
        ref = touch.ref
        if ref.kind in RELATION_REFS:
            self._apply_relation(touch)
        elif ref.kind in _MEMBERS:
            self._apply_member(touch)
        else:
            self._apply_named(touch)

    def _apply_relation(self, touch: Touch) -> None:
        if touch.act is Act.MAKE:
            if touch.ref.kind == "index" and touch.other is not None:
                self._make_index(touch)
                return
            key = self.new_key(touch.ref.name)
            if self.relation(key) is None or touch.replace:
                complete = touch.detail in {"", "inherits"} and touch.ref.kind != "view"
                made = State(key=key, kind=touch.ref.kind, relation=None, made=touch.place, complete=complete)
                if touch.other is not None:
                    made.complete = self._inherit(made, touch.other)
                self._relations[key] = made
            return
        state = self.find(touch.ref.name)
        if state is None:
            return
        if touch.act is Act.DROP:
            self._drop_relation(state)
        elif touch.renamed is not None or touch.moved is not None:
            self._move(state, (touch.moved or state.key[0], touch.renamed or state.key[1]))
        elif touch.detail == "like" and touch.other is not None:
            state.complete = self._inherit(state, touch.other)

    def _inherit(self, state: State, parent: Parts) -> bool:
        found = self.find(parent)
        if found is None:
            return False
        state.columns.update(found.columns)
        return found.complete

    def _make_index(self, touch: Touch) -> None:
        table = self.find(touch.other or ())
        if table is None:
            return
        key = (table.key[0], touch.ref.name[-1])
        if self.relation(key) is None:
            index = Index(
                name=key[1], valid=True, ready=True, unique=touch.unique, method="", columns=touch.columns,
                partial=touch.detail == "partial",
            )  # fmt: skip
            table.indexes[key[1]] = index
            self._relations[key] = State(
                key=key, kind="index", relation=None, made=touch.place, complete=True, table=table.key
            )

    def _drop_relation(self, state: State) -> None:
        self._relations[state.key] = None
        for name in state.indexes:
            self._relations[state.key[0], name] = None
        if state.table is not None and (table := self.relation(state.table)) is not None:
            table.indexes.pop(state.key[1], None)

    def _move(self, state: State, key: Key) -> None:
        self._relations[state.key] = None
        if state.table is not None and (table := self.relation(state.table)) is not None:
            index = table.indexes.pop(state.key[1], None)
            if index is not None:
                table.indexes[key[1]] = replace(index, name=key[1])
        for name in state.indexes:
            index_state = self.relation((state.key[0], name))
            if index_state is not None:
                index_state.table = key
        state.key = key
        self._relations[key] = state

    def _apply_member(self, touch: Touch) -> None:
        state = self.find(touch.ref.name)
        member = touch.ref.member
        if state is None or member is None:
            return
        if touch.ref.kind == "column":
            self._apply_column(state, member, touch)
        elif touch.ref.kind == "constraint":
            self._apply_constraint(state, member, touch)
        else:
            pair = (touch.ref.kind, member)
            if touch.act is Act.MAKE:
                state.members.add(pair)
            elif touch.act is Act.DROP:
                state.members.discard(pair)
            elif touch.renamed is not None and pair in state.members:
                state.members.discard(pair)
                state.members.add((touch.ref.kind, touch.renamed))

    def _apply_column(self, state: State, name: str, touch: Touch) -> None:
        column = state.columns.get(name)
        if touch.act is Act.MAKE and column is None:
            state.columns[name] = Column(
                number=len(state.columns) + 1,
                name=name,
                type=self.type_text(touch.type) if touch.type is not None else "",
                not_null=bool(touch.not_null),
            )
        elif touch.act is Act.DROP:
            state.columns.pop(name, None)
            for other in [c.name for c in state.constraints.values() if name in c.columns]:
                del state.constraints[other]
        elif touch.act is Act.CHANGE and column is not None:
            if touch.type is not None:
                column = replace(column, type=self.type_text(touch.type))
            if touch.not_null is not None:
                column = replace(column, not_null=touch.not_null)
            if touch.renamed is not None:
                state.columns = {(touch.renamed if key == name else key): value for key, value in state.columns.items()}
                column, name = replace(column, name=touch.renamed), touch.renamed
            state.columns[name] = column

    def _apply_constraint(self, state: State, name: str, touch: Touch) -> None:
        if touch.act is Act.MAKE:
            other = self.find(touch.other) if touch.other is not None else None
            referenced = other.relation.oid if other is not None and other.relation is not None else 0
            state.constraints[name] = Constraint(
                name=name,
                type=touch.constraint,
                validated=touch.valid,
                columns=touch.columns or (),
                referenced=referenced,
                proves=touch.proves,
            )
            if touch.constraint in {"p", "u", "x"}:
                made = Touch(
                    act=Act.MAKE, ref=Ref(kind="index", name=(name,)), place=touch.place, other=state.key,
                    columns=touch.columns, unique=touch.constraint != "x",
                )  # fmt: skip
                self._make_index(made)
            if touch.constraint in {"p", "n"}:
                for key in touch.columns or ():
                    if key in state.columns:
                        state.columns[key] = replace(state.columns[key], not_null=True)
        elif touch.act is Act.DROP:
            gone = state.constraints.pop(name, None)
            if gone is not None and gone.type in {"p", "u", "x"}:
                state.indexes.pop(name, None)
                self._relations[state.key[0], name] = None
        elif name in state.constraints:
            found = state.constraints[name]
            if touch.detail == "validate":
                state.constraints[name] = replace(found, validated=True)
            elif touch.renamed is not None:
                del state.constraints[name]
                state.constraints[touch.renamed] = replace(found, name=touch.renamed)

    def _apply_named(self, touch: Touch) -> None:
        kind, name = touch.ref.kind, touch.ref.name
        if touch.act is Act.MAKE:
            full = name if kind in _PLAIN or is_qualified(name) else (self.first_schema, name[-1])
            if self.named(kind, full) is None:
                self._named[kind, full] = touch.place
            return
        found = self.named(kind, name)
        if found is None or touch.act is Act.NEED:
            return
        if touch.act is Act.DROP:
            self._named[kind, found] = None
        elif touch.renamed is not None or touch.moved is not None:
            self._named[kind, found] = None
            renamed = touch.renamed or found[-1]
            full = (renamed,) if kind in _PLAIN else (touch.moved or found[0], renamed)
            self._named[kind, full] = touch.place
