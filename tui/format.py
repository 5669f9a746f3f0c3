"""Durations, bytes, counts and ages in words, and untrusted text made visible. Pure.

Every text that a server, a file, another connection or the environment can name passes `visible` before a screen, a
line or a log shows it: what could act on a terminal is shown as a sign instead, never silently dropped, because an
operator should see that a name is odd.
"""

from __future__ import annotations

import re
from typing import Final

NEWLINE: Final = "⏎"
ELLIPSIS: Final = "…"

# Format characters that change how neighbours are shown, or that nobody can see: zero-width and joiners, bidi marks,
# embeddings, overrides and isolates, line and paragraph separators, invisible operators, the byte order mark,
# interlinear annotations, the soft hyphen, and fillers that look like nothing.
_INVISIBLE: Final = frozenset(
    [
        0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFEFF, 0xFFA0,
        *range(0x180B, 0x1810),
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xFFF9, 0xFFFC),
        *range(0x1D173, 0x1D17B),
        *range(0xE0000, 0xE1000),
    ]
)  # fmt: skip


def _sign(code: int) -> str | None:
    """Return what stands for a code point that must not reach a terminal, None for one that may."""
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if 0x80 <= code < 0xA0 or 0xD800 <= code < 0xE000 or code in _INVISIBLE:
        return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
    return None


# Marks over and under a letter take no cell, so that hundreds of them fit over one; no script stacks more than this.
_MARKS: Final = 4
_STACKED: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
    f"{{{_MARKS + 1},}}"
)

# Code points that act on a terminal, or hide what is there.
ACTING: Final = (*range(0x20), 0x7F, *range(0x80, 0xA0), *sorted(_INVISIBLE))
_SIGNS: Final = {code: _sign(code) for code in ACTING}
_ONE_LINE: Final = {**_SIGNS, 0x0A: NEWLINE}
_MANY_LINES: Final = {**_SIGNS, 0x0A: "\n", 0x09: "    "}
_SURROGATES: Final = {code: _sign(code) for code in range(0xD800, 0xE000)}


_SOCKET: Final = re.compile(r"@/.*(:\d+/)")
_IDENTITY: Final = re.compile(r"\b[0-9a-f]{40}\b")


def numbered(version: str) -> str:
    """Return a version as people read it: an identity of 40 hexadecimal digits by its first ten."""
    return version[:10] if len(version) == 40 and set(version) <= set("0123456789abcdef") else version


def at_local(target: str) -> str:
    """Return `user@host:port/database` with the folder of a socket as `[local]`: it would fill a row."""
    return _SOCKET.sub(r"@[local]\1", target)


def numbered_in(sentence: str) -> str:
    """Return a sentence of ours with the versions in it as `numbered` has them."""
    return _IDENTITY.sub(lambda found: numbered(found.group()), sentence)


def visible(text: str, *, lines: bool = False) -> str:
    """Return `text` with everything that could act on a terminal, or hide in it, turned into a visible sign.

    C0 controls become control pictures, DEL `␡`; C1 controls, bidi controls, zero-width characters, tags, lone
    surrogates, and marks stacked higher than any script has them become their code points in hexadecimal. A newline
    becomes `⏎`, or stays one where `lines` is true, and a tab is four spaces then.
    """
    if text.isascii() and text.isprintable():
        return text
    shown = text.replace("\r\n", "\n") if lines else text
    shown = shown.translate(_MANY_LINES if lines else _ONE_LINE)
    try:
        shown.encode()
    except UnicodeEncodeError:
        shown = shown.translate(_SURROGATES)
    return _STACKED.sub(_unstacked, shown)


def _unstacked(found: re.Match[str]) -> str:
    marks = found[0]
    return marks[:_MARKS] + "".join(f"\\u{ord(mark):04X}" for mark in marks[_MARKS:])


def bounded(text: str, limit: int) -> str:
    """Return `text` made visible on one line, and cut to `limit` characters (at least 1) with `…` at the end."""
    # a sign is at most ten characters for one, so the cut before translating loses nothing that could be shown
    shown = visible(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + ELLIPSIS


def duration(seconds: float) -> str:
    """Return a span of time as people say it: `3 ms`, `2.4 s`, `1 min 05 s`, `2 h 03 min`, `3 d 4 h`."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def stalled(sessions: int, longest: float) -> str:
    """Return how many stood still behind a migration: `3 application sessions waited behind it, at most 400 ms`."""
    return f"{count(sessions, 'application session')} waited behind it, at most {duration(longest)}"


def countdown(seconds: float) -> str:
    """Return how long is left, never negative: `2.0 s`, `12.0 s`, `1 min 05 s`."""
    left = max(0.0, seconds)
    return f"{left:.1f} s" if left < 59.95 else duration(left)


def age(seconds: float | None) -> str:
    """Return how old something is, coarsely: `4 s`, `12 min`, `3 h`, `2 d`; `?` where it is not known."""
    if seconds is None:
        return "?"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def size(count: int) -> str:
    """Return a number of bytes in the units of PostgreSQL's pg_size_pretty, which are powers of 1024."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" or abs(value) >= 10 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.0f} TB" if abs(value) >= 10 else f"{value:.1f} TB"


def number(count: int) -> str:
    """Return a number with its thousands apart: `12,345`."""
    return f"{count:,}"


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """Return `1 statement`, `2 statements`, `no statements`."""
    if amount == 0:
        return f"no {plural or noun + 's'}"
    return f"{number(amount)} {noun if amount == 1 else plural or noun + 's'}"
