"""The text of a file: its encoding, the part of it that runs, and where in the file a byte of that stands."""

from __future__ import annotations

from bisect import bisect_right
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from .errors import Place, ScriptError

# from and to a byte offset of the file
Span: TypeAlias = tuple[int, int]

# Every byte becomes a space, but those that end a line: offsets and lines stay what they are.
_BLANK: Final = bytes(byte if byte in b"\r\n" else 0x20 for byte in range(256))


class Edit(Struct, frozen=True, kw_only=True):
    """What stands in for a span of the file: the value of a placeholder, or another file."""

    start: int
    end: int
    value: str
    # of a file that was put in: what `value` begins with, for the places in it
    inside: Text | None = None


class _Seam(Struct, frozen=True, kw_only=True):
    """Where an edit stands, in what is parsed and in the file."""

    start: int
    end: int
    source_start: int
    source_end: int
    inside: Text | None


class Text:
    """A UTF-8 file, read once, or what of it runs.

    `bytes` and `sql` are what is parsed, without a byte order mark. Offsets are bytes of it, and count the mark;
    as long as nothing was put in for a placeholder they are offsets of the file.
    """

    __slots__ = ("_ascii", "_last", "_seams", "_source", "_starts", "bytes", "file", "shift", "sql")

    def __init__(
        self, *, content: bytes, sql: str, shift: int, file: str, source: bytes, seams: tuple[_Seam, ...] = ()
    ) -> None:
        self.bytes = content
        self.sql = sql
        # bytes of the byte order mark in front
        self.shift = shift
        self.file = file
        self._source = source
        self._seams = seams
        self._ascii = source.isascii()
        self._starts = [0]
        position = source.find(b"\n")
        while position >= 0:
            self._starts.append(position + 1)
            position = source.find(b"\n", position + 1)
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
        return cls(content=body, sql=sql, shift=shift, file=file, source=body)

    def only(self, spans: Sequence[Span]) -> Text:
        """Return the text with everything outside the spans as blanks; they are in order and do not overlap."""
        pieces: list[bytes] = []
        done = 0
        for start, end in spans:
            at = max(start - self.shift, 0)
            pieces += [self.bytes[done:at].translate(_BLANK), self.bytes[at : end - self.shift]]
            done = end - self.shift
        content = b"".join([*pieces, self.bytes[done:].translate(_BLANK)])
        return self._with(content, self._seams)

    def without(self, spans: Sequence[Span]) -> Text:
        """Return the text with the spans as blanks."""
        kept: list[Span] = []
        done = self.shift
        for start, end in spans:
            kept.append((done, start))
            done = end
        return self.only([*kept, (done, len(self.bytes) + self.shift)])

    def edited(self, edits: Sequence[Edit]) -> Text:
        """Return the text with each edit's value in place of its span; they are in order and do not overlap.

        Only a text that nothing was put into before can be edited.
        """
        pieces: list[bytes] = []
        seams: list[_Seam] = []
        done = size = 0
        for edit in edits:
            start, end, value = edit.start - self.shift, edit.end - self.shift, edit.value.encode()
            pieces += [self.bytes[done:start], value]
            size += start - done
            seams.append(
                _Seam(start=size, end=size + len(value), source_start=start, source_end=end, inside=edit.inside)
            )
            size += len(value)
            done = end
        return self._with(b"".join([*pieces, self.bytes[done:]]), tuple(seams))

    def _with(self, content: bytes, seams: tuple[_Seam, ...]) -> Text:
        return Text(
            content=content,
            sql=content.decode(),
            shift=self.shift,
            file=self.file,
            source=self._source,
            seams=seams,
        )

    @property
    def is_edited(self) -> bool:
        """Whether something was put in."""
        return bool(self._seams)

    def origin(self, offset: int) -> int:
        """Return the byte offset in the file of one in what is parsed: of a value put in, where its name begins."""
        at = offset - self.shift
        seam = self._seam_before(at)
        if seam is None:
            return offset
        return self.shift + (seam.source_start if at < seam.end else seam.source_end + at - seam.end)

    def _seam_before(self, at: int) -> _Seam | None:
        number = bisect_right(self._seams, at, key=lambda seam: seam.start) - 1
        return self._seams[number] if number >= 0 else None

    def place(self, offset: int) -> Place:
        """Return line and column, in characters, of a byte offset; in a file that was put in, those of that file."""
        seam = self._seam_before(offset - self.shift)
        if seam is not None and seam.inside is not None and offset - self.shift < seam.end:
            inside = seam.inside
            return inside.place(min(offset - self.shift - seam.start, len(inside.bytes)) + inside.shift)
        at = min(max(self.origin(offset) - self.shift, 0), len(self._source))
        line = bisect_right(self._starts, at)
        start = self._starts[line - 1]
        if self._ascii:
            return Place(file=self.file, line=line, column=at - start + 1)
        known_start, known_at, known = self._last
        if known_start != start or known_at > at:
            known_at, known = start, 0
        column = known + len(self._source[known_at:at].decode("utf-8", "ignore"))
        self._last = (start, at, column)
        return Place(file=self.file, line=line, column=column + 1)

    def before_on_line(self, at: int) -> bytes:
        """Return what stands on the line before position `at` of `bytes`."""
        return self.bytes[self.bytes.rfind(b"\n", 0, at) + 1 : at]
