"""A migration's file, to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from ...core.migration import Migration
from ..keys import bindings
from ..widgets.banner import Standing
from ..widgets.sql_view import SqlView, sql_words
from ..words import words
from .stage import Stage


class SqlScreen(Stage[None]):
    """The whole text, with its highlighting."""

    STAGE: ClassVar[str] = "migration"
    BINDINGS: ClassVar[list[BindingType]] = bindings("migration")

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
            view.show(words("This file is not UTF-8, so it cannot be run. Save it as UTF-8.", "bad"))
        view.focus()

    def copied(self) -> str:
        """Return the file."""
        return self._migration.content.decode(errors="replace")

    def action_back(self) -> None:
        """Back to the overview."""
        self.dismiss(None)
