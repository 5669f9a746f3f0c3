"""goose: `00001_name.sql` with the sections `-- +goose Up` and `-- +goose Down`, ordered by number; Go is listed.

The tool splits at lines that end in a semicolon, and StatementBegin and StatementEnd keep what stands between them
together; PostgreSQL's own parser needs neither. See https://pressly.github.io/goose/documentation/annotations/.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from .. import formats
from ..errors import Fault
from ..foreign import Part, nothing, script_of
from ..migration import Folder, Migration, SideScript, checksums_of
from ..script import Script
from ..text import Edit, Span, Text
from .envsub import EnvsubError, edits_of
from .files import content_of, in_order, no_migration, side_script, text_or_script
from .listing import Listing, look
from .naming import NewFile, Request, next_number
from .reader import Options, Reader

_UP, _DOWN = "up", "down"
_BEGIN, _END = "statementbegin", "statementend"
_NO_TRANSACTION, _ON, _OFF = "no transaction", "envsub on", "envsub off"
_ANNOTATIONS: Final = frozenset({_UP, _DOWN, _BEGIN, _END, _NO_TRANSACTION, _ON, _OFF})


def read(path: Path, options: Options) -> Folder:
    """Return the migrations of the folder; raises `FolderError`, and `NumberingError` for two files of one number."""
    files = in_order((number, name) for name in look(path).names if (number := _number(name)))
    if not files:
        raise no_migration(path, formats.GOOSE.pattern)
    return Folder(
        path=path,
        format=formats.GOOSE.name,
        migrations=tuple(_migration(path, number, file, options) for number, file in files.items()),
    )


def _number(name: str) -> int:
    """Return the version of a file; 0 where the tool passes it over."""
    digits, line, _ = name.partition("_")
    if not line or not name.endswith((".sql", ".go")) or name.endswith("_test.go"):
        return 0
    return int(digits) if digits.isascii() and digits.isdecimal() and int(digits) < 2**63 else 0


def _migration(path: Path, number: int, file: str, options: Options) -> Migration:
    content = content_of(path, file)
    is_go = file.endswith(".go")
    up, down = (nothing(), None) if is_go else _scripts(content, file, options)
    return Migration(
        version=str(number),
        name=file.partition("_")[2].rpartition(".")[0],
        file=file,
        content=content,
        checksums=checksums_of(content),
        script=up,
        revert=down,
        foreign="Go" if is_go else "",
    )


def _scripts(content: bytes, file: str, options: Options) -> tuple[Script, SideScript | None]:
    text = text_or_script(content, file)
    if isinstance(text, Script):
        return text, None
    sections = _Sections(text, {**options.environ, **options.placeholders})
    sections.read()
    up = sections.script(_UP)
    if sections.problem or not sections.has_down:
        return up, None
    return up, side_script(file, content, sections.script(_DOWN))


class _Sections(Struct):
    """Goes through the lines as the tool does."""

    text: Text
    values: Mapping[str, str]
    # which section the line at hand is in; empty before the first
    at: str = ""
    has_down: bool = False
    inside: bool = False
    transactional: bool = True
    problem: Fault | None = None
    spans: dict[str, list[Span]] = field(default_factory=lambda: {_UP: [], _DOWN: []})
    # lines between ENVSUB ON and OFF, by section
    substituted: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: {_UP: [], _DOWN: []})

    def read(self) -> None:
        substitutes = False
        offset = self.text.shift
        # the tool leaves the comments above a statement alone
        fresh = True
        for raw in self.text.bytes.split(b"\n"):
            line = raw.removesuffix(b"\r").decode()
            start, end = offset, offset + len(raw)
            offset = end + 1
            if line.strip().startswith("--") and "+goose" in line:
                word = self._annotation(line, start)
                substitutes = word == _ON if word in {_ON, _OFF} else substitutes
                fresh = fresh or word == _END
            elif self.at:
                self._take(start, min(end + 1, len(self.text.bytes) + self.text.shift))
                fresh = fresh and (line.strip().startswith("--") or not line)
                if substitutes and not fresh:
                    self.substituted[self.at].append((start, line))
                fresh = fresh or (not self.inside and _ends_statement(line))
            elif line.strip() and not line.strip().startswith("--"):
                self._refuse("it has statements above `-- +goose Up`", start)
            if self.problem:
                return
        if not self.at:
            self._refuse("it has no line `-- +goose Up`", self.text.shift)
        elif self.inside:
            self._refuse("its last `-- +goose StatementBegin` has no `-- +goose StatementEnd`", offset - 1)

    def _take(self, start: int, end: int) -> None:
        spans = self.spans[self.at]
        if spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))

    def _annotation(self, line: str, start: int) -> str:
        if line.startswith((" ", "\t")):
            self._refuse("an annotation stands at the beginning of its line", start)
            return ""
        word = line.replace("--", "").replace("+goose", "", 1).strip().lower()
        if word not in _ANNOTATIONS:
            self._refuse(f"`{line.strip()}` is no annotation that it knows", start)
        elif word == _UP:
            self._enter(word, start, allowed=not self.at, why="it has `-- +goose Up` twice")
        elif word == _DOWN:
            self._enter(word, start, allowed=self.at == _UP and not self.inside, why="`-- +goose Down` follows no Up")
        elif word in {_BEGIN, _END}:
            if self.inside is (word == _BEGIN) or not self.at:
                self._refuse(f"`{line.strip()}` is out of place", start)
            self.inside = word == _BEGIN
        elif word == _NO_TRANSACTION:
            self.transactional = False
        return word

    def _enter(self, section: str, start: int, *, allowed: bool, why: str) -> None:
        if not allowed:
            self._refuse(why, start)
            return
        self.at = section
        self.has_down = self.has_down or section == _DOWN

    def _refuse(self, why: str, start: int) -> None:
        place = self.text.place(start)
        self.problem = self.problem or Fault(
            id="script",
            summary=f"{self.text.file} cannot be run, and goose does not read it: {why}.",
            advice="See https://pressly.github.io/goose/documentation/annotations/.",
            file=place.file,
            line=place.line,
            column=place.column,
        )

    def script(self, section: str) -> Script:
        part = Part(text=self.text, transactional=self.transactional)
        if self.problem:
            return script_of(Part(text=self.text, refusals=(self.problem,)))
        edits: list[Edit] = []
        for start, line in self.substituted[section]:
            try:
                edits += edits_of(line, self.values, start=start)
            except EnvsubError as error:
                return script_of(Part(text=self.text, refusals=(_unfilled(self.text, start, line, error),)))
        text = self.text.only(self.spans[section])
        part = Part(text=text.edited(edits) if edits else text, transactional=self.transactional)
        return script_of(part)


def _ends_statement(line: str) -> bool:
    words = line.split()
    comment = next((n for n, word in enumerate(words) if word.startswith("--")), len(words))
    return comment > 0 and words[comment - 1].endswith(";")


def _unfilled(text: Text, start: int, line: str, error: EnvsubError) -> Fault:
    place = text.place(start + len(line[: error.at].encode()))
    return Fault(
        id="placeholder",
        summary=f"ENVSUB cannot fill this line in: {error.what}.",
        advice="Set it in the environment, or as a placeholder in changeover.toml.",
        file=place.file,
        line=place.line,
        column=place.column,
    )


def _likeness(listing: Listing) -> int:
    return 2 if any(b"+goose" in head for name, head in listing.heads() if _number(name)) else 0


def new(request: Request) -> tuple[str, tuple[NewFile, ...]]:
    """Return the next version and the file of a new migration."""
    numbers = [name.partition("_")[0] for name in request.names if _number(name)]
    version = next_number(request, numbers, width=None)
    return version, (NewFile(name=f"{version}_{request.word}.sql", text="-- +goose Up\n\n-- +goose Down\n"),)


READER: Final = Reader(format=formats.GOOSE, likeness=_likeness, read=read, new=new)
