"""The filter behind the allow-list: what a log or a viewer gets of an event holds no password.

Events are built without secrets. What comes from elsewhere (SQL, notices, error contexts, a library's own words) may
carry one: a literal after PASSWORD, a password in a connection string, or the target's own password by value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from .secret import MASK, Secret, mask

# CREATE ROLE ... PASSWORD '...', also as E'' and $$ $$, doubled inside another literal, and cut off at the end; see
# https://www.postgresql.org/docs/18/sql-createrole.html.
_LITERAL: Final = re.compile(
    r"""(\bPASSWORD\s+)(?:
        (?:E|U&)?''(?:[^'])+?''          # inside another literal
      | (?:E|U&)?\\'.+?\\'               # the same with backslashes
      | (?:E|U&)?'(?:[^'\\]|''|\\.)*'
      | \$([^$]*)\$.*?(?:\$\2\$|\Z)
      | (?:E|U&)?'.*\Z                   # cut off
    )""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
# password=... of a connection string, quoted or bare; see
# https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE.
_PAIR: Final = re.compile(
    r"""(\b(?:ssl)?password\s*=\s*)(?:''[^']*''|'(?:[^'\\]|\\.)*')|(\b(?:ssl)?password=)[^\s'"&]+""", re.IGNORECASE
)
_URL: Final = re.compile(r"(\bpostgres(?:ql)?://[^\s/@:]*:)[^\s@]+(?=@)", re.IGNORECASE)
# The same while somebody types it: up to where its password begins, and a value that has no end yet.
_BEGUN_URL: Final = re.compile(r"\s*\w+://[^\s/?#@:\[]*:")
_BEGUN_PAIR: Final = re.compile(r"(\b(?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'?|[^\s&]*)", re.IGNORECASE)
DOT: Final = "\N{BULLET}"

# What these fields hold is compared later, and is a name of ours or of the database, never a sentence: a password that
# happens to be equal to it ("postgres") tells nobody which of the words is the password.
_NAMES: Final = frozenset(
    {
        "event", "result", "state", "phase", "version", "version_num", "changeover", "run", "session", "digest", "user",
        "database", "host", "port", "system_identifier", "name", "file", "entry", "kind", "decision", "purpose", "when",
        "id", "severity", "sqlstate", "schema", "os_user", "sudo_user", "xid", "on_hangup", "wal", "target",
        "address", "by", "operator",
    }
)  # fmt: skip


def masked(text: str) -> str:
    """Return a text with the passwords that SQL or a connection string spells out in it masked."""
    if "password" in text.lower():
        text = _LITERAL.sub(rf"\1'{MASK}'", text)
        text = _PAIR.sub(lambda found: f"{found[1] or found[2]}{MASK}", text)
    return _URL.sub(rf"\1{MASK}", text) if "://" in text else text


def veiled(text: str) -> str:
    """Return a connection string as it may be seen while it is typed: equally long, with dots for its password.

    As long as no @ says where a password ends, all that comes after the user's colon may be part of one.
    """
    if begun := _BEGUN_URL.match(text):
        end = text.rfind("@")
        end = len(text) if end < begun.end() else end
        text = text[: begun.end()] + DOT * (end - begun.end()) + text[end:]
    return _BEGUN_PAIR.sub(lambda found: found[1] + DOT * len(found[2]), text)


def seems_to_tell(line: str, secrets: Iterable[Secret]) -> bool:
    """Whether a line of JSON has to be looked through; a no is sure, and quick."""
    if "://" in line or "password" in line.lower():
        return True
    return any(json.dumps(secret.reveal())[1:-1] in line or secret.reveal() in line for secret in secrets)


def cleaned(value: Any, secrets: Iterable[Secret], *, name: str = "") -> Any:
    """Return plain data (dicts, lists, texts) with every password in its texts masked; `name` is the field's."""
    match value:
        case str() if name in _NAMES:
            return value
        case str():
            return mask(masked(value), secrets)
        case dict():
            return {key: cleaned(item, secrets, name=key) for key, item in value.items()}
        case list() | tuple():
            return [cleaned(item, secrets, name=name) for item in value]
        case _:
            return value
