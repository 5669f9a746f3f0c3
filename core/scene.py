"""The database as it will be at one statement of a plan, to be asked: names, what belongs together, types.

One class past 400 lines: all of it answers from the catalog and from what stands over it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .catalog import Catalog
from .catalog_objects import Column, Constraint, Domain, Relation, TypeFacts
from .errors import Place
from .names import Parts, is_qualified, written
from .object_kinds import PLAIN, UNTRACKED
from .relation_state import FITTING, MEMBERS, RELATION_REFS, TABLES, Key, State
from .touches import Ref, Test
from .typenames import TypeUse, is_grammars

# Stands for the schema of this connection's temporary tables, which is looked into first.
TEMPORARY: Final = "pg_temp"


class Scene:
    """Names resolve as the server will resolve them. What has changed stands beside the catalog, see `World`."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.search_path = catalog.search_path
        # an earlier statement whose effects only running it tells: what is missing may be its making
        self.blurred: Place | None = None
        # the same of what is there: that statement may have dropped it
        self.cleared: Place | None = None
        self._relations: dict[Key, State | None] = {}
        # by oid, also under a new name; None where it is dropped
        self._by_oid: dict[int, State | None] = {}
        # parent -> children, where the plan changes them
        self._children: dict[int, list[int]] = {}
        # referenced table -> tables to which the plan gives a foreign key to it
        self._referencing: dict[int, set[int]] = {}
        self._made = 0
        # source -> view that the plan makes -> names of columns in it, None where it may have all
        self._views: dict[int, dict[int, frozenset[str] | None]] = {}
        # views of the database that the plan has defined anew
        self._redefined: set[int] = set()
        # sequence -> table and number of the column that own it, where the plan says so
        self._owners: dict[int, tuple[int, int] | None] = {}
        # names before `_` of tables whose constraints or indexes the server named, in ways that are not foretold
        self._vague: set[str] = set()
        # domains with constraints that the plan makes
        self._limited: set[Parts] = set()
        # functions that the plan makes, where they are volatile
        self._volatile: set[Parts] = set()
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

    def of(self, oid: int) -> State | None:
        """Return a relation by its oid, under whatever name; None where it is dropped or none of ours."""
        if oid not in self._by_oid:
            found = self.catalog.by_oid.get(oid)
            # loading it by its name enters it by its oid too
            state = self.relation((found.schema, found.name)) if found is not None else None
            self._by_oid.setdefault(oid, state if state is not None and state.oid == oid else None)
        return self._by_oid[oid]

    def find(self, name: Parts) -> State | None:
        """Return the relation that a name stands for, through the search_path."""
        if is_qualified(name):
            return self.relation((name[-2], name[-1]))
        for schema in (TEMPORARY, *self.search_path):
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
        return state.kind in FITTING.get(kind, frozenset({state.kind}))

    def _load(self, found: Relation) -> State:
        table = self.catalog.index_tables.get(found.oid)
        owner = self.catalog.by_oid.get(table) if table is not None else None
        columns = self.catalog.columns_of(found.oid)
        state = State(
            key=(found.schema, found.name),
            kind=found.kind,
            relation=found,
            oid=found.oid,
            columns=columns,
            constraints=self.catalog.constraints_of(found.oid),
            indexes=self.catalog.indexes_of(found.oid),
            members=set(self.catalog.members.get(found.oid, ())),
            complete=bool(columns) or found.schema not in {"pg_catalog", "information_schema"},
            table=(owner.schema, owner.name) if owner is not None else None,
        )
        self._by_oid[found.oid] = state
        return state

    # -- what belongs together

    def children(self, state: State) -> list[State]:
        """Return the partitions or inheriting tables of a table, or the partitions' indexes of an index."""
        known = self._children.get(state.oid)
        if known is None:
            known = [oid for _, oid in self.catalog.dependents.get("child", {}).get(state.oid, ())]
        return [child for oid in known if (child := self.of(oid)) is not None]

    def descendants(self, state: State) -> list[State]:
        """Return the children, their children and so on, each once."""
        found: dict[int, State] = {}
        waiting = self.children(state)
        while waiting:
            child = waiting.pop(0)
            if child.oid not in found:
                found[child.oid] = child
                waiting.extend(self.children(child))
        return list(found.values())

    def parents(self, state: State) -> list[State]:
        """Return the tables that this one is a partition of or inherits from."""
        near = {*self.catalog.parents.get(state.oid, ()), *self._children}
        return [p for oid in sorted(near) if (p := self.of(oid)) is not None and state in self.children(p)]

    def default_partition(self, state: State) -> State | None:
        """Return the DEFAULT partition of a partitioned table."""
        rows = self.catalog.dependents.get("child", {}).get(state.oid, ())
        found = next((self.of(oid) for columns, oid in rows if columns), None)
        return found if found is not None and found in self.children(state) else None

    def referencing(self, state: State) -> list[tuple[State, Constraint]]:
        """Return the foreign keys to a table, each with the table that it is on."""
        tables = {*self.catalog.referencing.get(state.oid, ()), *self._referencing.get(state.oid, ())}
        states = [found for oid in sorted(tables) if (found := self.of(oid)) is not None]
        return [(s, c) for s in states for c in s.constraints.values() if c.type == "f" and c.referenced == state.oid]

    def views_on(self, state: State, columns: frozenset[str] | None = None) -> list[State]:
        """Return the views that read a relation, or those of its columns that are given."""
        numbers = {c.number for c in state.columns.values() if columns is not None and c.name in columns}
        rows = self.catalog.dependents.get("view", {}).get(state.oid, ())
        near = [
            oid for read, oid in rows if oid not in self._redefined and (columns is None or numbers.intersection(read))
        ]
        for oid, names in self._views.get(state.oid, {}).items():
            if columns is None or names is None or columns & names:
                near.append(oid)
        return [view for oid in near if (view := self.of(oid)) is not None]

    def sources(self, state: State) -> list[State]:
        """Return the relations that a view reads."""
        near = [] if state.oid in self._redefined else [*self.catalog.view_sources.get(state.oid, ())]
        near += [oid for oid, views in self._views.items() if state.oid in views]
        return [source for oid in near if (source := self.of(oid)) is not None]

    def sequences(self, state: State, column: str | None = None) -> list[State]:
        """Return the sequences that a table, or one of its columns, owns."""
        number = state.columns[column].number if column in state.columns else None
        rows = self.catalog.dependents.get("sequence", {}).get(state.oid, ())
        near = [oid for columns, oid in rows if (column is None or number in columns) and oid not in self._owners]
        for oid, owner in self._owners.items():
            if owner is not None and owner[0] == state.oid and (column is None or owner[1] == number):
                near.append(oid)
        return [sequence for oid in near if (sequence := self.of(oid)) is not None]

    def asking(self, sequence: State) -> list[State]:
        """Return the tables with a default that asks a sequence."""
        rows = self.catalog.dependents.get("default", {}).get(sequence.oid, ())
        return [table for _, oid in rows if (table := self.of(oid)) is not None]

    def indexes(self, state: State) -> list[State]:
        """Return the indexes of a table."""
        near = (self.relation((state.key[0], name)) for name in state.indexes)
        return [index for index in near if index is not None]

    # -- everything

    def may_be(self, name: Parts) -> bool:
        """Whether an index, sequence or constraint may be there under a name that the server chose."""
        return any(name[-1].startswith(f"{prefix}_") for prefix in self._vague)

    def _is_vague(self, state: State, constraint: str) -> bool:
        # since PostgreSQL 18 every NOT NULL has a name
        named = self.catalog.server.version_num >= 180000 and constraint.endswith("_not_null")
        return state.copied or self.may_be((constraint,)) or (named and state.relation is None)

    def exists(self, ref: Ref) -> bool | None:
        """Whether an object is there; None where a relation's columns are not known."""
        if ref.kind in RELATION_REFS:
            state = self.find(ref.name)
            return state is not None and self.fits(state, ref.kind)
        if ref.kind in MEMBERS:
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
        if kind in PLAIN:
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
            return full in self.catalog.types or (state is not None and state.kind in {*TABLES, "composite type"})
        if kind == "statistics":
            return full in self.catalog.statistics
        if kind == "function":
            return full in self.catalog.functions
        return full in self.catalog.others.get(kind, ())

    def _plain(self, kind: str, name: str) -> Parts | None:
        if (kind, (name,)) in self._named:
            return (name,) if self._named[kind, (name,)] is not None else None
        known = {
            "schema": self.catalog.schemas,
            "extension": self.catalog.extensions,
            "role": self.catalog.roles,
            "publication": self.catalog.publications,
        }
        there = name in known[kind] if kind in known else ("", name) in self.catalog.others.get(kind, ())
        return (name,) if there else None

    def _has_member(self, ref: Ref) -> bool | None:
        state = self.find(ref.name) if ref.name else None
        if state is None or ref.member is None:
            return False
        if ref.kind == "column":
            if ref.member in state.columns:
                return True
            return None if not state.complete else False
        if ref.kind == "constraint":
            return ref.member in state.constraints or (None if self._is_vague(state, ref.member) else False)
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
        if ref.kind in UNTRACKED:
            return False
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
        if full is None or use.array:
            return False
        facts = self._facts(full)
        if full in self._limited or (facts is not None and facts.constrained):
            return True
        domain = self.catalog.domains.get(facts.oid) if facts is not None else None
        while domain is not None:
            if domain.not_null or domain.checks:
                return True
            domain = self.catalog.domains.get(domain.base_oid)
        return False

    def _facts(self, full: Parts) -> TypeFacts | None:
        return self.catalog.types.get((full[0], full[-1])) if len(full) == 2 else None

    def domain_of(self, use: TypeUse) -> Domain | None:
        """Return the domain that a type is, None where it is none or the plan makes it."""
        if use.array or use.system:
            return None
        full = self.named("type", use.name)
        facts = self._facts(full) if full is not None else None
        return self.catalog.domains.get(facts.oid) if facts is not None else None

    def base_text(self, use: TypeUse) -> str:
        """Return the type whose values are stored, as format_type says it: of a domain, what it is over."""
        domain = self.domain_of(use)
        return self.type_text(use) if domain is None else self._over(domain)

    def bytes_of(self, column: Column) -> str:
        """Return the type of a column's values; those of a domain have no limit that a cast would see."""
        domain = self.catalog.domains.get(column.type_oid)
        return column.type if domain is None else re.sub(r"\([^)]*\)", "", self._over(domain))

    def _over(self, domain: Domain) -> str:
        while (under := self.catalog.domains.get(domain.base_oid)) is not None:
            domain = under
        return domain.base

    def type_family(self, name: Parts) -> list[int]:
        """Return the oids of a type, of its array, and of the domains over them."""
        full = self.named("type", name)
        facts = self._facts(full) if full is not None else None
        if facts is None:
            return []
        arrays = {known.oid: known.array for known in self.catalog.types.values()}
        found = [oid for oid in (facts.oid, facts.array) if oid]
        for oid in found:
            over = [domain.oid for domain in self.catalog.domains.values() if domain.base_oid == oid]
            found.extend(new for one in over for new in (one, arrays.get(one, 0)) if new and new not in found)
        return found

    def matching(self, wanted: Callable[[Relation], bool]) -> list[State]:
        """Return the relations of the database that are still there and for which `wanted` holds."""
        return [s for one in self.catalog.relations.values() if wanted(one) and (s := self.of(one.oid)) is not None]

    def is_volatile(self, function: Parts) -> bool:
        """Whether a function may be volatile; one that is not known is, as CREATE FUNCTION's default is."""
        full = self.named("function", function)
        if full is None or full in self._volatile:
            return True
        if (full[0], full[-1]) not in self.catalog.functions:
            return False
        return self.catalog.functions[full[0], full[-1]]
