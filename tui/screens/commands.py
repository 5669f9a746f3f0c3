"""Everything that can be done on the screen below, by its name: the palette of commands.

It only presses the key: what asks before it does something asks here as well.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from ..keys import bindings, key_name
from ..widgets.field import Field
from ..widgets.hints import shown_bindings
from ..widgets.paper import Paper
from ..widgets.room import Room
from ..widgets.table import Column, Table
from ..words import NOTHING, Cell, cell, words
from .left import Over
from .stage import Stage


class Command(Struct, frozen=True, kw_only=True):
    """Something that a key of the screen below does."""

    key: str
    label: str
    help: str
    action: str
    # why it does nothing at the moment
    why_not: str = ""


def commands_of(below: Stage[object]) -> tuple[Command, ...]:
    """Return what the keys of a screen do, each once; moving about is left out."""
    return tuple(
        Command(
            key=active.binding.key_display or key_name(active.binding.key),
            label=active.binding.description,
            help=active.binding.tooltip or active.binding.description,
            action=active.binding.action if active.node is below else f"app.{active.binding.action}",
            why_not=below.why_dim(active),
        )
        for active in shown_bindings(below.active_bindings, hidden=True)
        if active.node in {below, below.app} and not active.binding.system
    )


def matching(commands: tuple[Command, ...], typed: str) -> tuple[Command, ...]:
    """Return the commands that have every typed word, in label or help."""
    sought = typed.lower().split()
    return tuple(it for it in commands if all(word in f"{it.label} {it.help}".lower() for word in sought))


class Commands(Over[str]):
    """A line to type into and the list that is left; the result is the action, or an empty text."""

    AUTO_FOCUS: ClassVar[str | None] = "Input"
    BINDINGS: ClassVar[list[BindingType]] = bindings("commands")

    def __init__(self, commands: tuple[Command, ...]) -> None:
        super().__init__()
        self._all = commands
        self._left = commands

    def compose(self) -> ComposeResult:
        """Put a box in the middle."""
        yield Room()
        with Vertical(id="commands"):
            yield Field(name="command")
            table = Table(
                [Column(title="", width=6, fits=True), Column(title="", width=18, fits=True), Column(title="")],
                header=False,
                empty="no command has these words",
                id="found",
            )
            yield table
            # the chosen one in full: its line may have no room for it
            yield Paper(id="told")

    def on_mount(self) -> None:
        """Show all of them."""
        self._show()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._left = matching(self._all, event.value)
        self._show()

    def _show(self) -> None:
        table = self.query_one(Table)
        table.show([command_row(it) for it in self._left])
        table.choose(0)
        self._tell()

    def on_table_moved(self) -> None:
        """Tell of the chosen one."""
        self._tell()

    def _chosen(self) -> Command | None:
        return self._left[self.query_one(Table).cursor] if self._left else None

    def _tell(self) -> None:
        chosen = self._chosen()
        self.query_one("#told", Paper).write(words(said_of(chosen), "dim") if chosen is not None else NOTHING)

    def action_move(self, by: int) -> None:
        """Choose another one."""
        self.query_one(Table).action_move(by)

    def action_take(self) -> None:
        """Do the chosen one, unless it cannot be done now."""
        chosen = self._chosen()
        if chosen is not None and not chosen.why_not:
            self.dismiss(chosen.action)

    def action_close(self) -> None:
        """Do nothing."""
        self.dismiss("")


def command_row(command: Command) -> tuple[Cell, ...]:
    """Return a command as a row, with the reason where it does nothing now."""
    if command.why_not:
        return (cell(command.key, "dim"), cell(command.label, "dim"), cell(said_of(command), "dim"))
    return (cell(command.key, "key"), cell(command.label, "head"), cell(said_of(command)))


def said_of(command: Command) -> str:
    """Return what a command does, or why it does nothing now."""
    return f"not now: {command.why_not}" if command.why_not else command.help
