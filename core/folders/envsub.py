r"""goose's `ENVSUB`: `$NAME`, `${NAME}`, `${NAME:-text}`, `${NAME-text}`, `${NAME?text}`, `${NAME:from:length}`.

`$$` and `\$` stand for one `$`, and `$(` for itself. A name that has no value is an error here: the tool would put
nothing in its place.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..text import Edit


class EnvsubError(Exception):
    """What cannot be filled in, and the position in the line."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.what = what
        self.at = at


def edits_of(line: str, values: Mapping[str, str], *, start: int) -> list[Edit]:
    """Return what is put in for one line, whose first byte is at `start`. Raises `EnvsubError`."""
    return _Line(line, values, start).edits()


class _Line:
    def __init__(self, line: str, values: Mapping[str, str], start: int) -> None:
        self._line = line
        self._values = values
        self._start = start
        self._at = 0

    def edits(self) -> list[Edit]:
        found: list[Edit] = []
        while self._at < len(self._line):
            began = self._at
            text = self._item()
            if text != self._line[began : self._at]:
                found.append(Edit(start=self._offset(began), end=self._offset(self._at), value=text))
        return found

    def _offset(self, at: int) -> int:
        return self._start + len(self._line[:at].encode())

    def _item(self) -> str:
        """Read one character, escape or expansion, and return what stands for it."""
        rest = self._line[self._at :]
        if rest.startswith(("\\\\", "$(")):
            self._at += 2
            return rest[:2]
        if rest.startswith(("\\$", "$$")):
            self._at += 2
            return "$"
        if rest[0] != "$" or len(rest) == 1:
            self._at += 1
            return rest[0]
        began = self._at
        self._at += 1
        if self._peek() != "{":
            return self._value(self._name(), began)
        self._at += 1
        return self._braced(began)

    def _braced(self, began: int) -> str:
        name = self._name()
        rest = self._line[self._at :]
        for operator in (":-", "-", "?", ":"):
            if rest.startswith(operator):
                break
        else:
            self._expect("}")
            return self._value(name, began)
        self._at += len(operator)
        if operator == ":":
            return self._slice(self._value(name, began))
        text = self._until_brace()
        value = self._values.get(name)
        if operator == "?" and value is None:
            raise EnvsubError(f"{name}: {text or 'not set'}", began)
        missing = not value if operator == ":-" else value is None
        return text if missing else value or ""

    def _until_brace(self) -> str:
        found: list[str] = []
        while self._at < len(self._line) and self._peek() != "}":
            found.append(self._item())
        self._expect("}")
        return "".join(found)

    def _slice(self, value: str) -> str:
        end = self._line.find("}", self._at)
        if end < 0:
            raise EnvsubError("a brace that is not closed", self._at)
        numbers = self._line[self._at : end].split(":")
        try:
            first, *rest = [int(number.strip()) for number in numbers]
        except ValueError as error:
            raise EnvsubError(f"{self._line[self._at : end]} is no part of a text", self._at) from error
        self._at = end + 1
        data = value.encode()
        first = max(first + len(data), 0) if first < 0 else min(first, len(data))
        last = len(data)
        if rest:
            last = first + rest[0] if rest[0] >= 0 else max(len(data) + rest[0], first)
        return data[first : min(last, len(data))].decode("utf-8", "replace")

    def _name(self) -> str:
        began = self._at
        if not self._peek().isalpha():
            raise EnvsubError("a $ that no name follows (write $$ for one)", max(began - 1, 0))
        while self._peek().isalnum() or self._peek() == "_":
            self._at += 1
        return self._line[began : self._at]

    def _value(self, name: str, began: int) -> str:
        value = self._values.get(name)
        if value is None:
            raise EnvsubError(f"{name} has no value", began)
        return value

    def _peek(self) -> str:
        return self._line[self._at : self._at + 1]

    def _expect(self, letter: str) -> None:
        if self._peek() != letter:
            raise EnvsubError("a brace that is not closed", self._at)
        self._at += 1
