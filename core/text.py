"""The text of a file: its encoding, and where in it a byte stands."""

from __future__ import annotations

from bisect import bisect_right
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

from .errors import Place, ScriptError


class Text:
    """A UTF-8 file, read once. Offsets are bytes of the file; `bytes` and `sql` are without a byte order mark."""

    __slots__ = ("_ascii", "_last", "_starts", "bytes", "file", "shift", "sql")

    def __init__(self, *, content: bytes, sql: str, shift: int, file: str) -> None:
        self.bytes = content
        self.sql = sql
        # bytes of the byte order mark in front
        self.shift = shift
        self.file = file
        self._ascii = content.isascii()
        self._starts = [0]
        position = content.find(b"\n")
        while position >= 0:
            self._starts.append(position + 1)
            position = content.find(b"\n", position + 1)
        # the last place asked for: on one long line, the next one is counted from it
        self._last = (0, 0, 0)

    @classmethod
    def read(cls, content: bytes, *, file: str) -> Text:
        """Return the text of `content`; a UTF-8 byte order mark is skipped. Raises `ScriptError`."""
        shift = len(BOM_UTF8) if content.startswith(BOM_UTF8) else 0
        if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise ScriptError(
                "The file is UTF-16.",
                advice="Save it as UTF-8; migrations are UTF-8.",
                place=Place(file=file, line=1),
            )
        body = content[shift:]
        if (nul := body.find(b"\0")) >= 0:
            line = body.count(b"\n", 0, nul) + 1
            raise ScriptError(
                "The file has a zero byte, which no SQL text has; it may be UTF-16.",
                advice="Save it as UTF-8.",
                place=Place(file=file, line=line),
            )
        try:
            sql = body.decode("utf-8")
        except UnicodeDecodeError as error:
            start = body.rfind(b"\n", 0, error.start) + 1
            raise ScriptError(
                f"The file is not UTF-8: byte 0x{body[error.start]:02x} at offset {error.start + shift}.",
                advice="Convert it, for example with `iconv -f LATIN1 -t UTF-8`.",
                place=Place(
                    file=file,
                    line=body.count(b"\n", 0, error.start) + 1,
                    column=len(body[start : error.start].decode("utf-8", "replace")) + 1,
                ),
            ) from error
        return cls(content=body, sql=sql, shift=shift, file=file)

    def place(self, offset: int) -> Place:
        """Return line and column, in characters, of a byte offset in the file."""
        at = min(max(offset - self.shift, 0), len(self.bytes))
        line = bisect_right(self._starts, at)
        start = self._starts[line - 1]
        if self._ascii:
            return Place(file=self.file, line=line, column=at - start + 1)
        known_start, known_at, known = self._last
        if known_start != start or known_at > at:
            known_at, known = start, 0
        column = known + len(self.bytes[known_at:at].decode("utf-8", "ignore"))
        self._last = (start, at, column)
        return Place(file=self.file, line=line, column=column + 1)

    def before_on_line(self, at: int) -> bytes:
        """Return what stands on the line before position `at` of `bytes`."""
        return self.bytes[self._starts[bisect_right(self._starts, at) - 1] : at]
