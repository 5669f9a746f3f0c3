"""A line to type into: nothing blinks, and its Enter is among the keys of the last row."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input


class Field(Input):
    """An empty line; what is typed may be hidden."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", "Next")]

    def __init__(self, *, name: str, secret: bool = False, disabled: bool = False) -> None:
        super().__init__(id=name, password=secret, compact=True, disabled=disabled, select_on_focus=False)
        self.cursor_blink = False


class NameField(Field):
    """A line in which a name gives consent."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", "Run it, if the name is right")]


class ReasonField(Field):
    """A line in which a reason allows a hazard."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", "Allow it, for this reason")]
