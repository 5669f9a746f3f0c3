"""Functions that the plan itself makes, by the name that calls them."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field
from postgast import pg_query_pb2 as pb

from . import tree
from .names import Parts
from .script import Statement


class Routine(Struct, frozen=True, kw_only=True):
    """A function or procedure as the plan makes it."""

    name: Parts
    language: str
    # how many arguments a call may have
    least: int
    most: int
    # the body as text, empty where it is part of the tree (BEGIN ATOMIC, RETURN)
    body: str
    # where the body's text begins, in bytes of the parsed text
    offset: int
    statement: Statement
    node: Any

    def takes(self, arguments: int) -> bool:
        """Whether a call may have so many arguments."""
        return self.least <= arguments <= self.most


class Routines(Struct):
    """The functions made so far, the last definition of each; and which are being read."""

    known: dict[str, dict[tuple[Parts, int, str], Routine]] = field(default_factory=dict)
    running: list[Routine] = field(default_factory=list)

    def learn(self, statement: Statement) -> None:
        """Remember what CREATE FUNCTION or PROCEDURE makes, and forget what DROP FUNCTION drops."""
        if tree.kind(statement.tree) == "create_function_stmt":
            routine = routine_of(statement, statement.tree.create_function_stmt)
            if routine is not None:
                key = (routine.name, routine.most, _signature(routine.node))
                self.known.setdefault(routine.name[-1], {})[key] = routine
        elif tree.kind(statement.tree) == "drop_stmt":
            for item in statement.tree.drop_stmt.objects:
                if tree.kind(item) == "object_with_args":
                    self.known.pop(tree.object_parts(item)[-1], None)

    def called(self, name: Parts, arguments: int) -> list[Routine]:
        """Return the functions that a call may mean: by name, schema where both name one, and number of arguments."""
        found = self.known.get(name[-1], {}).values() if name else ()
        return [one for one in found if _may_be(one.name, name) and one.takes(arguments) and one not in self.running]


def _may_be(made: Parts, called: Parts) -> bool:
    return len(made) == 1 or len(called) == 1 or made[-2:] == called[-2:]


def _signature(node: Any) -> str:
    return "|".join(str(item.function_parameter.arg_type.names) for item in node.parameters)


def routine_of(statement: Statement, node: Any) -> Routine | None:
    """Return what a CREATE FUNCTION makes; None where its body is no text (C, internal)."""
    language, body, offset = "sql", "", -1
    for item in node.options:
        element = item.def_elem
        if element.defname == "language":
            language = tree.string(element.arg).lower()
        elif element.defname == "as" and tree.kind(element.arg) == "list" and len(element.arg.list.items) == 1:
            body, offset = tree.string(element.arg.list.items[0]), element.location
    inward = {pb.FUNC_PARAM_IN, pb.FUNC_PARAM_INOUT, pb.FUNC_PARAM_VARIADIC, pb.FUNC_PARAM_DEFAULT}
    modes = [item.function_parameter for item in node.parameters]
    taken = [one for one in modes if one.mode in inward or (node.is_procedure and one.mode == pb.FUNC_PARAM_OUT)]
    if not body and not node.HasField("sql_body"):
        return None
    variadic = any(one.mode == pb.FUNC_PARAM_VARIADIC for one in taken)
    return Routine(
        name=tree.strings(node.funcname),
        language=language,
        least=sum(tree.kind(one.defexpr) == "" for one in taken) - variadic,
        most=100 if variadic else len(taken),
        body=body,
        offset=offset,
        statement=statement,
        node=node,
    )
