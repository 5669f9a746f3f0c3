"""Text of ours inside SQL of ours, where the simple protocol leaves no room for parameters."""

from __future__ import annotations


def literal(text: str) -> str:
    """Return `text` as an SQL string constant that reads the same whatever standard_conforming_strings is.

    See https://www.postgresql.org/docs/18/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS-ESCAPE. NUL has no place in
    PostgreSQL's text and becomes the replacement character.
    """
    escaped = text.replace("\0", "\ufffd").replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


def identifier(name: str) -> str:
    """Return `name` as a quoted identifier."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
