"""The confirmation: what will run, where, as whom, with which limits, and what happens if this terminal closes.

Keys that arrive before the screen could be read do not count: on a slow link two presses of Enter travel in one packet.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from textwrap import wrap
from typing import ClassVar, Final

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Button, Input

from ...core.errors import PlanChanged, fault_of
from ...core.events import ServerFacts
from ...core.locks import LockMode
from ...core.plan import Approval, Plan, PlannedMigration
from ...core.precheck import Decision
from ..format import count, duration, numbered
from ..hazard_lines import allowed_words
from ..keys import bindings
from ..rehearsal_words import standing_words
from ..widgets.banner import Standing
from ..widgets.field import NameField
from ..widgets.paper import Paper
from ..widgets.text_scroll import AboveQuestion
from ..words import joined, stacked, words
from .stage import Asking

# Without a key, between the first paint and the first key that counts; seconds.
DEAD_TIME: Final = 0.4

# Letters beside the labels of the summary, on a terminal of 80 columns.
_LINE: Final = 66

POLICIES: Final[dict[str, str]] = {
    "finish": "the run finishes the migration in hand, then stops",
    "continue": "the run goes on to its end",
    "rollback": "the run rolls this migration back, then stops",
}


class ConfirmScreen(Asking[Approval | None]):
    """Ends in the approval of exactly this plan, or in None."""

    STAGE: ClassVar[str] = "confirm"
    AUTO_FOCUS: ClassVar[str | None] = None
    FOLDS: ClassVar[bool] = True
    COPIES: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = bindings("confirm", "above a question")

    def __init__(
        self,
        standing: Standing,
        plan: Plan,
        server: ServerFacts,
        *,
        by: str,
        typed: bool,
        allowed: dict[str, str] | None = None,
    ) -> None:
        super().__init__(standing)
        self._allowed = allowed or {}
        self._plan = plan
        self._server = server
        self._by = by
        self._typed = typed
        self._policy = "finish"
        self._armed = False
        self._quiet: Timer | None = None

    def body(self) -> Iterable[Widget]:
        """Return what will run, then the question."""
        with AboveQuestion(id="summary"):
            # at 24 lines everything has to be in sight, the question too
            taken = len(allowed_hazards_words(self._plan)) + (self._plan.rehearsal is not None)
            most = max(2, self.app.size.height - 19 - taken)
            yield Paper(summary_words(self._plan, self._server, most=most), id="what")
            yield Paper(policy_words(self._policy), id="policy")
        if self._typed:
            yield Paper(
                joined(
                    words(" Type the name of the database to run this: ", "head"),
                    words(self._server.database, "warn", bold=True),
                ),
                id="ask",
            )
            yield NameField(name="name", disabled=True)
        else:
            yield Paper(words(" Run this now?", "head", bold=True), id="ask")
            with Horizontal(id="pair"):
                yield Button("Cancel", id="cancel", compact=True, disabled=True)
                yield Button("Run it", id="go", compact=True, disabled=True)

    def on_mount(self) -> None:
        """Listen only once it could be read."""
        self.call_after_refresh(self._wait_for_quiet)

    def _wait_for_quiet(self) -> None:
        if self._quiet is not None:
            self._quiet.stop()
        self._quiet = self.set_timer(DEAD_TIME, self._arm)

    def on_key(self) -> None:
        """Begin the dead time anew: what comes in one rush was typed before this could be read."""
        if not self._armed:
            self._wait_for_quiet()

    def _arm(self) -> None:
        self._armed = True
        # that no key counts yet is so no more
        self._take_back()
        for widget in self.query("Input, Button").results(Widget):
            widget.disabled = False
        self.query_one("#name" if self._typed else "#cancel").focus()
        self.refresh_bindings()

    def why_not(self, action: str) -> str:
        """Do not count what is typed before this could be read."""
        return "" if self._armed or action not in {"agree", "policy"} else "Read it first; keys count in a moment."

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """One letter is no consent where the name has to be typed."""
        return False if action == "agree" and self._typed else super().check_action(action, parameters)

    @on(Input.Submitted, "#name")
    def _named(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value == self._server.database:
            self._approve("typed database name", event.value)
        elif not event.value:
            self.say("Nothing is typed yet. esc goes back; nothing was done.")
        else:
            self.say("That is not the name of this database. Compare letter by letter; case counts.")

    @on(Button.Pressed, "#go")
    def _go(self) -> None:
        self._approve("pressed Run it")

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)

    def action_agree(self) -> None:
        """Approve by one letter, where that is enough."""
        if self._armed and not self._typed:
            self._approve("pressed y", "y")

    def action_policy(self) -> None:
        """Choose another policy for a lost terminal."""
        names = list(POLICIES)
        self._policy = names[(names.index(self._policy) + 1) % len(names)]
        self.query_one("#policy", Paper).write(policy_words(self._policy))
        # its line may be out of sight in a small window
        self.say(f"If this terminal closes, {POLICIES[self._policy]}.", "head")

    def action_back(self) -> None:
        """Back to the plan; nothing was done."""
        self.dismiss(None)

    def _approve(self, how: str, typed: str = "") -> None:
        try:
            approval = self._plan.approve(
                digest=self._plan.digest,
                by=self._by,
                how=how,
                on_hangup=self._policy,
                typed=typed,
                allowed=self._allowed,
            )
        except PlanChanged as error:
            self.say(fault_of(error).summary, "bad")
            return
        self.dismiss(approval)


def _row(name: str, value: Content) -> Content:
    return joined(words(f" {name:<11}", "dim"), value)


def summary_words(plan: Plan, server: ServerFacts, *, most: int) -> Content:
    """Return what will run (at most `most` migrations by name), where, as whom, the strongest lock and the limits.

    Where a rehearsal has measured the lock, its age stands below.
    """
    limits = plan.limits
    lock = f"at most {duration(limits.lock_timeout)} per attempt, then back off; {limits.lock_attempts} attempts"
    limit = f"{duration(limits.statement_timeout)} per statement" if limits.statement_timeout else "none per statement"
    return stacked(
        _row("database", words(server.database, bold=True)),
        _row("server", words(f"{server.host}:{server.port}, PostgreSQL {short_version(server.version)}")),
        _row("role", words(server.user + (" (superuser)" if server.superuser else ""))),
        _row(
            "plan",
            words(
                f"{plan.digest[:12]}: {count(len(plan.migrations), 'migration')}, "
                f"{count(plan.statement_count, 'statement')}"
            ),
        ),
        *(_row("", migration_words(migration)) for migration in plan.migrations[:most]),
        _row("", words(f"and {len(plan.migrations) - most:,} more", "dim")) if len(plan.migrations) > most else None,
        *strongest_words(plan),
        *allowed_hazards_words(plan),
        _row("measured", words(standing_words(plan.rehearsal, time.time()))) if plan.rehearsal else None,
        _row("lock wait", words(lock)),
        _row("time limit", words(limit)),
    )


def short_version(version: str) -> str:
    """Return the number in a server's version."""
    return version.removeprefix("PostgreSQL ").split(" ")[0]


