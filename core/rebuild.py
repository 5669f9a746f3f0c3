"""Invalid indexes: what a failed build left, dropped concurrently so that its own statement can build it again. Pure.

An invalid index is of no use to a query and is still kept up to date by every write. Before `CREATE INDEX CONCURRENTLY
IF NOT EXISTS` it passes for the index itself.
See https://www.postgresql.org/docs/18/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from msgspec import Struct
from msgspec.structs import replace

from . import proofs
from .catalog import Catalog
from .effects import effects_of
from .judge import Entry, Judged, judge
from .names import written
from .script import Statement, parse
from .touches import Act, Ref
from .world import World

Key = tuple[str, str]


class InvalidIndex(Struct, frozen=True, kw_only=True):
    """An index that a build left and that cannot be used."""

    key: Key
    table: Key

    @property
    def name(self) -> str:
        """The name with its schema, as PostgreSQL would quote it."""
        return written(self.key)

    @property
    def remedy(self) -> str:
        """The statement that takes it away without blocking anybody."""
        return f"DROP INDEX CONCURRENTLY {self.name}"


def invalid_indexes(catalog: Catalog) -> tuple[InvalidIndex, ...]:
    """Return the invalid indexes of a database, by name; those of partitioned tables are invalid by design."""
    found: list[InvalidIndex] = []
    for table_oid, rows in catalog.indexes.items():
        table = catalog.by_oid.get(table_oid)
        for row in rows:
            relation = catalog.by_oid.get(row["oid"])
            if table is None or relation is None or row["valid"] or relation.kind != "index":
                continue
            found.append(InvalidIndex(key=(relation.schema, relation.name), table=(table.schema, table.name)))
    return tuple(sorted(found, key=lambda index: index.key))


def in_the_way(statement: Statement, catalog: Catalog, invalid: Sequence[InvalidIndex]) -> InvalidIndex | None:
    """Return the invalid index that has the name which a CREATE INDEX gives to its own."""
    if not invalid or not statement.kind.startswith("CREATE INDEX"):
        return None
    world = World(catalog)
    for touch in effects_of(statement).touches:
        table = world.find(touch.other) if touch.other else None
        if touch.act is Act.MAKE and touch.ref.kind == "index" and table is not None and not touch.replace:
            key = (table.key[0], touch.ref.name[-1])
            return next((index for index in invalid if index.key == key), None)
    return None


def without(catalog: Catalog, indexes: Collection[InvalidIndex]) -> Catalog:
    """Return the catalog as it is once these indexes are dropped."""
    if not indexes:
        return catalog
    gone = {index.key for index in indexes}
    oids = {relation.oid for key, relation in catalog.relations.items() if key in gone}
    return dataclasses.replace(
        catalog,
        relations={key: relation for key, relation in catalog.relations.items() if key not in gone},
        indexes={table: [row for row in rows if row["oid"] not in oids] for table, rows in catalog.indexes.items()},
    )


def drop_step(index: InvalidIndex, catalog: Catalog, *, before: Statement | None, number: int) -> Judged:
    """Return the step that drops an invalid index, judged as a statement of a file is.

    Its proof holds only as long as the index is there and invalid: a valid one is never dropped. `before` is the
    statement that builds it again, whose place it takes in what is shown.
    """
    file = before.place.file if before else "repair"
    text = f"-- changeover: transaction=off\n{index.remedy};"
    statement = parse(text.encode(), file=file).statements[0]
    (one,) = judge([Entry(version="", statements=(statement,))], catalog)[0]
    ref = Ref(kind="index", name=index.key)
    proof = proofs.proof([proofs.exists(ref), proofs.negated(proofs.exists(ref, valid=True))])
    return replace(
        one,
        statement=dataclasses.replace(statement, number=number, place=before.place if before else statement.place),
        cause=f"rebuild {index.name}",
        proof=proof,
        rows=(),
        added=True,
    )
