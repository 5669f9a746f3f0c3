"""A session as files of one's own: `ID.txt` and `ID.json`, 0600, never over a file that is there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from .codec import event_line
from .document_types import text_of
from .documents import session_document
from .errors import UsageError
from .view import Stamped


def export(session: str, events: Sequence[Stamped], lines: Iterable[str], folder: Path) -> tuple[Path, Path]:
    """Write a session as text and as the document of `logs show --json`; return both paths. Raises `UsageError`."""
    records = [json.loads(event_line(stamped)) for stamped in events]
    text = _write(folder, session, "txt", "".join(f"{line}\n" for line in lines))
    return text, _write(folder, session, "json", f"{text_of(session_document(session, records))}\n")


def _write(folder: Path, session: str, ending: str, text: str) -> Path:
    for number in range(1, 1000):
        path = folder / (f"{session}.{ending}" if number == 1 else f"{session}-{number}.{ending}")
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written: {error.strerror}.",
                advice=f"changeover logs show {session} prints the same; send it where there is room.",
            ) from None
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        return path
    raise UsageError(f"{folder} has a thousand exports of this session.", advice="Remove some of them.")
