"""Read-only inspection: the overview on a connection that the server itself holds read-only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from ...core.migration import Migration
from ..widgets.banner import Standing
from ..widgets.sql_view import SqlView, sql_words
from ..words import words
from .overview import OverviewScreen
from .stage import Stage


class InspectScreen(OverviewScreen):
    """The overview without anything that writes: those actions do not exist here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view_sql", "View SQL", tooltip="the chosen migration's file"),
    ]

    def __init__(self, standing: Standing) -> None:
        super().__init__(standing, reading=True)

    def action_view_sql(self) -> None:
        """Show the chosen migration's SQL."""
        chosen = self.chosen()
        if chosen is None or chosen.file is None:
            self.say("This migration has no file in the folder.")
            return
        self.post_message(self.Wanted("sql", chosen.version))


class SqlScreen(Stage[None]):
    """A migration's file, to read."""

    STAGE: ClassVar[str] = "migration"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,escape", "back", "Back")]

    def __init__(self, standing: Standing, migration: Migration) -> None:
        super().__init__(standing, reading=True)
        self._migration = migration

    def body(self) -> Iterable[Widget]:
        """Return the file."""
        yield SqlView(id="file")

    def on_mount(self) -> None:
        """Show it from the top."""
        self.say(self._migration.file, "head")
        view = self.query_one(SqlView)
        try:
            view.show(sql_words(self._migration.content.decode()))
        except UnicodeDecodeError:
            view.show(words("This file is not UTF-8.", "bad"))
        view.focus()

    def action_back(self) -> None:
        """Back to the overview."""
        self.dismiss(None)