def migration_words(planned: PlannedMigration) -> Content:
    """Return a migration in a line: its statements by what becomes of them."""
    run = sum(statement.decision is Decision.RUN for statement in planned.statements)
    skip = sum(statement.decision is Decision.SKIP for statement in planned.statements)
    defer = sum(statement.decision is Decision.DEFER for statement in planned.statements)
    said = [f"{run} to run"]
    said += [f"{skip} done already"] if skip else []
    said += [f"{defer} deferred"] if defer else []
    said += [] if planned.transactional else ["outside a transaction"]
    return joined(
        words(f"{numbered(planned.migration.version)} {planned.migration.name}{entry_words(planned.entry)}  "),
        words(", ".join(said), "dim"),
    )


def entry_words(entry: str) -> str:
    """Return what is done with a migration, in brackets; nothing where it is applied."""
    return {"migration": "", "deferred": " (deferred step)"}.get(entry, f" ({entry})")


def strongest_words(plan: Plan) -> list[Content]:
    """Return the strongest lock of the plan, on which relations, and who waits for it."""
    claims = [
        claim
        for migration in plan.migrations
        for statement in migration.statements
        if statement.decision is Decision.RUN
        for claim in statement.locks
    ]
    if not claims:
        return [_row("lock", words("none on tables that are there already"))]
    top: LockMode = max((claim.mode for claim in claims), key=lambda mode: mode.strength)
    relations = list(dict.fromkeys(claim.relation for claim in claims if claim.mode is top))
    shown = ", ".join(relations[:2]) + (f" and {len(relations) - 2:,} more" if len(relations) > 2 else "")
    effect = "reads and writes" if top.blocks_reads else ("writes" if top.blocks_writes else "")
    lines = [_row("lock", joined(words(str(top), "warn" if effect else "text", bold=True), words(f" on {shown}")))]
    return [*lines, _row("", words(f"{effect} wait while it is held", "dim"))] if effect else lines


def allowed_hazards_words(plan: Plan) -> list[Content]:
    """Return the first severe hazard that was allowed, with by whom and why, and how many more findings there are."""
    severe = [hazard for _, _, hazard in plan.hazards if hazard.severity == "severe" and hazard.allowed_by]
    if not severe:
        return []
    first, *others = severe
    told = wrap(f"{first.id} {allowed_words(first)}", _LINE, break_on_hyphens=False)
    were = "more severe hazard that was allowed", "more severe hazards that were allowed"
    more = [words(f"and {count(len(others), *were)}", "warn")] if others else []
    head = joined(words(first.id, "warn", bold=True), words(told[0].removeprefix(first.id)))
    lines = [head, *(words(line) for line in told[1:]), *more]
    return [_row("hazards" if not number else "", line) for number, line in enumerate(lines)]


def policy_words(policy: str) -> Content:
    """Return what closing the terminal does."""
    return _row("terminal", words(f"if it closes, {POLICIES[policy]}"))
