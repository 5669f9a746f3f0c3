"""On a terminal a sentence is cut between words and goes on under its text; into a pipe it stays one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.tui.columns import Row, table
from changeover.tui.folding import folded
from tests.tui.commandline import COMMAND, changeover, environment
from tests.tui.pty_terminal import Terminal

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("short", ["short"]),
        ("a sentence that is too long", ["a sentence that is", "  too long"]),
        ("a sentence that fits  now", ["a sentence that fits", "  now"]),
        ("  indented and then too long", ["  indented and then", "    too long"]),
        ("  ! a mark, and then too long", ["  ! a mark, and then", "    too long"]),
        (f"plan {DIGEST}", ["plan", f"  {DIGEST}"]),
        ("goes on: changeover attach 20-demo-250d", ["goes on:", "  changeover attach 20-demo-250d"]),
        ("it is in `changeover status` now", ["it is in", "  `changeover status`", "  now"]),
        ("it was applied in 49.0 s.", ["it was applied in", "  49.0 s."]),
        ("waited at most 1 min 05 s so", ["waited at most", "  1 min 05 s so"]),
        ("a sign \ufdd0 of ours in 49.0 s", ["a sign \ufdd0 of ours in", "  49.0 s"]),
        ("日本語日本語 日本語日本", ["日本語日本語", "  日本語日本"]),
        ("a_name  and more than fits", ["a_name  and more", "        than fits"]),
        ("表表  日本語日本語 日本語日本", ["表表  日本語日本語", "      日本語日本"]),
        # under a name of half the line there is no room
        ("日本語日本  日本 日本語日本", ["日本語日本  日本", "日本語日本"]),
        (f"a {DIGEST} b", ["a", f"  {DIGEST}", "  b"]),
        (Row("SELECT a, b, c FROM there"), ["SELECT a, b, c FROM there"]),
        ('{\n  "path": "of more than fits into it"\n}', ['{\n  "path": "of more than fits into it"\n}']),
    ],
)
def test_a_line_is_cut_between_words_and_hangs(line: str, parts: list[str]) -> None:
    assert folded(line, 20) == parts


def test_a_row_of_a_table_stays_a_row() -> None:
    for line in table(("NAME", "NOTE"), [("a", "words that are longer than it")]):
        assert folded(line, 20) == [line]


def lines_at(columns: int, *words: str, cwd: Path) -> list[str]:
    """Return the lines that a command leaves on a terminal of so many columns."""
    command = [str(COMMAND), *words]
    with Terminal(command, environ=environment(), cwd=cwd, columns=columns, rows=40, term="dumb") as terminal:
        terminal.ended()
        return terminal.text.rstrip().split("\n")


def test_a_message_is_folded_on_a_terminal_and_one_line_in_a_pipe(tmp_path: Path) -> None:
    piped = changeover("status", cwd=tmp_path).err.splitlines()
    assert len(piped) == 2
    shown = lines_at(100, "status", cwd=tmp_path)
    assert len(shown) > 2
    assert " ".join(" ".join(shown).split()) == " ".join(" ".join(piped).split())
    assert all(line.startswith("    ") for line in shown[2:])


def test_a_long_target_is_shortened_in_the_list_of_sessions_on_a_terminal(tmp_path: Path) -> None:
    url = f"postgresql://deployer@127.0.0.1:1/{'a_long_name_' * 4}shop"
    assert changeover("status", "--retries", "0", cwd=tmp_path, DATABASE_URL=url).code == 2
    assert "a_long_name_a_long_name_" in changeover("logs", cwd=tmp_path).out
    wide, narrow = (lines_at(columns, "logs", cwd=tmp_path) for columns in (200, 80))
    assert wide == changeover("logs", cwd=tmp_path).out.splitlines()
    head, row = narrow
    assert head.startswith("SESSION")
    assert "  deploy" in row
    assert "…" in row
    assert "shop  " in row
