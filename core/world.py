"""The database as it will be at one statement of a plan: the catalog, and over it what the earlier statements do."""

from __future__ import annotations

from dataclasses import replace

from .catalog_objects import Column, Constraint, Index
from .names import Parts, is_qualified
from .object_kinds import PLAIN
from .relation_state import MEMBERS, RELATION_REFS, Key, State
from .scene import Scene
from .touches import Act, Ref, Touch


class World(Scene):
    """`apply` makes the acts of a statement happen."""

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
            if touch.ref.kind == "index" and touch.other is not None:
                self._make_index(touch)
                return
            key = self.new_key(touch.ref.name)
            if self.relation(key) is None or touch.replace:
                complete = touch.detail in {"", "inherits"} and touch.ref.kind != "view"
                made = State(key=key, kind=touch.ref.kind, relation=None, made=touch.place, complete=complete)
                if touch.other is not None:
                    made.complete = self._inherit(made, touch.other)
                self._enter(made)
                if touch.detail in {"partition", "inherits"} and (parent := self.find(touch.other or ())) is not None:
                    self._adopt(parent, made)
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
        elif touch.detail in {"attach", "detach"} and (child := self.find(touch.other or ())) is not None:
            self._adopt(state, child, leave=touch.detail == "detach")

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
            self._enter(State(key=key, kind="index", relation=None, made=touch.place, complete=True, table=table.key))

    def _drop_relation(self, state: State) -> None:
        for index in self.indexes(state):
            self._relations[index.key] = self._by_oid[index.oid] = None
        self._relations[state.key] = self._by_oid[state.oid] = None
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
                # the indexes go with their table into another schema
                if key[0] != state.key[0]:
                    self._relations[index_state.key] = None
                    index_state.key = (key[0], name)
                    self._relations[index_state.key] = index_state
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
            referenced = other.oid if other is not None else 0
            if other is not None:
                self._referencing.setdefault(other.oid, set()).add(state.oid)
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
                index = self.relation((state.key[0], name))
                if index is not None:
                    self._relations[index.key] = self._by_oid[index.oid] = None
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
        elif touch.renamed is not None or touch.moved is not None:
            self._named[kind, found] = None
            renamed = touch.renamed or found[-1]
            full = (renamed,) if kind in PLAIN else (touch.moved or found[0], renamed)
            self._named[kind, full] = touch.place
