"""The first row of every screen: what kind of database, who, where, and whether we can write."""

from __future__ import annotations

from msgspec import Struct
from rich.cells import cell_len
from textual.content import Content

from ...core.events import ServerFacts
from ...core.target import Target
from ..format import at_local, visible
from ..theme import Environment, environment_of
from ..words import fit, joined, words
from .paper import Paper


class Standing(Struct, frozen=True, kw_only=True):
    """Where the console stands: known in part before the connection, in full after it."""

    target: Target | None = None
    server: ServerFacts | None = None
    # what holds us to reading: `read-only transaction` or `read-only role`; empty where we can write
    read_only: str = ""
    replay: bool = False
    # whether the log of a session is read
    log: bool = False
    attached: bool = False
    # what is said of the target of a run that is attached to; None where nothing is known of the run yet
    environment: Environment | None = None
    # what a replayed or attached session works on
    said: str = ""


class Banner(Paper):
    """Words first: environment, `user@host:port/database`, READ-ONLY ROLE. Never scrolls, never hides.

    Of a socket it says `[local]`: the folder would fill the row, and the confirmation has it in full.
    """

    def __init__(self, standing: Standing) -> None:
        super().__init__(id="banner")
        self._standing = standing

    def on_mount(self) -> None:
        """Paint at the first width."""
        self._paint()

    def on_resize(self) -> None:
        """Shorten the address to the width."""
        self._paint()

    def show(self, standing: Standing) -> None:
        """Show another standing."""
        self._standing = standing
        self._paint()

    def _paint(self) -> None:
        standing = self._standing
        if standing.environment is not None:
            self._paint_run(standing.said, standing.environment)
            return
        if standing.target is None:
            said = {standing.replay: "REPLAY", standing.log: "LOG OF", standing.attached: "ATTACHED"}
            word = Content.styled(f" {said.get(True, 'NO TARGET YET')} ", "$env-calm-fg on $env-calm-bg bold")
            room = self.size.width - word.cell_length - 1
            self.write(joined(word, " ", words(fit(visible(at_local(standing.said)), room).rstrip(), bold=True)))
            return
        word = environment_words(environment_of(standing.target))
        badge = Content.styled(
            f" {standing.read_only.upper()} " if standing.read_only else "",
            "$env-care-fg on $env-care-bg bold",
        )
        room = self.size.width - word.cell_length - badge.cell_length - 2
        self.write(joined(word, Content.styled(f" {address(standing, room)} ", "$text bold"), badge))

    def _paint_run(self, said: str, environment: Environment) -> None:
        """Paint what a run works on that is attached to: it is commanded from here like any other."""
        word = environment_words(environment)
        badge = Content.styled(" ATTACHED ", "$env-calm-fg on $env-calm-bg bold")
        room = self.size.width - word.cell_length - badge.cell_length - 2
        shown = fit(visible(at_local(said)), room, cut="middle")
        self.write(joined(word, Content.styled(f" {shown} ", "$text bold"), badge))


def environment_words(environment: Environment) -> Content:
    """Return what kind of database it is."""
    colours = f"$env-{environment.tone}-fg on $env-{environment.tone}-bg bold"
    return Content.styled(f" {visible(environment.word)} ", colours)


def address(standing: Standing, room: int) -> str:
    """Return `user@host:port/database` in `room` cells: the host gives way first, then the user, the database last."""
    target, server = standing.target, standing.server
    if target is None:
        return ""
    user = visible(server.user if server else target.user)
    host = visible(server.host if server else target.host)
    port = server.port if server else target.port
    database = visible(server.database if server else target.database)
    if host.startswith("/"):
        host = "[local]"
    host = _shortened(host, cell_len(f"{user}@{host}:{port}/{database}") - room, 8)
    user = _shortened(user, cell_len(f"{user}@{host}:{port}/{database}") - room, 6)
    return fit(f"{user}@{host}:{port}/{database}", room, cut="start")


def _shortened(text: str, by: int, least: int) -> str:
    """Return `text` shorter by so many cells, in its middle, but not below `least`."""
    width = cell_len(text)
    return fit(text, max(least, width - by), cut="middle") if by > 0 and width > least else text
