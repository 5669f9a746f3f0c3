"""Plain tables: aligned for every script, bounded, and with nothing in them that can act."""

from __future__ import annotations

from changeover.tui.columns import table, width


def test_columns_are_aligned_by_cells_and_not_by_characters() -> None:
    lines = table(("NAME", "N"), [("日本", "1"), ("Zoe\u0301", "2"), ("plain", "3")])
    assert [width(line) for line in lines] == [8, 8, 8, 8]


def test_a_cell_is_one_bounded_line_in_which_nothing_acts() -> None:
    lines = table(("A", "B"), [("x\n\x1b[2J", "y" * 500)])
    assert len(lines) == 2
    assert "x⏎␛[2J" in lines[1]
    assert len(lines[1]) < 100


def test_no_line_ends_in_blanks() -> None:
    assert table(("A", "B"), [("aaa", "")]) == ["A    B", "aaa"]
