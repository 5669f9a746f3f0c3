"""Calls of functions that the plan itself makes: the static SQL of their bodies is read as if it stood there.

SELECT f(), PERFORM f() and CALL p(). A function that was there before the plan is not looked into.
"""

from __future__ import annotations

from typing import Any

import postgast
from google.protobuf.message import DecodeError
from postgast import pg_query_pb2 as pb

from . import effects_blocks, tree
from .effects_reading import Reading
from .effects_routines import Routine
from .names import Parts
from .touches import Act, Ref


def calls(reading: Reading, node: Any) -> None:
    """Read the bodies of the plan's functions that an expression or query calls."""
    if not reading.routines.known:
        return
    for found in tree.walk(node):
        if isinstance(found, pb.FuncCall):
            call_of(reading, tree.strings(found.funcname), len(found.args))


def call(reading: Reading, node: pb.CallStmt) -> None:
    """CALL."""
    name = tree.strings(node.funccall.funcname)
    reading.touch(Act.NEED, Ref(kind="function", name=name), node.funccall)
    for argument in node.funccall.args:
        calls(reading, argument)
    call_of(reading, name, len(node.funccall.args))


def call_of(reading: Reading, name: Parts, arguments: int) -> None:
    """Read what a function does, where the plan makes it."""
    routines = reading.routines
    found = routines.called(name, arguments)
    if len(found) > 1 and not reading.gather.unknowable:
        reading.gather.unknowable = f"{name[-1]} may be one of {len(found)} functions"
    for routine in found:
        routines.running.append(routine)
        try:
            _body(reading, routine)
        finally:
            routines.running.pop()


def _body(reading: Reading, routine: Routine) -> None:
    inner = reading.inside(routine.statement.place_of)
    if routine.node.HasField("sql_body"):
        for item in _atomic(routine.node.sql_body):
            inner.read(inner, item)
    elif routine.language == "sql":
        _sql(inner, routine)
    elif routine.language == "plpgsql":
        effects_blocks.read_body(inner, routine.statement, body=routine.body, offset=routine.offset)
    else:
        inner.gather.unknowable = f"a function in {routine.language} is not analysed"
    gather = reading.gather
    gather.touches.extend(inner.gather.touches)
    gather.steps.extend(inner.gather.steps)
    if inner.gather.unknowable and not gather.unknowable:
        gather.unknowable = f"{routine.name[-1]}: {inner.gather.unknowable}"


def _atomic(body: Any) -> list[Any]:
    """Return the statements of BEGIN ATOMIC ... END, or of RETURN."""
    if tree.kind(body) == "list":
        return [inner for item in body.list.items for inner in _atomic(item)]
    if tree.kind(body) == "return_stmt":
        target = pb.Node(res_target=pb.ResTarget(val=body.return_stmt.returnval))
        return [pb.Node(select_stmt=pb.SelectStmt(target_list=[target]))]
    return [body]


def _sql(reading: Reading, routine: Routine) -> None:
    try:
        parsed = postgast.parse(routine.body)
    except (postgast.PgQueryError, DecodeError) as error:
        reading.gather.unknowable = f"SQL that cannot be analysed: {error}"
        return
    # the places of the body are those of the function: quoting may have changed its text
    place = routine.statement.place
    inner = reading.inside(lambda _: place)
    inner.gather = reading.gather
    for raw in parsed.stmts:
        inner.read(inner, raw.stmt)
