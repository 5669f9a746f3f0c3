"""What a statement is called in the manual, and whether PostgreSQL takes it inside a transaction block."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from . import tree

# Statements whose tree has one name in the manual; the others are worked out in `command_of`.
_NAMES: Final = {
    "select_stmt": "SELECT",
    "insert_stmt": "INSERT",
    "update_stmt": "UPDATE",
    "delete_stmt": "DELETE",
    "merge_stmt": "MERGE",
    "do_stmt": "DO",
    "create_stmt": "CREATE TABLE",
    "create_foreign_table_stmt": "CREATE FOREIGN TABLE",
    "create_enum_stmt": "CREATE TYPE",
    "create_range_stmt": "CREATE TYPE",
    "composite_type_stmt": "CREATE TYPE",
    "alter_enum_stmt": "ALTER TYPE",
    "alter_type_stmt": "ALTER TYPE",
    "create_seq_stmt": "CREATE SEQUENCE",
    "alter_seq_stmt": "ALTER SEQUENCE",
    "create_trig_stmt": "CREATE TRIGGER",
    "rule_stmt": "CREATE RULE",
    "view_stmt": "CREATE VIEW",
    "create_stats_stmt": "CREATE STATISTICS",
    "alter_stats_stmt": "ALTER STATISTICS",
    "refresh_mat_view_stmt": "REFRESH MATERIALIZED VIEW",
    "create_plang_stmt": "CREATE LANGUAGE",
    "create_am_stmt": "CREATE ACCESS METHOD",
    "create_table_space_stmt": "CREATE TABLESPACE",
    "drop_table_space_stmt": "DROP TABLESPACE",
    "createdb_stmt": "CREATE DATABASE",
    "dropdb_stmt": "DROP DATABASE",
    "drop_owned_stmt": "DROP OWNED",
    "reassign_owned_stmt": "REASSIGN OWNED",
    "variable_show_stmt": "SHOW",
    "lock_stmt": "LOCK",
    "constraints_set_stmt": "SET CONSTRAINTS",
    "check_point_stmt": "CHECKPOINT",
    "sec_label_stmt": "SECURITY LABEL",
}

_TRANSACTION: Final = {
    pb.TRANS_STMT_BEGIN: "BEGIN",
    pb.TRANS_STMT_START: "START TRANSACTION",
    pb.TRANS_STMT_COMMIT: "COMMIT",
    pb.TRANS_STMT_ROLLBACK: "ROLLBACK",
    pb.TRANS_STMT_SAVEPOINT: "SAVEPOINT",
    pb.TRANS_STMT_RELEASE: "RELEASE SAVEPOINT",
    pb.TRANS_STMT_ROLLBACK_TO: "ROLLBACK TO SAVEPOINT",
    pb.TRANS_STMT_PREPARE: "PREPARE TRANSACTION",
    pb.TRANS_STMT_COMMIT_PREPARED: "COMMIT PREPARED",
    pb.TRANS_STMT_ROLLBACK_PREPARED: "ROLLBACK PREPARED",
}

_TWO_WORDS: Final = frozenset({"CREATE", "ALTER", "DROP"})

# Words that may stand between CREATE and what is created, and are no part of the command's name.
_FILLERS: Final = frozenset({
    "OR", "REPLACE", "UNIQUE", "TEMP", "TEMPORARY", "UNLOGGED", "GLOBAL", "LOCAL", "RECURSIVE", "TRUSTED",
    "PROCEDURAL", "CONSTRAINT", "IF", "EXISTS", "NOT",
})  # fmt: skip

# What is made of two words in the manual: CREATE MATERIALIZED VIEW, ALTER DEFAULT PRIVILEGES.
_PAIRS: Final = frozenset({
    "MATERIALIZED", "FOREIGN", "EVENT", "ACCESS", "TEXT", "OPERATOR", "USER", "DEFAULT", "LARGE",
})  # fmt: skip


def command_of(node: Any, words: Iterable[str]) -> str:
    """Return the command's name as the manual has it, as `CREATE INDEX CONCURRENTLY`.

    `node` is the statement's tree, or None where it is too deep to be read; `words` are the statement's first
    keywords in upper case, from which the name comes where the tree has several.
    """
    match tree.kind(node):
        case "index_stmt":
            return "CREATE INDEX CONCURRENTLY" if tree.inner(node).concurrent else "CREATE INDEX"
        case "transaction_stmt":
            return _TRANSACTION.get(tree.inner(node).kind, "BEGIN")
        case "variable_set_stmt":
            return _variable(tree.inner(node))
        case "drop_stmt" if tree.inner(node).concurrent:
            return "DROP INDEX CONCURRENTLY"
        case "reindex_stmt" if tree.option(tree.inner(node).params, "concurrently"):
            return "REINDEX CONCURRENTLY"
        case "create_table_as_stmt":
            inner = tree.inner(node)
            if inner.is_select_into:
                return "SELECT INTO"
            return "CREATE MATERIALIZED VIEW" if inner.objtype == pb.OBJECT_MATVIEW else "CREATE TABLE AS"
        case known if known in _NAMES:
            return _NAMES[known]
        case _:
            return _of_words(words)


def _variable(node: pb.VariableSetStmt) -> str:
    if node.kind in {pb.VAR_RESET, pb.VAR_RESET_ALL}:
        return "RESET"
    if node.kind == pb.VAR_SET_MULTI:
        # SET TRANSACTION and SET SESSION CHARACTERISTICS AS TRANSACTION
        return "SET TRANSACTION" if node.name.startswith("TRANSACTION") else f"SET {node.name}"
    return "SET"


def _of_words(words: Iterable[str]) -> str:
    found: list[str] = []
    for word in words:
        if found and word in _FILLERS:
            continue
        found.append(word)
        if found[0] not in _TWO_WORDS or (len(found) == 2 and word not in _PAIRS) or len(found) == 3:
            break
    return " ".join(found) or "SQL"


def is_transaction_control(command: str) -> bool:
    """Whether a statement would begin, end or shape the transaction that a migration runs in."""
    return command in _TRANSACTION.values() or command in {"SET TRANSACTION", "SET SESSION CHARACTERISTICS"}


def refused_inside(node: Any) -> bool:
    """Whether PostgreSQL refuses a statement inside a transaction block, whatever the database holds.

    These are the callers of PreventInTransactionBlock; the manual says it on each command's page, as in
    https://www.postgresql.org/docs/18/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY.
    """
    inner = tree.inner(node)
    match tree.kind(node):
        case "index_stmt" | "drop_stmt":
            return bool(inner.concurrent)
        case "reindex_stmt":
            everything = {pb.REINDEX_OBJECT_SCHEMA, pb.REINDEX_OBJECT_SYSTEM, pb.REINDEX_OBJECT_DATABASE}
            return inner.kind in everything or tree.option(inner.params, "concurrently")
        case "vacuum_stmt":
            return bool(inner.is_vacuumcmd)
        case "cluster_stmt":
            return not inner.HasField("relation")
        case "discard_stmt":
            return bool(inner.target == pb.DISCARD_ALL)
        case "alter_database_stmt":
            return any(option.def_elem.defname == "tablespace" for option in inner.options)
        case "create_subscription_stmt":
            return tree.option(inner.options, "connect", default=True) and tree.option(
                inner.options, "create_slot", default=True
            )
        case "alter_table_stmt":
            return any(_detaches(item.alter_table_cmd) for item in inner.cmds)
        case known:
            return known in {
                "createdb_stmt",
                "dropdb_stmt",
                "create_table_space_stmt",
                "drop_table_space_stmt",
                "alter_system_stmt",
            }


def _detaches(command: pb.AlterTableCmd) -> bool:
    if command.subtype == pb.AT_DetachPartitionFinalize:
        return False
    return command.subtype == pb.AT_DetachPartition and bool(getattr(command, "def").partition_cmd.concurrent)
