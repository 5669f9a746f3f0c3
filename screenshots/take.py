"""Takes the pictures of the README: the real console on the running demo, driven through all of its screens.

    make screenshots

Nothing here is drawn. Each picture is taken when the screen says what it has to show, however long that takes; the
run is begun again until its migration waits behind the report with the application behind it. The pictures are
written at the end, all of them or none.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Final

from msgspec.structs import replace
from stand import HOME, OURS, PICTURES, USUAL, WIDE, NotSeenError, Stand, console, private_home, settings_of, tell

from changeover.core.attach import running_runs
from changeover.core.connect import Connector
from changeover.core.demo import SAID, Demo, running
from changeover.core.demo_traffic import REPORT
from changeover.core.directories import data_root
from changeover.core.settings import Flags, Settings, load
from changeover.core.target import Target, choose, resolve
from changeover.tui.opening import Mode

# The report begins again after so many seconds.
_CYCLE: Final = 11.0
# How long before the report each run is begun, until one of them was seen to wait: what a runner takes to come to its
# second migration depends on the machine. Seconds; 0 is right after the report has begun.
_LEADS: Final = (0.0, 2.5, 4.0, 1.0, 6.0)
# Beside the demo's own: one that nobody should run as it is, and one that stops half-way.
_MORE: Final = {
    "0009_index_donations_by_time.sql": "CREATE INDEX donations_created_at ON donations (created_at);\n",
    "0010_half.sql": "-- changeover: transaction=off\nCREATE TABLE half (id int);\nSELECT 1 / 0;\n",
}


async def set_up(album: dict[str, str], demo: Demo, settings: Settings) -> None:
    """Begin without a target; a service file offers one."""
    host, port = demo.target.host, demo.target.port
    service = f"[donations]\nhost={host}\nport={port}\ndbname={demo.target.database}\nuser={demo.target.user}\n"
    (HOME / ".pg_service.conf").write_text(service)
    async with console(album, Mode.SETUP, None, settings=settings) as stand:
        await stand.shows("SET-UP", "service donations", "another one")
        stand.take("setup")
        await stand.press("enter")
        await stand.until(lambda: "another one" not in stand.text, "a question")
        stand.take("setup-question")


async def connect(album: dict[str, str]) -> None:
    """Try a port that refuses, up to the wait before the last attempt."""
    with _refusing() as port:
        url = f"postgresql://deployer@127.0.0.1:{port}/donations?sslmode=disable"
        (HOME / "changeover.toml").write_text(f'[targets.staging]\nurl = "{url}"\nenvironment = "staging"\n')
        settings = load(start=HOME, environ=os.environ, flags=Flags())
        target = resolve(choose("staging", environ=os.environ, named=settings.targets), environ=os.environ, home=HOME)
        async with console(album, Mode.CONSOLE, target, settings=settings, sets_out=False) as stand:
            await stand.shows("target staging, from ")
            stand.take("first")
        async with console(album, Mode.CONSOLE, target, settings=settings) as stand:
            await stand.shows("attempt 4 of 4 in 3 s")
            stand.take("connect")
            await stand.press("g")
            await stand.shows("t tries again")
            await stand.press("e")
            await stand.shows("Host name")
            await stand.press("escape")
            await stand.shows("Connection URL")
            await stand.press(*"postgresql", "colon", "slash", "slash", *"deployer", "colon", *"secret", "at", *"db")
            stand.take("edit-target")
            await stand.press("escape")
            await stand.shows("t tries again", within=120)
            await stand.press("q")


async def run(album: dict[str, str], name: str, size: tuple[int, int], settings: Settings) -> None:
    """Run the demo's migrations from the beginning, until one of the runs was seen to wait; with a receipt."""
    usual = size == USUAL
    settings = replace(settings, targets={SAID.name: SAID})
    for lead in _LEADS:
        async with running(data_root(), reset=True) as demo:
            async with console(album, Mode.DEMO, demo.target, settings=settings, size=size, demo=demo) as stand:
                await _to_the_confirmation(stand, pictures=usual)
                await _report_begins(demo.target)
                await asyncio.sleep(_CYCLE - lead if lead else 0.0)
                await stand.press("y")
                seen = await _sees_the_wait(stand, name)
                if seen and usual:
                    await _attach(album, settings, demo.target)
                    await stand.press("x")
                    await stand.shows("Stop this run?")
                    stand.take("stop")
                    await stand.press("escape")
                    await _ends_the_report(stand)
                await stand.shows("RECEIPT", "enter Overview", within=120)
                if seen and usual:
                    await _after_the_run(stand)
            if seen and usual:
                await _inspect(album, demo, settings)
            if seen:
                return
        tell("  the run did not have to wait; once more")
    raise NotSeenError(f"No migration of {len(_LEADS)} runs waited for the report with the application behind it.")


