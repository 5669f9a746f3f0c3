"""Sequences: ALTER SEQUENCE, and the locks of nextval() and setval()."""

from __future__ import annotations

from typing import Any, Final

from postgast import pg_query_pb2 as pb

from .. import names, tree
from ..estimate import Tally
from ..locks import LockMode
from .family import target

_ASKING: Final = frozenset({"nextval", "setval"})


def asked(tally: Tally, expression: Any) -> None:
    """Lock the sequences that an expression asks by name."""
    if expression is None:
        return
    for found in tree.walk(expression):
        if isinstance(found, pb.FuncCall) and found.args and tree.strings(found.funcname)[-1] in _ASKING:
            state = tally.world.find(_name(found.args[0]))
            if state is not None and state.kind == "sequence":
                tally.lock(state, LockMode.ROW_EXCLUSIVE)


def _name(node: Any) -> names.Parts:
    while tree.kind(node) == "type_cast":
        node = node.type_cast.arg
    if tree.kind(node) != "a_const" or not node.a_const.HasField("sval"):
        return ("",)
    try:
        return names.read(str(node.a_const.sval.sval))
    except ValueError:
        return ("",)


def alter(tally: Tally, node: pb.AlterSeqStmt) -> None:
    """ALTER SEQUENCE."""
    state = target(tally, node.sequence)
    if state is None:
        return
    tally.lock(state, LockMode.SHARE_ROW_EXCLUSIVE)
    owner(tally, node.options)


def owner(tally: Tally, options: Any) -> None:
    """OWNED BY table.column."""
    for item in options:
        if item.def_elem.defname == "owned_by" and tree.kind(item.def_elem.arg) == "list":
            name = tree.strings(item.def_elem.arg.list.items)
            state = tally.world.find(name[:-1]) if len(name) > 1 else None
            if state is not None:
                tally.lock(state, LockMode.ACCESS_SHARE)
