"""The list of sessions says what can be told apart, in the cells that there are."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from changeover.core.session_log import SessionSummary
from changeover.tui.widgets.sessions_table import outcome_words, session_row


@pytest.mark.parametrize(
    ("code", "said"), [(3, "× no connection"), (129, "× terminal gone"), (0, "✓ looked only"), (77, "× exit 77")]
)
def test_a_sitting_without_a_run_says_in_words_how_it_ended(code: int, said: str) -> None:
    summary = SessionSummary(
        id="x", opened_at=0.0, command="demo", target="t", by="ada", result=None, exit_code=code, running=False
    )
    assert outcome_words(summary)[0] == said


def test_a_console_that_is_open_is_told_from_a_run_that_goes_on() -> None:
    summary = SessionSummary(
        id="x", opened_at=0.0, command="demo", target="t", by="ada", result=None, exit_code=None, running=True
    )
    assert outcome_words(summary)[0] == "► open"
    assert outcome_words(replace(summary, run_goes_on=True))[0] == "► going on"
    # what has come of it is worth more than that somebody still sits there
    assert outcome_words(replace(summary, result="rolled_back"))[0] == "× rolled back"
    assert outcome_words(replace(summary, result="applied", run_goes_on=True))[0] == "► going on"


def _row(command: str, target: str) -> tuple[str, str]:
    summary = SessionSummary(
        id="x", opened_at=0.0, command=command, target=target, by="ada", result=None, exit_code=0, running=False
    )
    _opened, shown, said, *_ = session_row(summary)
    return shown.text, said.text


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("changeover", "console"),
        ("changeover demo", "demo"),
        ("apply", "apply"),
        ("changeover logs prune", "logs prune"),
    ],
)
def test_a_command_is_told_without_the_name_of_the_program(command: str, said: str) -> None:
    assert _row(command, "ada@db:5432/shop") == ("ada@db:5432/shop", said)


def test_the_folder_of_a_socket_is_local() -> None:
    assert _row("demo", "ada@/run/user/1000/x:y/socket:5432/shop")[0] == "ada@[local]:5432/shop"