async def _to_the_confirmation(stand: Stand, *, pictures: bool) -> None:
    await stand.shows("OVERVIEW", "8 pending", "Last sessions")
    await _take(stand, "overview", pictures)
    await stand.press("question_mark")
    await stand.shows("Keys: overview", "Words")
    await _take(stand, "help", pictures)
    await stand.press("escape", "ctrl+p")
    await stand.shows("what would run, object by object")
    await _take(stand, "commands", pictures)
    await stand.press("escape", "v")
    await stand.shows("MIGRATION", "0001_complete_users.sql")
    await _take(stand, "migration", pictures)
    await stand.press("escape")
    await stand.shows("OVERVIEW")
    await stand.press("p")
    await stand.shows("PRE-CHECK", "ready")
    await stand.press("enter")
    await stand.shows("severe rewrite-type-change", "esc Back")
    await _take(stand, "dangers", pictures)
    await stand.press("escape")
    await stand.shows("PRE-CHECK", "ready")
    # from what endangers the plan to a row: a column that is converted
    await stand.press("down")
    while " different" not in stand.chosen_row:
        before = stand.chosen_row
        await stand.press("down")
        await stand.until(lambda: stand.chosen_row != before, "another chosen row")  # noqa: B023 - awaited right here
    await _take(stand, "precheck", pictures)
    await stand.press("enter")
    await stand.shows("expected", "found", "locks")
    await _take(stand, "precheck-row", pictures)
    await stand.press("escape")
    await stand.shows("PRE-CHECK", "ready")
    await stand.press("c")
    await stand.shows("CONFIRM", "Yes, run it")
    # it listens once it could be read, and then has the focus somewhere
    await stand.until(lambda: stand.pilot.app.focused is not None, "a confirmation that listens")
    await _take(stand, "confirm", pictures)


async def _take(stand: Stand, name: str, wanted: bool) -> None:
    if wanted:
        await stand.pilot.pause()
        stand.take(name)


async def _report_begins(target: Target) -> None:
    """Wait until the report has just opened its transaction, so that the run meets it."""
    connector = Connector(target, settings_of(None).retry, emit=lambda _: None)
    connection = await connector("look")
    asked = (
        "SELECT FROM pg_catalog.pg_stat_activity WHERE application_name = $1"
        " AND clock_timestamp() - xact_start < interval '1 second'"
    )
    while not await connection.fetch(asked, REPORT):  # noqa: ASYNC110 - the server has no event to wait for
        await asyncio.sleep(0.05)
    await connector.close()


async def _sees_the_wait(stand: Stand, name: str) -> bool:
    """Take the picture when the second attempt has waited for a second, with the application behind it.

    False if the run ended without that.
    """
    wanted = (r"attempt 2 of", r"waits for", rf"held by .*{REPORT}", r"behind us .*waits 1\.\d s")
    while "RECEIPT" not in stand.text:
        text = stand.text
        if all(re.search(each, text) for each in wanted):
            stand.take(name)
            return True
        await stand.pilot.pause(0.05)
    return False


async def _attach(album: dict[str, str], settings: Settings, target: Target) -> None:
    """Follow the run from another console, as somebody who has logged in again does."""
    async with console(album, Mode.ATTACH, None, settings=settings, attach=running_runs()[0], about=target) as other:
        await other.shows("RUN", "0002")
        await other.pilot.pause(0.3)
        other.take("attach")
        await other.press("q")
        await other.shows("A run is going on.")
        await other.press("l")


async def _ends_the_report(stand: Stand) -> None:
    """Ask who of those in the way should be ended, and leave them alone."""
    await stand.press("K")
    await stand.shows("End who blocks this run?", REPORT)
    stand.take("end-blocker")
    await stand.press("escape")


