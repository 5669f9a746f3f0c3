"""The events of one session as they come: each line of its files is read once, and again only where it is asked for.

For logs of any length: nothing is kept but how far each file was read. The files are merged by time, as `session_log`
does it; what a later reading finds comes after what an earlier one has found.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from msgspec import Struct

from .codec import MalformedLine, event_of
from .session_log import files_of, folder_of
from .view import Stamped


class Found(Struct, frozen=True, kw_only=True):
    """An event and where it stands: number of its file, byte offset of its line."""

    stamped: Stamped
    file: int
    offset: int


class SessionReader:
    """Reads a session while it may go on; for one thread at a time. Raises `UsageError` where there is none."""

    def __init__(self, session_id: str, root: Path | None = None) -> None:
        self._folder = folder_of(session_id, root)
        self._files: list[Path] = []
        # how far each file was read, in bytes
        self._read: list[int] = []
        # a reading that is not at its end yet
        self._under_way: Iterator[Found] | None = None

    def read(self, most: int) -> list[Found]:
        """Return the next events, at most `most`; none where all was read that is there now."""
        if self._under_way is None:
            self._files += [path for path in files_of(self._folder) if path not in self._files]
            self._read += [0] * (len(self._files) - len(self._read))
            streams = [self._further(number) for number in range(len(self._files))]
            self._under_way = heapq.merge(*streams, key=lambda found: found.stamped.at)
        found = list(islice(self._under_way, most))
        if len(found) < most:
            self._under_way = None
        return found

    def event(self, file: int, offset: int) -> Stamped:
        """Return the event of a line that was read before."""
        with self._files[file].open("rb") as lines:
            lines.seek(offset)
            return event_of(lines.readline())

    def _further(self, number: int) -> Iterator[Found]:
        with self._files[number].open("rb") as lines:
            lines.seek(self._read[number])
            for line in lines:
                if not line.endswith(b"\n"):
                    # cut off, or still being written
                    return
                offset = self._read[number]
                self._read[number] = offset + len(line)
                try:
                    yield Found(stamped=event_of(line), file=number, offset=offset)
                except MalformedLine:
                    continue
