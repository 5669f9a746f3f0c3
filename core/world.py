"""The database as it will be at one statement of a plan: the catalog, and over it what the earlier statements do."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from .catalog_objects import Column, Constraint, Index
from .names import Parts, is_qualified
from .object_kinds import PLAIN
from .relation_state import MEMBERS, RELATION_REFS, Key, State
from .removal import Removal
from .scene import TEMPORARY
from .touches import Act, Ref, Touch


class World(Removal):
    """`apply` makes the acts of a statement happen."""

    def begin(self) -> None:
        """Begin the next migration, on a connection of its own: settings and temporary tables do not last."""
        self.search_path = self.catalog.search_path
        for key in [key for key in self._relations if key[0] == TEMPORARY]:
            del self._relations[key]

    def apply(self, touch: Touch) -> None:
        """Make one act happen; what cannot happen (it is missing, or in the way) changes nothing."""
        ref = touch.ref
        if ref.kind in RELATION_REFS:
            self._apply_relation(touch)
        elif ref.kind in MEMBERS:
            self._apply_member(touch)
        else:
            self._apply_named(touch)

    def _apply_relation(self, touch: Touch) -> None:
        if touch.act is Act.MAKE:
            self._make_relation(touch)
            return
        state = self.find(touch.ref.name)
        if state is None:
            return
        if touch.act is Act.DROP:
            self.drop_relation(state, cascade=touch.cascade)
        elif touch.renamed is not None or touch.moved is not None:
            self._move(state, (touch.moved or state.key[0], touch.renamed or state.key[1]))
        elif touch.detail == "like" and touch.other is not None:
            # which constraints and indexes come along, and under which names, is not foretold
            state.complete = self._inherit(state, touch.other, checks=False)
            state.copied = True
            self._vague.add(state.key[1])
        elif touch.detail == "inherit" and (parent := self.find(touch.other or ())) is not None:
            state.complete = self._inherit(state, parent.key) and state.complete
            self._adopt(parent, state)
        elif touch.detail in {"attach", "detach"} and (child := self.find(touch.other or ())) is not None:
            self._adopt(state, child, leave=touch.detail == "detach")
        elif touch.detail == "owned":
            self._own(state, touch)

    def _make_relation(self, touch: Touch) -> None:
        if touch.ref.kind == "index" and touch.other is not None:
            self._make_index(touch)
            return
        if touch.ref.kind == "sequence" and touch.implied:
            self._make_sequence(touch)
            return
        key = self.new_key(touch.ref.name)
        there = self.relation(key)
        if there is None:
            complete = touch.detail in {"", "inherits", "partitioned"} and touch.ref.kind != "view"
            kind = "partitioned table" if touch.detail == "partitioned" else touch.ref.kind
            made = State(key=key, kind=kind, relation=None, made=touch.place, complete=complete)
            if touch.other is not None:
                made.complete = self._inherit(made, touch.other)
            self._enter(made)
            if touch.detail in {"partition", "inherits"} and (parent := self.find(touch.other or ())) is not None:
                self._adopt(parent, made)
            self._read(made, touch)
        elif touch.replace:
            # a view defined anew may have more columns, and reads something else
            there.complete = False
            self._redefined.add(there.oid)
            for views in self._views.values():
                views.pop(there.oid, None)
            self._read(there, touch)

    def _read(self, view: State, touch: Touch) -> None:
        names = frozenset(touch.mentions) if touch.mentions is not None else None
        for source in (self.find(name) for name in touch.reads):
            if source is not None:
                self._views.setdefault(source.oid, {})[view.oid] = names

    def _enter(self, state: State) -> None:
        """Let a relation that the plan makes be there."""
        self._made -= 1
        state.oid = self._made
        self._relations[state.key] = self._by_oid[state.oid] = state

    def _adopt(self, parent: State, child: State, *, leave: bool = False) -> None:
        family = self._children.get(parent.oid)
        if family is None:
            family = self._children[parent.oid] = [known.oid for known in self.children(parent)]
        if leave and child.oid in family:
            family.remove(child.oid)
        elif not leave:
            family.append(child.oid)
            # the parent's indexes and keys come to the child under names of its own
            self._vague.add(child.key[1])
            for key in [c for c in parent.constraints.values() if c.type == "f" and parent.kind == "partitioned table"]:
                child.constraints.setdefault(key.name, replace(key, inherited=True))

    def _inherit(self, state: State, parent: Parts, *, checks: bool = True) -> bool:
        found = self.find(parent)
        if found is None:
            return False
        state.columns.update(found.columns)
        if checks:
            state.constraints.update(
                {c.name: c for c in found.constraints.values() if c.type in {"c", "n"} and not c.no_inherit}
            )
        return found.complete

    def _make_sequence(self, touch: Touch) -> None:
        """Make the sequence of a column, in the table's schema."""
        table = self.find(touch.other or ())
        if table is None:
            return
        name = self._free(table, touch.ref.name[-1]) if touch.replace else touch.ref.name[-1]
        schema = touch.ref.name[0] if is_qualified(touch.ref.name) and not touch.replace else table.key[0]
        made = State(key=(schema, name), kind="sequence", relation=None, made=touch.place)
        if self.relation(made.key) is None:
            self._enter(made)
            self._own(made, touch)

    def _own(self, sequence: State, touch: Touch) -> None:
        table = self.find(touch.other or ())
        column = table.columns.get((touch.columns or ("",))[0]) if table is not None else None
        if table is not None and column is not None:
            self._owners[sequence.oid] = (table.oid, column.number)

    def _free(self, table: State, name: str) -> str:
        """Return the name that the server chooses for a new index, constraint or sequence of a table."""
        number, free = 0, name
        while self.relation((table.key[0], free)) is not None or free in table.constraints:
            number += 1
            free = f"{name}{number}"
        return free

    def _make_index(self, touch: Touch) -> None:
        table = self.find(touch.other or ())
        if table is None:
            return
        name = self._free(table, touch.ref.name[-1]) if touch.replace else touch.ref.name[-1]
        key = (table.key[0], name)
        if self.relation(key) is None:
            index = Index(
                name=name, valid=True, ready=True, unique=touch.unique, method="", columns=touch.columns,
                partial=touch.detail == "partial", mentioned=touch.mentions or (),
            )  # fmt: skip
            table.indexes[name] = index
            self._enter(State(key=key, kind="index", relation=None, made=touch.place, complete=True, table=table.key))
            self._vague.update(child.key[1] for child in self.descendants(table))

    def _move(self, state: State, key: Key) -> None:
        if state.key[0] != key[0]:
            for sequence in self.sequences(state):
                self._move(sequence, (key[0], sequence.key[1]))
        for index in self.indexes(state):
            index.table = key
            # the indexes go with their table into another schema
            if key[0] != state.key[0]:
                self._put(index, (key[0], index.key[1]))
        if state.table is not None and (table := self.relation(state.table)) is not None:
            self._rename_index(table, state.key[1], key[1])
        self._put(state, key)

    def _put(self, state: State, key: Key) -> None:
        if self._relations.get(state.key) is state:
            self._relations[state.key] = None
        state.key = key
        self._relations[key] = state

    def _rename_index(self, table: State, name: str, renamed: str) -> None:
        """Rename an index, and the constraint that is upheld by it."""
        index = table.indexes.pop(name, None)
        if index is not None:
            table.indexes[renamed] = replace(index, name=renamed)
        constraint = table.constraints.get(name)
        if constraint is not None and constraint.type in {"p", "u", "x"}:
            del table.constraints[name]
            table.constraints[renamed] = replace(constraint, name=renamed)

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
        if touch.act is Act.DROP:
            self.drop_column(state, name, cascade=touch.cascade)
            return
        if touch.detail == "no identity":
            for sequence in self.sequences(state, name):
                self.drop_relation(sequence)
        # what inherits from a table has its columns
        for one in (state, *self.descendants(state)):
            self._set_column(one, name, touch)

    def _set_column(self, state: State, name: str, touch: Touch) -> None:
        column = state.columns.get(name)
        if touch.act is Act.MAKE and column is None:
            state.columns[name] = Column(
                number=max((known.number for known in state.columns.values()), default=0) + 1,
                name=name,
                type=self.type_text(touch.type) if touch.type is not None else "",
                not_null=bool(touch.not_null),
            )
        elif touch.act is Act.CHANGE and column is not None:
            if touch.type is not None:
                column = replace(column, type=self.type_text(touch.type))
            if touch.not_null is not None:
                column = replace(column, not_null=touch.not_null)
            state.columns[name] = column
            if touch.renamed is not None:
                self._rename_column(state, name, touch.renamed)

    def _rename_column(self, state: State, name: str, renamed: str) -> None:
        """Rename a column, and wherever it is one of several: indexes and constraints know columns by number."""

        def there(names: Sequence[str]) -> tuple[str, ...]:
            return tuple(renamed if one == name else one for one in names)

        state.columns = {there([key])[0]: value for key, value in state.columns.items()}
        state.columns[renamed] = replace(state.columns[renamed], name=renamed)
        for index in state.indexes.values():
            if name in index.touched:
                state.indexes[index.name] = replace(
                    index,
                    columns=there(index.columns) if index.columns is not None else None,
                    included=there(index.included),
                    mentioned=there(index.mentioned),
                )
        for constraint in state.constraints.values():
            if name in constraint.columns:
                state.constraints[constraint.name] = replace(
                    constraint, columns=there(constraint.columns), proves=there(constraint.proves)
                )
        for table, key in self.referencing(state):
            if name in key.references:
                table.constraints[key.name] = replace(key, references=there(key.references))

    def _apply_constraint(self, state: State, name: str, touch: Touch) -> None:
        if touch.act is Act.MAKE:
            self._make_constraint(state, name, touch)
        elif touch.act is Act.DROP:
            self.drop_constraint(state, name, cascade=touch.cascade)
        elif name in state.constraints:
            found = state.constraints[name]
            if touch.detail == "validate":
                state.constraints[name] = replace(found, validated=True)
            elif touch.renamed is not None:
                del state.constraints[name]
                state.constraints[touch.renamed] = replace(found, name=touch.renamed)
                index = self.relation((state.key[0], name))
                if index is not None and found.type in {"p", "u", "x"}:
                    self._move(index, (state.key[0], touch.renamed))

    def _make_constraint(self, state: State, name: str, touch: Touch) -> None:
        if touch.replace:
            name = self._free(state, name)
        other = self.find(touch.other) if touch.other is not None else None
        referenced = other.oid if other is not None else 0
        if other is not None:
            self._referencing.setdefault(other.oid, set()).add(state.oid)
        constraint = Constraint(
            name=name,
            type=touch.constraint,
            validated=touch.valid,
            columns=touch.columns or (),
            referenced=referenced,
            references=touch.mentions or (),
            proves=touch.proves,
        )
        state.constraints[name] = constraint
        if touch.reads and (index := self.find(touch.reads[0])) is not None:
            self._move(index, (index.key[0], name))
        elif touch.constraint in {"p", "u", "x"}:
            made = Touch(
                act=Act.MAKE, ref=Ref(kind="index", name=(name,)), place=touch.place, other=state.key,
                columns=touch.columns, unique=touch.constraint != "x",
            )  # fmt: skip
            self._make_index(made)
        if touch.constraint in {"p", "n"}:
            for key in touch.columns or ():
                if key in state.columns:
                    state.columns[key] = replace(state.columns[key], not_null=True)
        partitioned = touch.constraint == "f" and state.kind == "partitioned table"
        if partitioned or (touch.constraint == "c" and touch.detail != "no inherit"):
            for child in self.descendants(state):
                child.constraints.setdefault(name, replace(constraint, inherited=True))

    def _apply_named(self, touch: Touch) -> None:
        kind, name = touch.ref.kind, touch.ref.name
        if touch.act is Act.MAKE:
            full = name if kind in PLAIN or is_qualified(name) else (self.first_schema, name[-1])
            if self.named(kind, full) is None:
                self._named[kind, full] = touch.place
                if touch.detail == "constrained domain":
                    self._limited.add(full)
            if kind == "function" and touch.detail == "volatile":
                self._volatile.add(full)
            return
        found = self.named(kind, name)
        if found is None or touch.act is Act.NEED:
            return
        if touch.act is Act.DROP:
            self._named[kind, found] = None
            if (composite := self._composite(kind, found)) is not None:
                self.drop_relation(composite)
            if kind == "schema":
                self.drop_schema(found[-1])
            elif touch.cascade and self.cleared is None:
                self.cleared = touch.place
        elif touch.renamed is not None or touch.moved is not None:
            self._named[kind, found] = None
            if (composite := self._composite(kind, found)) is not None:
                self._put(composite, (touch.moved or found[0], touch.renamed or found[-1]))
            renamed = touch.renamed or found[-1]
            full = (renamed,) if kind in PLAIN else (touch.moved or found[0], renamed)
            self._named[kind, full] = touch.place

    def _composite(self, kind: str, name: Parts) -> State | None:
        """Return the relation that stands for a composite type."""
        state = self.relation((name[0], name[-1])) if kind == "type" and len(name) == 2 else None
        return state if state is not None and state.kind == "composite type" else None
