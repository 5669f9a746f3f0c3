"""A line to type into: nothing blinks, and its Enter is among the keys of the last row."""

from __future__ import annotations

from typing import ClassVar

from rich.highlighter import Highlighter
from rich.text import Text
from textual.binding import BindingType
from textual.widgets import Input

from ...core.masking import veiled
from ..keys import bindings


class Field(Input):
    """An empty line; what is typed may be hidden."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("field")

    def __init__(self, *, name: str, secret: bool = False, disabled: bool = False) -> None:
        super().__init__(id=name, password=secret, compact=True, disabled=disabled, select_on_focus=False)
        self.cursor_blink = False

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Whether it is typed here; Textual does not know that the key called slash is one."""
        return super().check_consume_key(key, "/" if key == "slash" else character)


class _Veil(Highlighter):
    def highlight(self, text: Text) -> None:
        """Show a connection string without its password."""
        text.plain = veiled(text.plain)


class UrlField(Field):
    """A line for a connection URL: what is typed can be read, but for a password in it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("field")

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)
        self.highlighter = _Veil()


class NameField(Field):
    """A line in which a name gives consent."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("field of a name")


class ReasonField(Field):
    """A line in which a reason allows a hazard."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("field of a reason")


class SettlingField(Field):
    """A line in which a reason settles what stopped half-way."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("field of a settling reason")


class PassingField(Field):
    """A line that is there while it is typed into, or has something in it."""

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)
        self.display = False

    def allow_focus(self) -> bool:
        """Take keys only while it can be seen: a screen that one comes back to looks for anything that takes them."""
        return bool(self.display) and super().allow_focus()

    def begin(self) -> None:
        """Come to be typed into."""
        self.display = True
        self.focus()

    def clear_away(self) -> bool:
        """Go, with what was typed; False where it was not there."""
        was_there = bool(self.display)
        self.value = ""
        self.display = False
        return was_there


class FilterField(PassingField):
    """A line in which words are typed that lines must have."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("field of a filter")

    def __init__(self) -> None:
        super().__init__(name="filter")


class FindField(PassingField):
    """A line in which words are typed that the next line to look at has."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("field of a search")

    def __init__(self) -> None:
        super().__init__(name="find")
