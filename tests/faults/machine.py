"""A state machine: whatever is done to files, runs, links and server, in whatever order, the invariants hold.

See "Engine invariants" in the design's reference on reliability; here are those that a database can be asked about.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from changeover.core.errors import ChangeoverError
from changeover.core.events import MigrationApplied, Result
from changeover.core.plan import Approval
from tests.faults.doomed import Doomed
from tests.faults.ledger import Ledger, opened
from tests.faults.proxy import Message, Side, Way, proxied
from tests.runs import Finished

T = TypeVar("T")

CUTS = st.sampled_from([Way.DROP, Way.MUTE, Way.RESET, Way.HALF])


class Machine(RuleBasedStateMachine):
    """The model is the list of files; which of them are in force, the database says."""

    # what every machine of a test works on, and where; given by the test
    server: ClassVar[Doomed]
    folder: ClassVar[Path]
    _numbers: ClassVar[Iterator[int]] = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.Runner()
        self._stack = contextlib.AsyncExitStack()
        folder = self.folder / f"machine-{next(self._numbers)}"
        self._ledger: Ledger = self._do(self._stack.enter_async_context(opened(self.server.target, folder)))
        self._do(self._ledger.clear())
        self._files = 0
        self._edited: dict[str, bytes] = {}
        # versions that a run has said to be applied
        self._said: list[str] = []
        for path in self._folder.iterdir():
            path.unlink()
        self._add()

    @property
    def _folder(self) -> Path:
        return self._ledger.folder / "migrations"

    @rule()
    def add_file(self) -> None:
        self._add()

    @rule()
    def edit_an_applied_file(self) -> None:
        for version in self._history()[:1]:
            path = self._folder / f"{version}_file.sql"
            self._edited.setdefault(version, path.read_bytes())
            path.write_bytes(path.read_bytes() + b"-- edited\n")

    # no precondition: whether something was edited hangs on how far earlier runs came, and rules are drawn beforehand
    @rule()
    def take_the_edit_back(self) -> None:
        for version, content in self._edited.items():
            (self._folder / f"{version}_file.sql").write_bytes(content)
        self._edited.clear()

    @rule()
    def apply(self) -> None:
        approval = self._approval()
        if approval is not None:
            done = self._do(self._ledger.run(approval))
            self._heard(done)
            assert done.end.result is Result.APPLIED, done.end

    @rule(
        link=st.sampled_from(["guard 1", "look 1", "watch 1", "migration 1", "migration 2"]),
        side=st.sampled_from(Side),
        number=st.integers(0, 70),
        way=CUTS,
    )
    def apply_over_a_link_that_is_cut(self, link: str, side: Side, number: int, way: Way) -> None:
        approval = self._approval()
        if approval is None:
            return
        cut = False

        def judge(message: Message) -> Way:
            nonlocal cut
            if not cut and (message.link, message.side, message.number) == (link, side, number):
                cut = True
                return way
            return Way.PASS

        async def run() -> Finished:
            async with proxied(self._ledger.target, judge) as (_, through):
                return await self._ledger.run(approval, through=through)

        self._heard(self._do(run()))

    @rule(after=st.floats(0.0, 0.5))
    def apply_while_the_server_restarts(self, after: float) -> None:
        approval = self._approval()
        if approval is None:
            return

        async def run() -> Finished:
            running = asyncio.create_task(self._ledger.run(approval))
            await asyncio.sleep(after)
            await asyncio.to_thread(self.server.restart)
            done = await running
            await self._ledger.reconnect()
            return done

        self._heard(self._do(run()))

    @rule()
    def two_runs_at_once(self) -> None:
        approval = self._approval()
        if approval is None:
            return

        async def run() -> tuple[Finished, Finished]:
            return await asyncio.gather(self._ledger.run(approval), self._ledger.run(approval))

        both = self._do(run())
        for done in both:
            self._heard(done)
        results = sorted(done.end.result for done in both)
        assert results == [Result.APPLIED, Result.REFUSED], [done.end for done in both]

    @rule(after=st.floats(0.0, 0.5))
    def stop_a_run(self, after: float) -> None:
        approval = self._approval()
        if approval is not None:
            self._heard(self._do(self._ledger.run(approval, stopped_after=after)))

    @invariant()
    def history_and_effects_agree(self) -> None:
        rows = self._do(self._ledger.fetch("SELECT n, count(*) AS times FROM effect GROUP BY n ORDER BY n"))
        assert all(row["times"] == 1 for row in rows), f"done twice: {rows}"
        assert [f"{row['n']:04}" for row in rows] == self._history()

    @invariant()
    def what_was_said_to_be_applied_is_in_the_history(self) -> None:
        assert len(self._said) == len(set(self._said))
        assert sorted(self._said) == self._history()

    @invariant()
    def nothing_of_ours_is_left_on_the_server(self) -> None:
        assert not self._do(self._ledger.left())

    def teardown(self) -> None:
        with contextlib.suppress(OSError):
            self._do(self._stack.aclose())
        self._loop.close()

    def _add(self) -> None:
        self._files += 1
        (self._folder / f"{self._files:04}_file.sql").write_text(f"INSERT INTO effect VALUES ({self._files});\n")

    def _approval(self) -> Approval | None:
        try:
            return self._do(self._ledger.approve())
        except ChangeoverError:
            assert self._edited, "a plan was refused though no file was edited"
            return None

    def _history(self) -> list[str]:
        there = self._do(self._ledger.fetch("SELECT to_regclass('changeover.migration') IS NOT NULL AS it"))
        if not there[0]["it"]:
            return []
        rows = self._do(self._ledger.fetch("SELECT version FROM changeover.migration ORDER BY 1"))
        return [row["version"] for row in rows]

    def _heard(self, done: Finished) -> None:
        assert done.end.result is not Result.IN_DOUBT, done.end
        assert done.end.exit_code != 1, done.end
        self._said += [event.version for event in done.of(MigrationApplied)]

    def _do(self, awaitable: Awaitable[T]) -> T:
        async def whole() -> T:
            return await awaitable

        return self._loop.run(whole())
