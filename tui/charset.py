"""What our signs become where a terminal has no more than ASCII.

Each is one character for one, so that columns stay columns; what is not ours becomes `?` on a screen, and its escape
in a line. See https://docs.python.org/3/library/codecs.html#codecs.register_error.
"""

from __future__ import annotations

import codecs
import locale
from collections.abc import Mapping
from typing import Final

# The error handler of streams that can only say ASCII.
ERRORS: Final = "changeover.signs"
_SIGNS: Final = {
    "✓": "+", "×": "x", "►": ">", "○": "o", "•": "*", "■": "#", "·": ".", "≠": "!", "…": "~", "⏎": "$",
    "→": ">", "←": "<", "↑": "^", "↓": "v", "━": "=", "─": "-", "│": "|",
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯", "+"),
    **dict.fromkeys("▁▂▃▄▅▆▇█▉▊▋▌▍▎▏", "#"),
}  # fmt: skip


def is_ascii_only(environ: Mapping[str, str], encoding: str) -> bool:
    """Whether a terminal has to do with ASCII: its locale says so, or Python's `encoding` of its stream does.

    Where nothing is said Python's own judgement holds (PEP 538, PEP 540): then it is UTF-8.
    """
    if not _is_utf8(encoding):
        return True
    said = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    if said in {"C", "POSIX"}:
        return True
    charset = said.partition("@")[0].partition(".")[2]
    return bool(said) and not _is_utf8(charset or locale.getencoding())


def _is_utf8(name: str) -> bool:
    return name.lower().replace("-", "").replace("_", "") in {"utf8", "cp65001"}


def in_ascii(text: str) -> str:
    """Return `text` in ASCII, a character for each of its characters."""
    return "".join(letter if letter < "\x80" else _SIGNS.get(letter, "?") for letter in text)


def _signed(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace what a stream cannot say: our own signs by their like, anything else by its escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    signs = (_SIGNS.get(letter) or letter.encode("ascii", "backslashreplace").decode("ascii") for letter in wrong)
    return "".join(signs), error.end


codecs.register_error(ERRORS, _signed)
