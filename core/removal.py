"""What goes with what a plan drops: indexes, constraints, sequences and partitions, with CASCADE also views and keys.

See https://www.postgresql.org/docs/18/ddl-depend.html.
"""

from __future__ import annotations

from .names import Parts
from .relation_state import State
from .scene import Scene


class Removal(Scene):
    """Takes objects out of the database as it will be."""

    def drop_relation(self, state: State, *, cascade: bool = False) -> None:
        """Drop a relation and what cannot be without it; with CASCADE also what depends on it."""
        if self.of(state.oid) is None:
            return
        # while it is still there to be asked
        views, keys = (self.views_on(state), self.referencing(state)) if cascade else ([], [])
        belongings = [*self.indexes(state), *self.sequences(state), *self.children(state)]
        self._relations[state.key] = self._by_oid[state.oid] = None
        for other in (*belongings, *views):
            self.drop_relation(other, cascade=cascade)
        for table, key in keys:
            table.constraints.pop(key.name, None)
        owner = self.relation(state.table) if state.table is not None else None
        if owner is not None:
            owner.indexes.pop(state.key[1], None)

    def drop_column(self, state: State, name: str, *, cascade: bool = False) -> None:
        """Drop a column with the indexes and constraints that have it, and the sequence that it owns."""
        if name not in state.columns:
            return
        if cascade:
            for view in self.views_on(state, frozenset({name})):
                self.drop_relation(view, cascade=True)
            for table, key in self.referencing(state):
                if name in key.references:
                    table.constraints.pop(key.name, None)
        for sequence in self.sequences(state, name):
            self.drop_relation(sequence)
        del state.columns[name]
        for constraint in [c.name for c in state.constraints.values() if name in c.columns]:
            self.drop_constraint(state, constraint, cascade=cascade)
        for index in [i.name for i in state.indexes.values() if name in i.touched]:
            self._drop_index(state, index)
        for child in self.children(state):
            self.drop_column(child, name, cascade=cascade)

    def drop_constraint(self, state: State, name: str, *, cascade: bool = False) -> None:
        """Drop a constraint with its index, and with CASCADE the foreign keys that look their keys up in it."""
        gone = state.constraints.pop(name, None)
        if gone is None:
            return
        for child in self.children(state) if gone.type in {"c", "f"} else ():
            self.drop_constraint(child, name)
        if gone.type not in {"p", "u", "x"}:
            return
        self._drop_index(state, name)
        for table, key in self.referencing(state) if cascade else ():
            if not key.references or key.references == gone.columns:
                table.constraints.pop(key.name, None)

    def _drop_index(self, state: State, name: str) -> None:
        state.indexes.pop(name, None)
        index = self.relation((state.key[0], name))
        if index is not None and index.table == state.key:
            self.drop_relation(index)

    def drop_schema(self, name: str) -> None:
        """Drop a schema with all that is in it."""
        keys = {key for key in (*self.catalog.relations, *self._relations) if key[0] == name}
        for state in [found for key in sorted(keys) if (found := self.relation(key)) is not None]:
            self.drop_relation(state, cascade=True)
        known: dict[str, list[Parts]] = {
            "type": [full for full in self.catalog.types if full[0] == name],
            "function": [full for full in self.catalog.functions if full[0] == name],
        }
        for kind, full in list(self._named):
            if len(full) == 2 and full[0] == name:
                known.setdefault(kind, []).append(full)
        for kind, names in known.items():
            self._named.update(dict.fromkeys((kind, full) for full in names))
