from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.geometry import Region

from changeover.tui.frame import Frame
from changeover.tui.widgets.table import Column, Table
from changeover.tui.words import Cell, cell, fit
from tests.tui.scenes import HOSTILE


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
        assert asked == [Region(72, 5, 8, 1)]
        await pilot.pause()
        table.show(rows)
        assert len(asked) == 1


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
