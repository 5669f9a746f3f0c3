from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from textual._compositor import ChopsUpdate
from textual.geometry import Region
from textual.strip import Strip

from changeover.tui.frame import Frame
from changeover.tui.spans import Spans
from changeover.tui.widgets.paper import Paper, changed_cells
from changeover.tui.widgets.table import Column, Table, shared
from changeover.tui.words import Cell, cell, fit, joined, words
from tests.tui.scenes import HOSTILE
from tests.tui.showing import set_off


@pytest.mark.parametrize("cut", ["start", "middle", "end"])
@pytest.mark.parametrize("text", ["", "short", "a text that is far too long", "全角文字の名前です", HOSTILE])
@pytest.mark.parametrize("width", [1, 2, 7, 40])
def test_a_text_is_fitted_to_exactly_its_width(text: str, width: int, cut: str) -> None:
    from rich.cells import cell_len

    assert cell_len(fit(cell(text).text, width, cut=cut)) == width


def _table() -> Table:
    return Table([Column(title="name"), Column(title="state", width=8)])


async def test_only_the_cell_that_has_changed_is_painted_again(tmp_path: Path) -> None:
    app = Frame(folder=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        table = _table()
        await app.mount(table)
        rows = [(Cell(f"row {i}"), Cell("waiting")) for i in range(10)]
        table.show(rows)
        await pilot.pause()
        asked: list[Region] = []
        plain = table.refresh

        def refresh(*regions: Region, **how: Any) -> Table:
            asked.extend(regions)
            return plain(*regions, **how)

        table.refresh = refresh  # type: ignore[method-assign]
        rows[4] = (rows[4][0], Cell("done"))
        table.show(rows)
        assert asked == [Region(71, 5, 8, 1)]
        await pilot.pause()
        table.show(rows)
        assert len(asked) == 1


async def test_sought_words_are_set_off_as_they_stand_and_only_rows_that_have_them_are_painted_again(
    tmp_path: Path,
) -> None:
    app = Frame(folder=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        table = _table()
        await app.mount(table)
        names = ("abc", "A.C and a.c", "f(x)", "日本 ab abc")
        table.show([(Cell(name), Cell("waiting")) for name in names])
        await pilot.pause()
        asked: list[Region] = []
        plain = table.refresh

        def refresh(*regions: Region, **how: Any) -> Table:
            asked.extend(regions)
            return plain(*regions, **how)

        table.refresh = refresh  # type: ignore[method-assign]
        for sought, at in (
            (["a.c"], {1: "A.Ca.c"}),
            (["("], {2: "("}),
            (["AB", "abc"], {0: "abc", 3: "ababc"}),
            (["nowhere"], {}),
            ([], {}),
        ):
            before = {row for row in range(len(names)) if set_off(pilot, table.region.y + 1 + row)}
            table.mark(sought)
            assert {region.y - 1 for region in asked} == before | set(at)
            await pilot.pause()
            asked.clear()
            marked = {row: set_off(pilot, table.region.y + 1 + row) for row in range(len(names))}
            assert {row: said for row, said in marked.items() if said} == at


async def test_a_hundred_thousand_rows_are_asked_for_only_where_they_are_seen(tmp_path: Path) -> None:
    app = Frame(folder=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        table = _table()
        await app.mount(table)
        asked: set[int] = set()

        def row(index: int) -> tuple[Cell, ...]:
            asked.add(index)
            return (Cell(f"row {index}"), Cell("waiting"))

        table.show_lazily(100_000, row)
        table.focus()
        await pilot.press("G")
        await pilot.pause()
        assert table.cursor == 99_999
        assert len(asked) < 100


async def test_the_chosen_row_is_marked_without_colour_too(tmp_path: Path) -> None:
    app = Frame(folder=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        table = _table()
        await app.mount(table)
        table.show([(Cell("first"), Cell("a")), (Cell("second"), Cell("b"))])
        table.focus()
        await pilot.press("j")
        await pilot.pause()
        assert table.render_line(2).text.startswith("> second")
        assert table.render_line(1).text.startswith("  first")


async def test_a_column_is_as_wide_as_the_cells_of_its_texts(tmp_path: Path) -> None:
    app = Frame(folder=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        table = Table([Column(title="name", width=20, fits=True), Column(title="state")])
        await app.mount(table)
        table.show([(Cell("日本語日本語"), Cell("done")), (Cell("short"), Cell("waiting"))])
        await pilot.pause()
        assert table.render_line(1).text.startswith("> 日本語日本語  done ")
        assert table.render_line(2).text.startswith("  short         waiting ")


@pytest.mark.parametrize(
    ("before", "now", "cells"),
    [
        ("12 of 34", "12 of 35", (7, 1)),
        ("12 of 34", "13 of 44", (1, 6)),
        # what is not there any more is painted over
        ("a, b", "a", (1, 3)),
        ("日本 1", "日本 2", (5, 1)),
        ("日本 1", "日木 1", (2, 2)),
        # what follows has moved
        ("a x 日", "a 本 日", (2, 5)),
        ("a 本 日", "a x 日", (2, 5)),
        ("same", "same", (0, 0)),
    ],
)
def test_of_a_line_only_the_cells_that_are_others_are_painted(before: str, now: str, cells: tuple[int, int]) -> None:
    changed = changed_cells(words(before), words(now), 20)
    assert changed is not None
    assert (changed.x, changed.width) == cells


def test_a_word_in_another_colour_is_painted_and_what_is_no_line_is_painted_whole() -> None:
    done = joined(words("0001 "), words("done", "ok"))
    assert changed_cells(joined(words("0001 "), words("done", "bad")), done, 20) == Region(5, 0, 4, 1)
    assert changed_cells(words("a\nb", lines=True), words("a"), 20) is None
    assert changed_cells(words("a"), words("日" * 11), 20) is None


@pytest.mark.parametrize(
    ("span", "written"),
    [
        ((0, 2, 8), [(2, "cdef"), (6, "gh")]),
        ((0, 0, 6), [(0, "abcdef")]),
        ((0, 9, 10), [(9, "j")]),
        ((1, 2, 6), [(2, "本語")]),
    ],
)
def test_of_a_span_exactly_its_cells_are_written(span: tuple[int, int, int], written: list[tuple[int, str]]) -> None:
    chops = [{0: Strip([Segment("abcdef")]), 6: Strip([Segment("ghij")])}, {0: Strip([Segment("日本語日本")])}]
    update = Spans.of(ChopsUpdate(chops, [span], [[6, 10], [10]]))
    expected = "".join(Control.move_to(x, span[0]).segment.text + said for x, said in written)
    assert update.render_segments(Console(color_system=None)) == expected


async def test_in_a_small_window_a_column_that_shares_keeps_its_title_and_the_widest_gives_way(tmp_path: Path) -> None:
    app = Frame(folder=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        table = Table([Column(title="name", width=30), Column(title="statement")])
        table.styles.width = 36
        await app.mount(table)
        table.show([(Cell("a"), Cell("b"))])
        await pilot.pause()
        assert [width for _column, _x, width in table._layout()] == [22, 9]
        assert table.render_line(0).text.rstrip().endswith("  statement")


async def test_rows_behind_a_chosen_one_are_in_view_with_it_until_a_key_moves_on(tmp_path: Path) -> None:
    app = Frame(folder=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        table = _table()
        table.styles.height = 11
        await app.mount(table)
        table.show([(Cell(f"row {i}"), Cell("waiting")) for i in range(100)])
        table.focus()
        await pilot.pause()
        table.choose(50, below=3)
        await pilot.pause()
        assert table.scroll_offset.y == 53 - 9
        await pilot.press("j", "j", "j", "j")
        assert table.scroll_offset.y == 54 - 9


async def test_the_row_that_was_chosen_and_the_one_that_is_are_painted_again_and_no_other(tmp_path: Path) -> None:
    app = Frame(folder=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        table = _table()
        await app.mount(table)
        table.show([(Cell(f"row {i}"), Cell("waiting")) for i in range(5)])
        table.focus()
        await pilot.press("j")
        await pilot.pause()
        asked: list[Region] = []
        plain = table.refresh

        def refresh(*regions: Region, **how: Any) -> Table:
            asked.extend(regions)
            return plain(*regions, **how)

        table.refresh = refresh  # type: ignore[method-assign]
        await pilot.press("G")
        await pilot.pause()
        assert {region.y - 1 for region in asked} == {1, 4}


async def test_the_same_words_in_another_colour_are_written_anew(tmp_path: Path) -> None:
    app = Frame(folder=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        paper = Paper(words("done", "bad"))
        await app.mount(paper)
        colours = []
        for tone in ("bad", "ok", "ok"):
            paper.write(words("done", tone))
            await pilot.pause()
            style = next(iter(paper.render_line(0))).style
            assert style is not None
            colours.append(style.color)
        assert colours[0] != colours[1] == colours[2]


@pytest.mark.parametrize(
    ("left", "wishes", "widths"),
    [
        # all wishes are granted, and the spare cells are shared
        (30, [(10, 1), (10, 1)], [15, 15]),
        # who wishes for little leaves the more to the others
        (30, [(4, 1), (40, 1)], [4, 26]),
        # nobody is modest: by weight
        (30, [(40, 2), (40, 1)], [20, 10]),
        (20, [(2, 1), (9, 1), (30, 1)], [2, 9, 9]),
        (0, [(5, 1)], [0]),
        (10, [], []),
    ],
)
def test_columns_share_the_width_by_what_is_in_them(
    left: int, wishes: list[tuple[int, int]], widths: list[int]
) -> None:
    assert shared(left, wishes) == widths


async def test_a_column_without_texts_leaves_its_room_to_the_others_and_the_edge_stays_free(tmp_path: Path) -> None:
    app = Frame(folder=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        table = Table(
            [Column(title="name"), Column(title="at", width=16, fits=True), Column(title="took", width=8, right=True)]
        )
        table.styles.width = 40
        await app.mount(table)
        long = "a_name_of_twenty_one_"
        table.show([(Cell(long), Cell(""), Cell("22 ms"))])
        await pilot.pause()
        assert table.render_line(1).text == f"> {long}           22 ms "
        table.show([(Cell(long), Cell("2026-11-23 20:04"), Cell("22 ms"))])
        await pilot.pause()
        assert "2026-11-23 20:04     22 ms " in table.render_line(1).text
