"""Loads the target's schema into a shadow: as its owner, who may do nothing else, and the owners of objects by us.

Statements go in groups; where one of a group fails, the group is sent one by one. What cannot be loaded is named.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Final

import postgast
from google.protobuf.message import DecodeError
from msgspec import Struct
from postgast import pg_query_pb2 as pb

from . import tree
from .connect import Connection
from .errors import ConnectionLost, SandboxError, ServerError
from .shadow import Shadow, shadow_ended

_GROUP: Final = 60
# How many of those that failed are named.
_NAMED: Final = 5
# Failures that change nothing for a rehearsal: what a newer pg_dump sets, and remarks on what is ours.
_NO_MATTER: Final = frozenset({"variable_set_stmt", "comment_stmt", "create_extension_stmt", "create_am_stmt"})
# What makes something whose name comes first in it.
_MAKES: Final = frozenset({
    "composite_type_stmt", "create_domain_stmt", "create_enum_stmt", "create_foreign_table_stmt",
    "create_function_stmt", "create_plang_stmt", "create_range_stmt", "create_schema_stmt", "create_seq_stmt",
    "create_stmt",
    "create_table_as_stmt", "define_stmt", "index_stmt", "view_stmt",
})  # fmt: skip
# The first quoted name of a statement of pg_dump, with the last of its parts.
_NAME: Final = re.compile(r'"((?:[^"]|"")+)"(?:\."((?:[^"]|"")+)")?')
# A superuser gives a table to a role that may not create in its schema; here nobody is one.
_MAY_OWN: Final = """
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT n.nspname FROM pg_catalog.pg_namespace AS n WHERE n.nspname NOT LIKE 'pg\\_%' LOOP
        EXECUTE pg_catalog.format('GRANT CREATE ON SCHEMA %I TO PUBLIC', name);
    END LOOP;
END $$
"""


class Loaded(Struct, frozen=True, kw_only=True):
    """How the schema was loaded; `failed` is what was not, with the server's words."""

    statements: int
    failed: tuple[str, ...]
    # bare names of what failed
    names: frozenset[str]


class _Piece(Struct, frozen=True):
    sql: str
    # None where it is too deep to read
    node: Any

    def gives_to(self, roles: Collection[str]) -> bool:
        """Whether all that it does is to name an owner out of `roles`: they have no power, those of the system may."""
        node = tree.inner(self.node)
        if tree.kind(self.node) == "alter_owner_stmt":
            return node.newowner.rolename in roles
        if tree.kind(self.node) != "alter_table_stmt":
            return False
        commands = [command.alter_table_cmd for command in node.cmds]
        return bool(commands) and all(
            it.subtype == pb.AT_ChangeOwner and it.newowner.rolename in roles for it in commands
        )


async def load(shadow: Shadow, schema: str, *, as_superuser: bool) -> Loaded:
    """Run the text of pg_dump in the shadow's database, and populate its materialized views; raises `SandboxError`.

    `as_superuser`: on the target the role may give everything to everybody.
    """
    pieces = _pieces(schema)
    # what belongs to the role that loads is its own already
    pieces = [piece for piece in pieces if not piece.gives_to({shadow.owner})]
    given = [piece for piece in pieces if piece.gives_to(shadow.roles)]
    away = {id(piece) for piece in given}
    # opened while nothing foreign is in the database, and with a search_path that stays
    ours = await shadow.set_up_by_us(shadow.database) if shadow.boss is not None else None
    owner = await shadow.connect(shadow.database)
    failed: list[tuple[_Piece, str]] = []
    try:
        await _run(owner, [it for it in pieces if id(it) not in away], failed)
        await owner.execute("RESET ALL")
        await _populate(owner)
        # owners last: until then everything belongs to the one role that loads
        if ours is not None and as_superuser:
            await ours.execute(_MAY_OWN)
        if ours is not None:
            await _run(ours, given, failed)
    except ConnectionLost as error:
        raise shadow_ended("while the schema was loaded", error) from error
    finally:
        await owner.close()
        if ours is not None:
            await ours.close()
    if failed:
        told = [f"{' '.join(piece.sql.split())[:80]} ({why})" for piece, why in failed[:_NAMED]]
        named = "; ".join(told) + ("; ..." if len(failed) > _NAMED else "")
        shadow.remarks.append(f"{len(failed)} objects of the schema could not be loaded: {named}.")
    made = (piece.sql for piece, _ in failed if tree.kind(piece.node) in _MAKES)
    names = frozenset(match[2] or match[1] for sql in made if (match := _NAME.search(sql)))
    return Loaded(statements=len(pieces), failed=tuple(why for _, why in failed), names=names)


async def _run(connection: Connection, pieces: Sequence[_Piece], failed: list[tuple[_Piece, str]]) -> None:
    for start in range(0, len(pieces), _GROUP):
        group = pieces[start : start + _GROUP]
        try:
            await connection.execute(";\n".join(piece.sql for piece in group))
        except ConnectionLost:
            raise
        except ServerError:
            await _one_by_one(connection, group, failed)


async def _one_by_one(connection: Connection, group: Sequence[_Piece], failed: list[tuple[_Piece, str]]) -> None:
    for piece in group:
        try:
            await connection.execute(piece.sql)
        except ConnectionLost:
            raise
        except ServerError as error:
            if tree.kind(piece.node) not in _NO_MATTER:
                failed.append((piece, error.summary))


async def _populate(connection: Connection) -> None:
    """Fill the materialized views, which pg_dump leaves unusable; one that reads another comes after it."""
    rows = await connection.fetch(
        "SELECT c.oid::pg_catalog.regclass::text AS name FROM pg_catalog.pg_class AS c "
        "WHERE c.relkind = 'm' AND NOT c.relispopulated ORDER BY c.oid"
    )
    left = [row["name"] for row in rows]
    while left:
        again: list[str] = []
        for name in left:
            try:
                await connection.execute(f"REFRESH MATERIALIZED VIEW {name}")
            except ConnectionLost:
                raise
            except ServerError:
                again.append(name)
        if len(again) == len(left):
            return
        left = again


def _pieces(schema: str) -> list[_Piece]:
    data = schema.encode()
    try:
        parsed = postgast.parse(schema)
        spans = [(it.stmt_location, it.stmt_location + it.stmt_len or len(data), it.stmt) for it in parsed.stmts]
        return [_Piece(data[start:end].decode().strip(), node) for start, end, node in spans]
    except DecodeError:
        return [_piece(part) for part in postgast.split(schema)]
    except postgast.PgQueryError as error:
        raise SandboxError(
            f"pg_dump wrote what PostgreSQL's parser does not read: {error.message}",
            advice="Rehearse on a database of yours with this schema: --shadow URL. The run does not need a rehearsal.",
        ) from error


def _piece(part: str) -> _Piece:
    try:
        return _Piece(part, postgast.parse(part).stmts[0].stmt)
    except (DecodeError, IndexError):
        return _Piece(part, None)
