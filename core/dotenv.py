"""`.env` files: what a project says of its database to its own programs. Read for the set-up only, never obeyed.

`KEY=value` lines, `export` before them or not, values bare or in quotes. Nothing is expanded and nothing is run: a
value with `$` in it is left out, because only a shell knows what it means.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

# The names that say which database; others of a .env are none of our business, and may be secrets.
_OURS: Final = re.compile(r"DATABASE_URL|PG(HOST|HOSTADDR|PORT|DATABASE|USER|PASSWORD|SSLMODE|SERVICE|PASSFILE)")
_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
# A file of settings; more than this is something else. Bytes.
_MOST: Final = 256_000


def find(start: Path) -> Path | None:
    """Return the `.env` of `start` or of a folder above it, up to the one that holds a `.git`."""
    for folder in (start, *start.parents):
        file = folder / ".env"
        if file.is_file():
            return file
        if (folder / ".git").exists():
            break
    return None


def read(file: Path) -> dict[str, str]:
    """Return what the file says of the database; nothing where it cannot be read."""
    try:
        if file.stat().st_size > _MOST:
            return {}
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None or not _OURS.fullmatch(match[1]):
            continue
        value = _value(match[2])
        if value:
            found[match[1]] = value
    return found


def names_a_database(file: Path) -> bool:
    """Whether the file says which database; a user or a password alone does not."""
    return not {"DATABASE_URL", "PGHOST", "PGHOSTADDR", "PGDATABASE", "PGSERVICE"}.isdisjoint(read(file))


def _value(written: str) -> str:
    """Return a value as it is meant; empty where only a shell could tell."""
    if len(written) >= 2 and written[0] == written[-1] == "'":
        return written[1:-1]
    if len(written) >= 2 and written[0] == written[-1] == '"':
        written = written[1:-1].replace('\\"', '"')
    else:
        written = re.split(r"\s#", written, maxsplit=1)[0].rstrip()
    return "" if "$" in written or "`" in written else written
