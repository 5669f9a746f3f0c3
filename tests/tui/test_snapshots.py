"""Each screen as it is: at 80x24 and 120x40, in every theme."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any, Final

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.screen import Screen

from changeover.core.connect import WaitCutter
from changeover.core.errors import Fault
from changeover.core.events import Event
from changeover.core.history import AppliedMigration, History
from changeover.core.inspection import Activity, Comments
from changeover.core.migration import Checksums, Folder
from changeover.core.repair import Case, Remedy
from changeover.core.session_log import SessionSummary
from changeover.core.settings import Settings
from changeover.core.setup import next_question
from changeover.core.setup_offers import Offer
from changeover.core.setup_questions import Answers, Ask, Question
from changeover.core.status import MigrationStatus, State
from changeover.core.survey import Survey
from changeover.core.target import Choice
from changeover.core.view import RunView, view_of
from changeover.tui import screens
from changeover.tui.listing import activity_listing, history_listing, schema_listing
from changeover.tui.screens import connect
from changeover.tui.screens.allow import AllowScreen
from changeover.tui.screens.confirm import ConfirmScreen
from changeover.tui.screens.connect import ConnectScreen
from changeover.tui.screens.dangers import DangersScreen
from changeover.tui.screens.details import DetailsScreen
from changeover.tui.screens.end_blocker import EndBlocker
from changeover.tui.screens.first import FirstScreen
from changeover.tui.screens.inspect import InspectScreen
from changeover.tui.screens.lists import ListScreen, WholeScreen
from changeover.tui.screens.log import LogScreen
from changeover.tui.screens.overview import WorkScreen
from changeover.tui.screens.precheck import PlanScreen
from changeover.tui.screens.question import Choice as Answer
from changeover.tui.screens.question import Question as Asked
from changeover.tui.screens.receipt import ReceiptScreen
from changeover.tui.screens.repair import RepairScreen
from changeover.tui.screens.replay import ReplayScreen
from changeover.tui.screens.run import RunScreen
from changeover.tui.screens.sessions import SessionsScreen
from changeover.tui.screens.setup import ChoiceScreen, OffersScreen, QuestionScreen, WriteScreen
from changeover.tui.screens.sql import SqlScreen
from changeover.tui.widgets.banner import Standing
from tests.core.catalogs import catalog
from tests.tui.scenes import (
    APPLIES,
    BLOCKER,
    FAILS,
    FAULT,
    FOLDER,
    GIVES_WAY,
    HAZARD,
    MISSING,
    SERVER,
    SESSION,
    STANDING,
    TARGET,
    TWICE,
    WAITS,
    lines_of,
    plan,
    planned,
    recorded,
    stamped,
)
from tests.tui.showing import Shown, readable, text
from tests.tui.snapshot import compare, taken

# `esc` alone where letters are typed, and the help has a key of its own there
NAMED: Final = re.compile(r"(?=.*(?:[?]|F1) Help)(?=.* (?:q |esc |enter Overview))")
AT: Final = datetime(2026, 11, 23, 14, 3, 27, tzinfo=UTC)
READING: Final = Standing(target=TARGET, server=SERVER, read_only="read-only transaction")
CATALOG: Final = catalog(
    "CREATE TABLE donors (id integer PRIMARY KEY, email text NOT NULL);"
    "CREATE TABLE gifts (id integer, donor integer REFERENCES donors (id), amount numeric DEFAULT 0);"
)
HISTORY: Final = History(
    format="native",
    table="changeover.migration",
    exists=True,
    applied=(
        AppliedMigration(
            version="0001",
            name="complete_users",
            checksums=Checksums(exact="a" * 64, normalised="b" * 64),
            applied_at=AT,
            operator="ada@bastion",
            duration_ms=51,
            run="20261123T140327Z-orders-7f3a/run-1",
        ),
    ),
)
STATUSES: Final = (
    MigrationStatus(
        version="0001",
        name="complete_users",
        file="0001_complete_users.sql",
        state=State.APPLIED,
        applied_at=AT,
        operator="ada@bastion",
        duration_ms=51,
    ),
    MigrationStatus(version="0002", name="complete_donations", file="0002_complete_donations.sql", state=State.PENDING),
)
SURVEY: Final = Survey(
    server=SERVER,
    folder=Folder(format="native", path=Path("migrations"), migrations=()),
    history=HISTORY,
    catalog=CATALOG,
    statuses=STATUSES,
    plan=plan(hazard=True),
)
ACTIVITY: Final = (
    Activity(
        pid=4123,
        user="report",
        application="nightly report",
        kind="client backend",
        state="idle in transaction",
        xact_age=731.0,
        wait="Client:ClientRead",
        query="SELECT count(*) FROM donations",
        visible=True,
        blocked_by=(),
        locks=("AccessShareLock on public.donations",),
    ),
    Activity(
        pid=4188,
        user="web",
        application="donate",
        kind="client backend",
        state="active",
        xact_age=1.4,
        wait="Lock:relation",
        query="ALTER TABLE donations ADD COLUMN note text",
        visible=True,
        blocked_by=(4123,),
        locks=("waits for AccessExclusiveLock on public.donations",),
    ),
)
CASE: Final = Case(
    status=MigrationStatus(
        version="0003", name="index", file="0003_index.sql", state=State.PARTIAL, note="0 of 1 steps are done"
    ),
    file="0003_index.sql",
    undoing=False,
    steps=(),
    invalid=(),
    remedies=(Remedy.RESUME, Remedy.APPLIED, Remedy.NOT_APPLIED),
    safe=Remedy.RESUME,
    why="it can go on where it ended",
)
SUMMARIES: Final = tuple(
    SessionSummary(
        id=f"20261123T1403{number}Z-orders-7f3a",
        opened_at=AT.timestamp() - number * 60,
        command=command,
        target="deployer@db1.example:5432/donations",
        by="ada@bastion",
        result=result,
        exit_code=0,
        running=running,
    )
    for number, command, result, running in (
        (10, "changeover", None, True),
        (11, "changeover apply", "rolled_back", False),
        (12, "changeover revert", "reverted", False),
        (13, "changeover inspect", None, False),
    )
)


def _log() -> LogScreen:
    root = Path(mkdtemp())
    recorded(stamped(FAILS), root)
    return LogScreen(Standing(log=True, said=SESSION), SESSION, lines_of(root), goes_on=False, folder=root)


def _run(view: RunView) -> RunScreen[None]:
    return RunScreen(STANDING, view)


def _asked(ask: Ask, **said: Any) -> Question:
    earlier = frozenset(list(Ask)[: list(Ask).index(ask)])
    question = next_question(Answers(asked=earlier, **said), settings=Settings())
    assert question is not None
    return question


def _question(ask: Ask, **said: Any) -> QuestionScreen:
    question = _asked(ask, **said)
    screen_of = ChoiceScreen if question.words else QuestionScreen
    settled = () if ask is Ask.URL else (("host", "db1.example"), ("port", "5432"))
    return screen_of(Standing(), question, settled=settled, take=lambda _text: Answers())


async def _again() -> Any:
    raise AssertionError


def _waiting() -> RunView:
    return view_of(list(stamped(WAITS)))


SCENES: Final[dict[str, Callable[[], Screen[Any]]]] = {
    "set-up-offers": lambda: OffersScreen(
        (
            Offer(label="DATABASE_URL", choice=Choice(said_by="DATABASE_URL"), target=TARGET),
            Offer(label="service old", choice=Choice(said_by="service old"), target=None, fault=FAULT),
        ),
        Fault(id="target", summary="DATABASE_URL is not set.", advice="Choose one here."),
    ),
    "set-up-url": lambda: _question(Ask.URL),
    "set-up-question": lambda: _question(Ask.PORT),
    "set-up-tls": lambda: _question(Ask.SSLMODE, host="db1.example"),
    "set-up-environment": lambda: _question(Ask.ENVIRONMENT),
    "set-up-end": lambda: WriteScreen(
        STANDING, file=Path("config/targets.toml"), text='[targets."shop"]\nprotected = true\n', target=TARGET
    ),
    "connect-failed": lambda: ConnectScreen(STANDING, cut=WaitCutter(), target=TARGET),
    "first": lambda: FirstScreen(STANDING, stage="connect"),
    "overview": lambda: WorkScreen(STANDING),
    "inspect": lambda: InspectScreen(READING),
    "inspect-schema": lambda: ListScreen(
        READING, schema_listing(CATALOG, Comments(of_columns={}, of_constraints={})), _again
    ),
    "inspect-table": lambda: WholeScreen(
        READING, "schema", schema_listing(CATALOG, Comments(of_columns={}, of_constraints={})).lines[1].whole()
    ),
    "inspect-history": lambda: ListScreen(READING, history_listing(HISTORY), _again),
    "inspect-activity": lambda: ListScreen(READING, activity_listing(ACTIVITY, AT), _again),
    "pre-check": lambda: PlanScreen(STANDING, plan(hazard=True)),
    "pre-check-dangers": lambda: DangersScreen(STANDING, plan(MISSING, hazard=True)),
    "pre-check-row": lambda: DetailsScreen(STANDING, plan(hazard=True), plan().rows[1], None),
    "allow": lambda: AllowScreen(STANDING, plan(HAZARD, hazard=True, allowed=False)),
    "confirm-typed": lambda: ConfirmScreen(STANDING, plan(hazard=True), SERVER, by="ada", typed=True),
    "confirm": lambda: ConfirmScreen(STANDING, plan(), SERVER, by="ada", typed=False),
    "run-waits": lambda: _run(_waiting()),
    "run-gives-way": lambda: _run(view_of(list(stamped(GIVES_WAY)))),
    "run-failed": lambda: _run(view_of(list(stamped(FAILS)))),
    "receipt": lambda: ReceiptScreen(STANDING, view_of(list(stamped(APPLIES))), FOLDER),
    "receipt-failed": lambda: ReceiptScreen(STANDING, view_of(list(stamped(FAILS))), FOLDER),
    "repair": lambda: RepairScreen(STANDING, (CASE,)),
    "sessions": lambda: SessionsScreen(STANDING, SUMMARIES),
    "log": _log,
    "log-searched": _log,
    "replay": lambda: ReplayScreen(Standing(replay=True), stamped(FAILS, step=60.0)),
    "question": lambda: Asked(
        "Stop this run?",
        (
            Answer(key="n", answer="stay", label="No, let it go on"),
            Answer(key="x", answer="now", label="Stop now", effect="cancels the statement; the migration rolls back"),
        ),
    ),
    "end-blocker": lambda: EndBlocker(
        (
            replace(BLOCKER, endable=True),
            replace(BLOCKER, pid=4127, endable=True),
            replace(BLOCKER, pid=4131, endable=True, state="idle in transaction"),
            replace(BLOCKER, pid=4135, why_not="a superuser's connection is never ended"),
        ),
        cancelled=frozenset({4127}),
    ),
    "migration": lambda: SqlScreen(STANDING, planned().migration),
    "help": lambda: WorkScreen(STANDING),
    "commands": lambda: InspectScreen(READING),
}


async def dress(name: str, screen: Any, pilot: Pilot[int], survey: Survey = SURVEY) -> None:
    """Bring a shown screen to where its scene has it."""
    if isinstance(screen, (WorkScreen, InspectScreen)):
        screen.show(survey)
        screen.show_sessions(SUMMARIES[:3])
    if isinstance(screen, ConnectScreen):
        screen.fail(FAULT)
    if isinstance(screen, ConfirmScreen):
        screen._arm()
    if isinstance(screen, ReplayScreen):
        await pilot.press("E")
    if type(screen) is RunScreen:
        now = stamped(WAITS)[-1].at + 3
        screen.paint(now)
        # painted again after each change of size: panels have other heights
        screen.set_interval(0.02, lambda: screen.paint(now))
    if name == "log-searched":
        await pilot.press("f", *"table", "enter")
        await pilot.app.workers.wait_for_complete()
    if name == "help":
        await pilot.press("question_mark")
    if name == "commands":
        await pilot.press("ctrl+p")
    await readable(pilot)
    await pilot.pause()


@pytest.mark.parametrize("name", SCENES)
async def test_the_screen_is_as_it_was_approved(name: str, shown: Shown) -> None:
    screen: Any = SCENES[name]()
    async with shown(screen) as pilot:
        await dress(name, screen, pilot)
        picture = await taken(pilot)
        if name not in {"question", "help", "commands", "end-blocker"}:
            assert NAMED.search(picture.splitlines()[24]), "at 80 columns the last row names help and the way out"
        compare(name, picture)
        for width, height in ((60, 16), (200, 50)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            assert cut_words(text(pilot), width) == []


# An address, how far it is, and what has become of it when the clock stands.
CONNECTING: Final[dict[str, tuple[Event, ...]]] = {
    "connect-tries": TWICE[:1],
    "connect-waits": TWICE,
}


@pytest.mark.parametrize("name", CONNECTING)
async def test_connecting_is_as_it_was_approved(name: str, shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = stamped(CONNECTING[name])
    screen = ConnectScreen(Standing(target=TARGET), cut=WaitCutter(), target=TARGET)
    monkeypatch.setattr(connect, "time", SimpleNamespace(time=lambda: attempts[-1].at + 3.2))
    async with shown(screen) as pilot:
        screen.follow(view_of(list(attempts)))
        await pilot.pause()
        picture = await taken(pilot)
        compare(name, picture)
    assert {"connect-tries": "trying for 3 s", "connect-waits": "attempt 3 of 4 in 5 s"}[name] in picture


def cut_words(seen: str, width: int) -> list[str]:
    """Return the lines that end in the middle of a word: the last column is left free, or says `…`.

    But for the last row, which has only whole hints.
    """
    return [line for line in seen.splitlines()[:-1] if cell_len(line) >= width and line[-1].isalnum()]


def test_every_screen_has_a_scene() -> None:
    """Or is one of these: a base of others, or the same with other keys."""
    alike = {"Stage", "Asking", "OverviewScreen", "PrecheckScreen", "LiveRunScreen", "ReadingListScreen", "LeftOnce"}
    alike |= {"FollowedReceiptScreen", "AttachedReceiptScreen"}
    over = {"Help", "Commands", "Over"}
    shown = {type(scene()).__name__ for scene in SCENES.values()}
    there = {
        name
        for module in pkgutil.iter_modules(screens.__path__)
        for name, each in vars(importlib.import_module(f"{screens.__name__}.{module.name}")).items()
        if isinstance(each, type) and issubclass(each, Screen) and each.__module__.startswith(screens.__name__)
    }
    assert there - alike - over == shown
