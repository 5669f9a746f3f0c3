r"""Scripts as psql reads them, for folders whose scripts psql runs: its variables, conditions and files in files.

What is only printed does nothing here; what depends on the machine or on the result of a query is refused with its
line. See https://www.postgresql.org/docs/18/app-psql.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from enum import Enum, auto
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from ..copy_data import Blocks, Unfinished, rows_after, taken_out
from ..errors import Fault, FolderError, Place, ScriptError, fault_of
from ..lexemes import BACKSLASH, Lexeme, lexemes_of, scan
from ..text import Edit, Span, Text
from . import psql_arguments, psql_commands
from .files import content_of
from .psql_arguments import REFERENCE, Arguments
from .psql_conditions import Conditions

_COLON: Final = ord(":")
# How many bytes are read to find the next command; doubled where there is none in them.
_WINDOW: Final = 8192
# One file may be put in many times; what those it puts in put in, as many times again.
_MOST_FILES: Final = 1000


class Prepared(Struct, frozen=True, kw_only=True):
    """What psql would send."""

    text: Text
    # variables without a value, which stay as they are, and where they stand
    unknown: tuple[tuple[str, Place], ...] = ()


def prepared(text: Text, variables: Mapping[str, str], folder: Path) -> Prepared | Fault:
    """Return the text as psql sends it when it runs in `folder`; or what is refused."""
    session = _Session(folder=folder, variables=dict(variables), reading=[text.file])
    try:
        sent = _Reading(text=text, session=session).read()
    except ScriptError as error:
        return fault_of(error)
    return Prepared(text=sent, unknown=tuple(session.unknown))


class _Session(Struct, kw_only=True):
    """What holds from one file to the next."""

    folder: Path
    variables: dict[str, str]
    # files that put one another in, the outermost first
    reading: list[str]
    unknown: list[tuple[str, Place]] = field(default_factory=list)
    files: int = 0


class _Stop(Enum):
    """What comes after some SQL."""

    COMMAND = auto()
    ROWS = auto()
    END = auto()


class _Reading(Struct, kw_only=True):
    """One file on its way to what psql sends."""

    text: Text
    session: _Session
    conditions: Conditions = field(default_factory=Conditions)
    statement: Unfinished = field(default_factory=Unfinished)
    edits: list[Edit] = field(default_factory=list)
    # commands that leave nothing behind
    blanks: list[Span] = field(default_factory=list)
    at: int = 0
    # what has to follow the file where another one puts it in
    tail: str = "\n"

    def read(self) -> Text:
        while self.at < len(self.text.bytes):
            start = self.at
            lexemes, end, stop = self._sql()
            self._take(start, end, lexemes)
            self.at = end
            if stop is _Stop.COMMAND:
                self._command()
            elif stop is _Stop.ROWS:
                self._rows(end)
        if (opened := self.conditions.opened_at) is not None:
            raise self.refused(opened, "\\if has no \\endif in this file", "Close it where it was opened.")
        if self.statement.began is not None and self.tail == "\n":
            # psql sends at the end of a file what has no semicolon
            self.tail = "\n;\n"
        text = self.text.without(self.blanks)
        return text.edited(self.edits) if self.edits else text

    def refused(self, at: int, what: str, advice: str) -> ScriptError:
        return ScriptError(f"{what}.", advice=advice, place=self.text.place(at + self.text.shift))

    def _sql(self) -> tuple[list[Lexeme], int, _Stop]:
        """Return the lexemes up to the next command, or to the rows of a COPY, or to the end; and where they end."""
        content, begin, window = self.text.bytes, self.at, _WINDOW
        while True:
            newline = content.find(b"\n", begin + window)
            upto = newline if newline >= 0 else len(content)
            lexemes = lexemes_of(content[begin:upto].decode())
            statement = copy(self.statement)
            for number, (start, end, token, _) in enumerate(lexemes):
                if token == BACKSLASH:
                    self.statement = statement
                    return lexemes[:number], begin + start, _Stop.COMMAND
                began = statement.began
                # psql throws away what is not to be run before it looks for rows
                ends = self.conditions.active and statement.ends_with(begin + start, token)
                if ends and began is not None and statement.takes_rows:
                    self.statement = statement
                    return lexemes[: number + 1], begin + end, _Stop.ROWS
            if upto == len(content):
                self.statement = statement
                return lexemes, upto, _Stop.END
            window *= 2

    def _take(self, start: int, end: int, lexemes: list[Lexeme]) -> None:
        """Put the variables into some SQL, or leave it out."""
        if not self.conditions.active:
            if self.text.bytes[start:end].strip():
                self._edit(start, end, "\n")
            return
        done = 0
        for begin, _, token, _ in lexemes:
            if token != _COLON or begin < done:
                continue
            line = self.text.bytes[start + begin : start + begin + 200].decode("utf-8", "ignore")
            if (match := REFERENCE.match(line)) is None:
                continue
            done = begin + match.end()
            value = psql_arguments.value_of(match, self.session.variables)
            if value is not None:
                self._edit(start + begin, start + done, value)
            else:
                place = self.text.place(start + begin + self.text.shift)
                self.session.unknown.append((match[0].strip(":'\""), place))

    def _edit(self, start: int, end: int, value: str, inside: Text | None = None) -> None:
        shift = self.text.shift
        self.edits.append(Edit(start=start + shift, end=end + shift, value=value, inside=inside))

    def _rows(self, semicolon: int) -> None:
        start, end = rows_after(self.text, semicolon)
        if end is None:
            # they go to the end of this file, and no further
            whole = self.text.bytes.endswith(b"\n") or start >= len(self.text.bytes)
            self.tail = "\\.\n" if whole else "\n\\.\n"
        self.at = end[1] if end else len(self.text.bytes)

    def _command(self) -> None:
        at = self.at
        newline = self.text.bytes.find(b"\n", at)
        line = self.text.bytes[at : newline if newline >= 0 else len(self.text.bytes)].decode().rstrip()
        if line[1:2] in {";", ":"}:
            self._blank(at, at + 1)
            self.at = at + 1
            # what follows is SQL to psql, and no command
            return
        name = psql_commands.name_of(line)
        active = self.conditions.active
        if name in psql_commands.WHOLE_LINE:
            self.at = at + len(line.encode())
            if active:
                self._copy(at, line) if name == "\\copy" else self._refuse(at, name)
            else:
                self._blank(at, self.at)
            return
        said = psql_arguments.read(line[len(name) :], self.session.variables)
        self.at = at + len((name + line[len(name) :][: said.length]).encode())
        if name in psql_commands.CONDITIONS:
            if problem := self.conditions.take(name, said, at):
                raise self.refused(at, *problem)
            self._blank(at, self.at)
        elif not active or psql_commands.is_quiet(name):
            self._blank(at, self.at)
        elif name in {"\\i", "\\ir", "\\include", "\\include_relative"}:
            self._include(at, name, said)
        elif name in {"\\g", "\\gx"} and not said.values and not self.statement.takes_rows:
            self._edit(at, self.at, ";")
            self.statement = Unfinished()
        elif (problem := psql_commands.assign(name, said, self.session.variables)) is None:
            self._blank(at, self.at)
        else:
            raise self.refused(at, *problem)

    def _blank(self, start: int, end: int) -> None:
        self.blanks.append((start + self.text.shift, end + self.text.shift))

    def _refuse(self, at: int, name: str) -> None:
        raise self.refused(at, *psql_commands.refusal(name))

    def _copy(self, at: int, line: str) -> None:
        r"""Make COPY of \copy, whose rows follow as they do after COPY ... FROM STDIN."""
        statement = line.removeprefix("\\copy").rstrip(";").rstrip()
        if self.statement.began is not None:
            raise self.refused(at, "\\copy stands inside a statement", "Write it after the semicolon.")
        if (problem := psql_commands.copy_refusal(statement)) is not None:
            raise self.refused(at, *problem)
        self._edit(at, at + len("\\copy"), "COPY")
        end = at + len(line.encode())
        if not line.endswith(";"):
            self._edit(end, end, ";")
        self._rows(end)

    def _include(self, at: int, name: str, said: Arguments) -> None:
        """Put another file in, read in its turn."""
        if self.statement.began is not None:
            raise self.refused(at, f"{name} stands inside a statement", "Write it after the semicolon.")
        if len(said.values) != 1 or said.runs_shell:
            raise self.refused(at, f"{name} takes the name of one file", "Write it as it is, in quotes if need be.")
        session, file = self.session, self._named(at, name, said.values[0])
        if file in session.reading:
            raise self.refused(at, f"{file} puts itself in", "Leave one of the two out.")
        session.files += 1
        if session.files > _MOST_FILES:
            raise self.refused(at, f"More than {_MOST_FILES} files are put in", "Write what they do in one.")
        try:
            content = content_of(session.folder, file)
        except FolderError as error:
            raise self.refused(at, error.summary.removesuffix("."), error.advice or "") from error
        reading = _Reading(text=Text.read(content, file=file), session=session)
        session.reading.append(file)
        inside = reading.read()
        session.reading.pop()
        # a quote that the file leaves open would take in what comes after it
        scan(taken_out(inside, Blocks.OPEN)[0])
        self._edit(at, self.at, inside.sql + reading.tail, inside)

    def _named(self, at: int, name: str, said: str) -> str:
        """Return a file's name in the folder, as people say it."""
        session = self.session
        # psql runs where the plan is; `\ir` begins where the file is that says it
        base = (session.folder / self.text.file).parent if name in {"\\ir", "\\include_relative"} else session.folder
        root = session.folder.resolve()
        try:
            found = (base / said).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise self.refused(at, f"{said} is no name of a file", "Correct it.") from error
        if not found.is_relative_to(root):
            raise self.refused(
                at, f"{said} is outside the folder of the project", "Move it into the folder: what runs is approved."
            )
        if not found.is_file():
            from_where = "the file that names it" if base != session.folder else "the folder of the project"
            raise self.refused(at, f"{said} is not there", f"It is looked for from {from_where}.")
        return found.relative_to(root).as_posix()
