"""How long a command takes from its start to its exit, and the console to its first full frame."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from tests.benchmarks.peers import Changeover, named
from tests.benchmarks.place import Place, environment
from tests.benchmarks.throughput import many
from tests.benchmarks.timing import Found, Measure, interleaved, timed
from tests.tui.pty_terminal import Terminal

PART = "start"
_EMPTY = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static("the first frame")
Empty().run()
"""


def run(place: Place, found: Found, *, runs: int, quick: bool) -> None:
    """Measure the quick commands, a status beside its peers, and the first frame beside an empty app's."""
    program = str(Changeover.program)
    ours, alembic = Changeover(), named("alembic")
    folders = {peer.name: place.work / f"start-{peer.name}" for peer in (ours, alembic)}
    for peer in (ours, alembic):
        shutil.rmtree(folders[peer.name], ignore_errors=True)
        folders[peer.name].mkdir()
        peer.write(folders[peer.name], many(20))
    with place.database() as database:
        ours.apply(place, database, folders["changeover"])
        env = environment(place, BENCH_URL=place.url(database), DATABASE_URL=place.url(database))

        def command(*words: str, who: str = "changeover") -> Measure:
            def once() -> float | None:
                done = timed(words, env=env, cwd=folders[who])
                return done.wall if done.code == 0 else None

            return once

        nothing = command(sys.executable, "-c", "pass")
        for word in ("--version", "--help"):
            measures = {f"changeover {word}": command(program, word), "python -c pass": nothing}
            interleaved(found, PART, word, measures, runs=runs)
        status = {"changeover status": command(program, "status", "--migrations", str(folders["changeover"]))}
        if alembic.is_here():
            alembic.apply(place, database, folders["alembic"])
            status["alembic current"] = command(str(alembic.program), "current", who="alembic")
        interleaved(found, PART, "status, 20 migrations applied", status, runs=runs)
        frames: dict[str, Measure] = {
            "changeover console": lambda: _frame(
                [program, "--migrations", str(folders["changeover"])], "Quit", env, place.work
            ),
            "empty Textual app": lambda: _frame([sys.executable, "-c", _EMPTY], "the first frame", env, place.work),
        }
        interleaved(found, PART, "first full frame, 80x24", frames, runs=runs)


def _frame(words: list[str], wanted: str, env: dict[str, str], folder: Path) -> float:
    began = time.perf_counter()
    with Terminal(words, environ=env, cwd=folder) as terminal:
        terminal.shows(wanted)
        return time.perf_counter() - began
