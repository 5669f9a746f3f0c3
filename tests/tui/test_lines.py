"""One plain line per event: nothing foreign can act on a terminal, and every event has its words."""

from __future__ import annotations

import io
import types
import typing
from enum import Enum
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import fields, replace

from changeover.core.errors import Fault
from changeover.core.events import (
    EVENTS,
    AttemptFailed,
    AttemptStarted,
    Backend,
    Connected,
    Event,
    LocksSeen,
    MigrationBrief,
    MigrationRolledBack,
    PlanConfirmed,
    ServerFacts,
    StatementBrief,
    StatementFailed,
    StatementFinished,
    StatementStarted,
    StatementState,
)
from changeover.tui.fault_lines import fault_lines
from changeover.tui.lines import LinePrinter, line, steps_of

HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e[/bold]\r\n\u200b"
SERVER = ServerFacts(
    version="18.1", version_num=180001, database="shop", user="deployer", host="db", port=5432, system_identifier="1",
    timeline=1, in_recovery=False, tls=True, pooled=False, superuser=False, read_only=False,
)  # fmt: skip
BRIEF = MigrationBrief(
    version="0002",
    name="add_note",
    file="0002_add_note.sql",
    entry="migration",
    transactional=True,
    statements=(
        StatementBrief(
            number=1, line=1, column=1, kind="ALTER TABLE", sql="ALTER TABLE a\n  ADD b int", decision="run", reason=""
        ),
        StatementBrief(
            number=2, line=4, column=1, kind="ALTER TABLE", sql="ALTER", decision="defer", reason="no table sessions"
        ),
    ),
)


def filled(kind: Any) -> Any:
    """Return a value of a type in which every text is hostile."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return filled(args[0])
    if origin is tuple:
        return (filled(args[0]),)
    if origin is dict:
        return {filled(args[0]): filled(args[1])}
    if isinstance(kind, type) and issubclass(kind, Struct):
        hints = typing.get_type_hints(kind)
        return kind(**{field.name: filled(hints[field.name]) for field in fields(kind)})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return list(kind)[-1]
    values: dict[Any, Any] = {str: HOSTILE, int: 2, float: 1.5, bool: True}
    return values[kind]


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_has_a_line_in_which_nothing_can_act(name: str) -> None:
    event = filled(EVENTS[name])
    for steps in ({}, steps_of((filled(MigrationBrief),))):
        text = line(event, steps)
        assert text is None or text.isprintable()


def test_connection_attempts_say_reason_and_countdown() -> None:
    started = AttemptStarted(number=1, of=4, address="db:5432", deadline=30.0)
    failed = AttemptFailed(
        number=1, of=4, fault=Fault(id="connect", summary="db:5432 refused the connection."), elapsed=0.003, wait=2.0
    )
    assert line(started) == "connecting to db:5432, attempt 1 of 4, at most 30.0 s"
    assert line(failed) == (
        "attempt 1 of 4 failed after 3 ms: db:5432 refused the connection. attempt 2 of 4, next in 2.0 s"
    )
    assert line(Connected(purpose="look", attempts=2, elapsed=2.1, server=SERVER)) == (
        "connected (look) in 2.1 s after 2 attempts: deployer@db:5432/shop, PostgreSQL 18.1, TLS"
    )


def test_statements_say_which_of_how_many() -> None:
    steps = steps_of((BRIEF,))
    assert line(StatementStarted(version="0002", number=1), steps) == "0002 1/2 ALTER TABLE a ADD b int"
    done = StatementFinished(version="0002", number=1, state=StatementState.DONE, tag="ALTER TABLE", elapsed=0.012)
    assert line(done, steps) == "0002 1/2 done in 12 ms: ALTER TABLE"
    assert line(StatementStarted(version="0002", number=2), steps) is None
    deferred = StatementFinished(version="0002", number=2, state=StatementState.DEFERRED, tag="", elapsed=0.0)
    assert line(deferred, steps) == "0002 2/2 ALTER TABLE deferred: no table sessions"


def test_a_failure_says_place_words_and_sqlstate() -> None:
    fault = Fault(
        id="server", summary="relation does not exist", advice="Create it.", sqlstate="42P01", detail="d", hint="h",
        file="0002_add_note.sql", line=3, column=7,
    )  # fmt: skip
    failed = StatementFailed(version="0002", number=1, fault=fault, elapsed=0.1)
    assert line(failed, steps_of((BRIEF,))) == (
        "0002 1/2 ALTER TABLE FAILED after 100 ms: 0002_add_note.sql:3:7: relation does not exist (SQLSTATE 42P01)"
    )
    assert fault_lines(fault) == [
        "0002_add_note.sql:3:7: relation does not exist",
        "  detail: d",
        "  hint: h",
        "  Create it.",
        "  SQLSTATE 42P01",
    ]


BLOCKER = Backend(
    pid=77, user="app", application="report", kind="client backend", state="idle in transaction", xact_age=65.0,
    wait=None, query="SELECT 1", blocked_by=(),
)  # fmt: skip


def test_blockers_are_named_and_a_retry_says_when() -> None:
    rolled_back = MigrationRolledBack(
        version="0002",
        attempt=1,
        fault=Fault(id="server", summary="canceling statement due to lock timeout", sqlstate="55P03"),
        blockers=(BLOCKER,),
        wait=1.5,
    )
    text = line(rolled_back)
    assert text is not None
    assert "blocked by pid 77 (app report, idle in transaction, transaction 1 min old)" in text
    assert text.endswith("again in 1.5 s")


def printed(*events: Event) -> list[str]:
    stream = io.StringIO()
    printer = LinePrinter(stream)
    for event in events:
        printer(event)
    return stream.getvalue().splitlines()


def test_the_printer_says_the_same_look_at_locks_once() -> None:
    look = LocksSeen(
        version="0002", waiting_for="ACCESS EXCLUSIVE on donations", waited=0.5, blockers=(BLOCKER,), waiters=()
    )
    again = replace(look, waited=1.0)
    other = replace(look, waited=1.5, waiters=(BLOCKER,))
    nothing = LocksSeen(version="0002", waiting_for=None, waited=0.0, blockers=(), waiters=())
    assert len(printed(nothing, look, again, other)) == 2


def test_the_printer_knows_the_statements_once_the_plan_is_confirmed() -> None:
    confirmed = PlanConfirmed(digest="d" * 64, server=SERVER, migrations=(BRIEF,))
    assert printed(confirmed, StatementStarted(version="0002", number=1))[1] == "0002 1/2 ALTER TABLE a ADD b int"


def test_a_reader_that_has_gone_ends_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    LinePrinter(Gone()).say("anything")
