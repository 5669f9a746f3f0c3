"""A plan's statements -> what they say of columns that are there already: nullability, default, identity. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from . import tree
from .catalog import Catalog
from .defaults import written_default
from .judge import Judged
from .names import Parts, read
from .precheck import Decision, Row, Verdict, Wish
from .world import World

_COMPARED: Final = frozenset({Verdict.SATISFIED, Verdict.DIFFERENT, Verdict.CONFLICT})
_GENERATED: Final = {"s": "stored", "v": "virtual"}


def column_wishes(work: Iterable[Sequence[tuple[str, Judged]]], catalog: Catalog) -> tuple[Wish, ...]:
    """Return one wish per row about a column that is there, in the order of the rows."""
    flat = [one for entry in work for _, one in entry]
    world = World(catalog)
    changes = list(_changes(flat, world))
    wishes: list[Wish] = []
    for number, one in enumerate(flat):
        rows = [row for row in one.rows if row.kind == "column" and row.verdict in _COMPARED]
        if not rows or one.statement.tree is None:
            continue
        said = _definitions(one.statement.tree)
        for row in rows:
            parts = read(row.object)
            if any(at < number and (*key, column) == parts for at, key, column, _ in changes):
                continue
            later = [what for at, key, column, what in changes if at > number and (*key, column) == parts]
            wishes.append(_wish(row, parts, said.get(parts[-1]), later))
    return tuple(wishes)


def _wish(row: Row, parts: Parts, column: Any, later: list[str]) -> Wish:
    constraints = [item.constraint for item in column.constraints] if column is not None else []
    kinds = {c.contype for c in constraints}
    default = next((c.raw_expr for c in constraints if c.contype == pb.CONSTR_DEFAULT), None)
    never_null = kinds & {pb.CONSTR_NOTNULL, pb.CONSTR_PRIMARY}
    generated = next((c for c in constraints if c.contype == pb.CONSTR_GENERATED), None)
    return Wish(
        version=row.version,
        statement=row.statement,
        object=row.object,
        column=parts,
        not_null=True if never_null else False if pb.CONSTR_NULL in kinds else None,
        default=written_default(default) if default is not None else None,
        identity=pb.CONSTR_IDENTITY in kinds,
        generated=_GENERATED.get(generated.generated_kind or "s", "stored") if generated is not None else "",
        converts=frozenset(later),
    )


def _definitions(node: Any) -> dict[str, Any]:
    """Return the column definitions in CREATE TABLE and ALTER TABLE ADD COLUMN, by name."""
    return {found.colname: found for found in tree.walk(node) if isinstance(found, pb.ColumnDef) and found.colname}


def _changes(work: Sequence[Judged], world: World) -> Iterator[tuple[int, Parts, str, str]]:
    """Yield which statement changes which column: its number, table, column, and default or nullable."""
    words = {pb.AT_ColumnDefault: "default", pb.AT_SetNotNull: "nullable", pb.AT_DropNotNull: "nullable"}
    for number, one in enumerate(work):
        if one.decision is not Decision.RUN or tree.kind(one.statement.tree) != "alter_table_stmt":
            continue
        node = tree.inner(one.statement.tree)
        for item in node.cmds:
            command = item.alter_table_cmd
            if command.subtype in words:
                yield number, world.key(tree.parts(node.relation)), command.name, words[command.subtype]
