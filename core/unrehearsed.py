"""What a rehearsal does not run, and which failures on a shadow say nothing about the target. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from . import tree
from .errors import ServerReport
from .script import Statement

_NEEDS: Final = {
    "alter_system_stmt": "it changes the server itself",
    "createdb_stmt": "it makes a database",
    "dropdb_stmt": "it drops a database",
    "alter_database_refresh_coll_stmt": "it changes the database as a whole",
    "create_role_stmt": "it makes a role, which belongs to the whole server",
    "alter_role_stmt": "it changes a role, which belongs to the whole server",
    "alter_role_set_stmt": "it changes a role, which belongs to the whole server",
    "drop_role_stmt": "it drops a role, which belongs to the whole server",
    "create_table_space_stmt": "it makes a tablespace",
    "drop_table_space_stmt": "it drops a tablespace",
    "create_event_trig_stmt": "it needs a superuser",
    "alter_event_trig_stmt": "it needs a superuser",
    "create_fdw_stmt": "it needs a superuser",
    "load_stmt": "it loads a library into the server",
    "create_am_stmt": "it needs a superuser",
    "create_subscription_stmt": "it connects to another server",
    "alter_subscription_stmt": "it connects to another server",
    "drop_subscription_stmt": "it connects to another server",
    "import_foreign_schema_stmt": "it connects to another server",
    "alter_extension_stmt": "only a superuser may change an extension",
    "sec_label_stmt": "it needs a provider of labels",
    "check_point_stmt": "it needs a superuser",
}
_NO_RIGHT: Final = "42501"
# There is no such function, or no such type, language or other object: it may be an extension's.
_OF_EXTENSIONS: Final = frozenset({"42883", "42704"})
# What is undefined, not populated or not available: a consequence, where its name is one that the shadow lacks.
_UNDEFINED: Final = frozenset({"3F000", "42703", "42P01", "55000", "0A000", "58P01", *_OF_EXTENSIONS})
# What depends on rows, and a shadow has none: a row that a foreign key wants, and what a block says of what it read.
_PARENT: Final = "23503"
_SAYS: Final = frozenset({"P0001", "P0002", "P0003", "P0004", "02000"})
_TOO_LONG: Final = "57014"


def why_not_run(statement: Statement, available: Collection[str]) -> str:
    """Return why a statement is not run on a shadow, empty where it is; `available` are extensions it may create."""
    kind, node = tree.kind(statement.tree), tree.inner(statement.tree)
    if kind in _NEEDS:
        return _NEEDS[kind]
    match kind:
        case "copy_stmt" if node.is_program:
            return "it runs a program on the server's machine"
        case "copy_stmt" if node.filename:
            return "it reads or writes a file on the server's machine"
        case "create_extension_stmt" if node.extname not in available:
            return f"the extension {node.extname} is not to be had on the shadow"
    return ""


def extension_of(statement: Statement) -> tuple[str, str] | None:
    """Return name and schema of the extension that a statement creates."""
    node = tree.inner(statement.tree)
    if tree.kind(statement.tree) != "create_extension_stmt":
        return None
    schema = next((str(it.def_elem.arg.string.sval) for it in node.options if it.def_elem.defname == "schema"), "")
    return str(node.extname), schema


def role_of(statement: Statement) -> str | None:
    """Return the role that a statement makes."""
    node: Any = tree.inner(statement.tree)
    return str(node.role) if tree.kind(statement.tree) == "create_role_stmt" else None


def why_unknowable(
    report: ServerReport | None, *, lacking: Collection[str], extensions: bool, gaps: bool, reads: bool
) -> str:
    """Return why a failure on the shadow says nothing about the target, empty where it is a real one.

    `lacking` are bare names that the target has, or would have by now, and the shadow lacks. `extensions` says that
    some of them are extensions, with members of names unknown, and `gaps` that a statement before it was not run of
    which nobody can say what it makes. `reads` says that the statement looks at tables.
    """
    if report is None:
        return ""
    state, words = report.sqlstate, report.message
    if state == _NO_RIGHT:
        return f"it needs rights that a rehearsal does not have: {words}"
    if state == _TOO_LONG:
        return "it took too long on the shadow"
    if state == _PARENT or (reads and state in _SAYS):
        return f"it depends on rows, and the shadow has none: {words}"
    known = gaps or (extensions and state in _OF_EXTENSIONS) or any(_mentions(words, name) for name in lacking)
    if state in _UNDEFINED and known:
        return f"it needs what is not on the shadow: {words}"
    return ""


def _mentions(words: str, name: str) -> bool:
    return bool(name) and re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", words) is not None
