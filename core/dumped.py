"""What pg_dump writes around its output, and only psql understands."""

from __future__ import annotations

import re
from typing import Final

import postgast

from .lexemes import BACKSLASH
from .text import Text

# since August 2025
_RESTRICT: Final = re.compile(rb"(?m)^\\(?:un)?restrict[ \t]+[0-9A-Za-z]+[ \t]*\r?$")


def unrestricted(text: Text) -> Text:
    r"""Return the text without the \restrict and \unrestrict of pg_dump, where they stand between statements."""
    lines = {match.start(): match.end() for match in _RESTRICT.finditer(text.bytes)}
    if not lines:
        return text
    try:
        tokens = postgast.scan(text.sql).tokens
    except postgast.PgQueryError:
        return text
    starts = [token.start for token in tokens if token.token == BACKSLASH and token.start in lines]
    return text.without([(start + text.shift, lines[start] + text.shift) for start in starts])
