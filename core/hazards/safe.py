"""The safe way, made from the tree of the statement itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import postgast
from postgast import pg_query_pb2 as pb

from ..effects_constraints import default_name
from ..names import quote
from .case import Command

# Above what PostgreSQL refuses inside a transaction.
OUTSIDE: Final = "-- changeover: transaction=off\n"
APART: Final = "-- in a migration of its own:\n"


def sql_of(kind: str, node: Any) -> str:
    """Return the statement of this kind (`index_stmt`) as text with its semicolon; empty where it cannot be written."""
    wrapper = pb.Node()
    getattr(wrapper, kind).CopyFrom(node)
    try:
        return str(postgast.deparse(pb.ParseResult(stmts=[pb.RawStmt(stmt=wrapper)]))) + ";"
    except (postgast.PgQueryError, ValueError):
        return ""


def expression_of(node: Any) -> str:
    """Return an expression as text."""
    statement = pb.SelectStmt(limit_option=pb.LIMIT_OPTION_DEFAULT, op=pb.SETOP_NONE)
    target = pb.Node()
    target.res_target.val.CopyFrom(node)
    statement.target_list.append(target)
    return sql_of("select_stmt", statement).removeprefix("SELECT ").removesuffix(";")


def alter(command: Command, *cmds: Any) -> str:
    """Return ALTER TABLE on the same table with other subcommands."""
    node = pb.AlterTableStmt()
    node.CopyFrom(command.node)
    del node.cmds[:]
    for cmd in cmds:
        wrapper = pb.Node()
        wrapper.alter_table_cmd.CopyFrom(cmd)
        node.cmds.append(wrapper)
    return sql_of("alter_table_stmt", node)


def copy_of(node: Any) -> Any:
    """Return a copy of a message."""
    copy = type(node)()
    copy.CopyFrom(node)
    return copy


def new_column(command: Command, *, without: Sequence[int], name: str | None = None) -> Any:
    """Return the ADD COLUMN without its constraints of these kinds."""
    cmd = copy_of(command.cmd)
    column = getattr(cmd, "def").column_def
    kept = [item for item in column.constraints if item.constraint.contype not in without]
    kept = [copy_of(item) for item in kept]
    del column.constraints[:]
    column.constraints.extend(kept)
    if name is not None:
        column.colname = name
    return cmd


def add_constraint(constraint: Any) -> Any:
    """Return ADD CONSTRAINT as a subcommand."""
    cmd = pb.AlterTableCmd(subtype=pb.AT_AddConstraint, behavior=pb.DROP_RESTRICT)
    getattr(cmd, "def").constraint.CopyFrom(constraint)
    return cmd


def set_default(column: str, expression: Any) -> Any:
    """Return SET DEFAULT as a subcommand."""
    cmd = pb.AlterTableCmd(subtype=pb.AT_ColumnDefault, name=column, behavior=pb.DROP_RESTRICT)
    getattr(cmd, "def").CopyFrom(expression)
    return cmd


def validate(command: Command, name: str) -> str:
    """Return VALIDATE CONSTRAINT."""
    return alter(command, pb.AlterTableCmd(subtype=pb.AT_ValidateConstraint, name=name, behavior=pb.DROP_RESTRICT))


def not_valid(command: Command, constraint: Any, *, columns: Sequence[str]) -> str:
    """Return the constraint in two steps: NOT VALID, and its validation in a migration of its own."""
    made = copy_of(constraint)
    kind = "f" if constraint.contype == pb.CONSTR_FOREIGN else "c"
    made.conname = constraint.conname or default_name(command.state.key[1], tuple(columns), kind)
    made.skip_validation, made.initially_valid = True, False
    if constraint.contype == pb.CONSTR_FOREIGN and not made.fk_attrs:
        made.fk_attrs.extend(pb.Node(string=pb.String(sval=column)) for column in columns)
    return f"{alter(command, add_constraint(made))}\n{APART}{validate(command, made.conname)}"


def never_null(table: str, key: str, column: str, version: int) -> str:
    """Return SET NOT NULL in two steps; from PostgreSQL 18 on, NOT NULL itself can be NOT VALID."""
    shown, name = quote(column), quote(f"{key}_{column}_not_null")
    if version >= 180000:
        return (
            f"ALTER TABLE {table} ADD CONSTRAINT {name} NOT NULL {shown} NOT VALID;\n"
            f"{APART}ALTER TABLE {table} VALIDATE CONSTRAINT {name};"
        )
    return (
        f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({shown} IS NOT NULL) NOT VALID;\n"
        f"{APART}ALTER TABLE {table} VALIDATE CONSTRAINT {name};\n"
        f"ALTER TABLE {table} ALTER COLUMN {shown} SET NOT NULL;\n"
        f"ALTER TABLE {table} DROP CONSTRAINT {name};"
    )