async def _after_the_run(stand: Stand) -> None:
    stand.take("receipt")
    await stand.press("enter")
    await stand.shows("OVERVIEW", "nothing pending")
    await stand.press("L")
    await stand.shows("SESSIONS", "sessions")
    stand.take("sessions")
    # the newest is the one that was attached
    while " demo " not in stand.chosen_row:
        await stand.press("down")
        await stand.pilot.pause(0.1)
    await stand.press("l")
    await stand.shows("LOG", "lines")
    await stand.press("slash", *"0002")
    await stand.shows("filter: 0002")
    # every line was asked before the next error among them is looked for
    await stand.until(lambda: "looked at" not in stand.text, "a filter that is through")
    await stand.press("enter", "f", *"failed after")
    await stand.shows("find: failed after")
    await stand.press("enter")
    await stand.until(lambda: "FAILED after" in stand.chosen_row, "the line that was looked for")
    stand.take("log")
    while "SESSIONS" not in stand.text:
        await stand.press("escape")
        await stand.pilot.pause()
    await stand.press("R")
    await stand.shows("REPLAY", "running", "0002")
    await stand.press("E")
    await stand.shows("Paused at")
    stand.take("replay")
    await stand.press("q")
    await stand.shows("SESSIONS")
    await stand.press("q")
    await stand.shows("OVERVIEW")


async def _inspect(album: dict[str, str], demo: Demo, settings: Settings) -> None:
    async with console(album, Mode.INSPECT, demo.target, settings=settings) as stand:
        await stand.shows("READ-ONLY", "nothing pending", "Last sessions", " demo ")
        # the table begins at its first row, and is scrolled to the chosen one once its size is known
        await stand.until(lambda: "0008" in stand.chosen_row, "the newest migration")
        stand.take("inspect")
        await stand.press("2")
        await stand.shows("SCHEMA", "public.donations")
        stand.take("schema")
        await stand.press("3")
        await stand.shows("HISTORY", "operator@bastion")
        stand.take("history")
        await stand.press("4")
        await stand.shows("ACTIVITY", REPORT, "SELECT")
        stand.take("activity")
        await stand.press("escape")
        await stand.shows("OVERVIEW")


async def trouble(album: dict[str, str], settings: Settings) -> None:
    """On the demo as the run has left it: a severe hazard that wants a reason, and what stopped half-way."""
    assert settings.migrations is not None
    for name, sql in _MORE.items():
        (settings.migrations / name).write_text(sql)
    async with (
        running(data_root()) as demo,
        console(album, Mode.DEMO, demo.target, settings=settings, demo=demo) as stand,
    ):
        await stand.shows("OVERVIEW", "2 pending")
        await stand.press("p")
        await stand.shows("PRE-CHECK", "hazard")
        await stand.press("c")
        await stand.shows("Severe hazard")
        await stand.until(lambda: stand.pilot.app.focused is not None, "a question that listens")
        await stand.press(*"the table is small")
        stand.take("allow")
        await stand.press("enter")
        await stand.shows("CONFIRM", "Yes, run it")
        await stand.until(lambda: stand.pilot.app.focused is not None, "a confirmation that listens")
        await stand.press("y")
        await stand.shows("RECEIPT", "enter Overview", within=120)
        stand.take("receipt-partial")
        await stand.press("enter")
        await stand.shows("OVERVIEW", "partial")
        await stand.press("e")
        await stand.shows("REPAIR", "not-applied")
        stand.take("repair")
        await stand.press("q")


@contextmanager
def _refusing() -> Iterator[int]:
    """Hold a port at which nobody listens: one that looks like a port where PostgreSQL would be, if it is free."""
    with socket.socket() as held:
        try:
            held.bind(("127.0.0.1", 6432))
        except OSError:
            held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def main() -> None:
    """Take all pictures, then write them."""
    album: dict[str, str] = {}
    with private_home() as home:
        # a copy, because the installed folder is somewhere else on every machine
        folder = home / "migrations"
        with as_file(files("changeover.migrations")) as installed:
            shutil.copytree(installed, folder, ignore=shutil.ignore_patterns("__*"))
        settings = settings_of(folder)
        tell("Taking pictures of the running demo ...")
        async with running(data_root(), reset=True) as demo:
            await set_up(album, demo, settings)
            await connect(album)
        await run(album, "run-wide", WIDE, settings)
        await run(album, "run", USUAL, settings)
        await trouble(album, settings)
    for name, picture in album.items():
        for ours in OURS:
            if len(ours) > 1 and ours in picture:
                raise SystemExit(f"{name}.svg would show {ours}, which is of this machine.")
    for name, picture in album.items():
        (PICTURES / f"{name}.svg").write_text(picture)
    tell(f"{len(album)} pictures in {PICTURES.name}/")


if __name__ == "__main__":
    asyncio.run(main())
