"""Stop means stopped, also where the word to stop overtakes the statement that it is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.events import Event, Result, RunFinished, Settled, StopConfirmed
from changeover.core.runner import Runner
from changeover.core.target import Target
from tests.faults.ledger import opened
from tests.faults.proxy import Message, Way, proxied

STATEMENT = b"SELECT pg_sleep(60)"


async def test_a_cancellation_that_overtakes_the_statement_is_sent_again(database: Target, tmp_path: Path) -> None:
    async with opened(database, tmp_path / "ledger") as ledger:
        await ledger.clear()
        ledger.write({"0001_one.sql": f"CREATE TABLE one (n int);\n{STATEMENT.decode()};"})
        approval = await ledger.approve()
        assert approval is not None

        def judge(message: Message) -> Way:
            if message.query != STATEMENT:
                return Way.PASS
            ledger.stop_now()
            return Way.LATE

        async with proxied(database, judge) as (_, through):
            done = await ledger.run(approval, through=through)
        assert (done.end.result, done.end.exit_code) == (Result.STOPPED, 7)
        assert done.of(StopConfirmed)
        assert not done.of(Settled), "the server acknowledged the rollback itself"
        assert await ledger.left() == []
        assert (await ledger.state()).history == ()


async def test_a_run_that_is_told_to_stop_when_it_has_ended_keeps_its_end_as_the_last_of_its_log(
    database: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database, tmp_path / "ledger") as ledger:
        await ledger.clear()
        approval = await ledger.approve()
        assert approval is not None
        emit = Runner._emit

        def emitting(runner: Runner, event: Event) -> None:
            emit(runner, event)
            if isinstance(event, RunFinished):
                ledger.stop_now()

        monkeypatch.setattr(Runner, "_emit", emitting)
        done = await ledger.run(approval)
        assert done.end.result is Result.APPLIED
