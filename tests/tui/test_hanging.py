"""A line that is too long goes on under its text, on every screen that is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from textual.content import Content
from textual.screen import Screen

from changeover.core.errors import Place
from changeover.core.repair import Case, Remedy
from changeover.core.resume import Found, StepLook
from changeover.core.script import Statement
from changeover.core.status import MigrationStatus, State
from changeover.tui.cases import case_lines
from changeover.tui.hanging import hung
from changeover.tui.screens.allow import AllowScreen
from changeover.tui.screens.details import DetailsScreen
from changeover.tui.screens.repair import RepairScreen
from changeover.tui.words import beside, words
from tests.tui.scenes import HAZARD, STANDING, plan
from tests.tui.showing import Shown, text

LONG = "Writes every row of public.donations, about sixty thousand, and its indexes anew: nobody can read it meanwhile."
NOTE = "index public.orders_customer_unique_because_it_has_to_be is there and invalid: drop it, and build it again"


@pytest.mark.parametrize(
    ("line", "goes_on"),
    [
        ("plain words that are too long for it", "for it"),
        ("  two blanks before what is too long", "  too long"),
        ("× a mark, and then what is too long for it", "  long for it"),
        ("-- a comment, and what is too long for it", "   long for it"),
        ("detail   a name, and then more than fits", "         than fits"),
        ("a_name_of_half_and_more  and a text", "text"),
        ("表表  表表表表表表表表表表表表表表表表", "      表表表"),
        ("             " * 2 + "deep indentation", " " * 15 + "indentation"),
    ],
)
def test_a_line_goes_on_under_its_text(line: str, goes_on: str) -> None:
    lines = hung(Content(line), 30).plain.split("\n")
    assert lines[1].startswith(goes_on)
    assert all(cell_len(each) <= 30 for each in lines)
    assert "".join("".join(lines).split()) == "".join(line.split()), "no letter is lost"


def test_what_fits_stays_as_it_is_and_colours_go_on() -> None:
    short = words("a line\n\nanother", lines=True)
    assert hung(short, 30) is short
    long = hung(beside(words("name  ", "dim"), LONG, "bad"), 40)
    tones = {span.style for span in long.spans if span.start > 40}
    assert tones == {"$bad"}


def test_a_text_of_several_lines_stands_beside_its_name() -> None:
    assert beside(words("detail   "), "one\ntwo").plain == "detail   one\n         two"


def _severe() -> Screen[Any]:
    base = plan(HAZARD, hazard=True, allowed=False)
    (migration,) = base.migrations
    first, *others = migration.statements
    first = replace(first, hazards=(replace(first.hazards[0], text=LONG),))
    changed = replace(base, migrations=(replace(migration, statements=(first, *others)),))
    return AllowScreen(STANDING, changed)


def _row() -> Screen[Any]:
    base = plan(hazard=True)
    (migration,) = base.migrations
    first, *others = migration.statements
    changed = replace(base, migrations=(replace(migration, statements=(replace(first, error=LONG), *others)),))
    return DetailsScreen(STANDING, changed, base.rows[0], None)


def _case() -> Case:
    place = Place(file="0002_index.sql", line=3, column=1)
    kind = "CREATE INDEX CONCURRENTLY"
    step = StepLook(
        statement=Statement(number=2, sql=kind, start=0, end=25, place=place, kind=kind, outside_transaction=True),
        recorded="running",
        same=True,
        found=Found.INVALID,
        note=NOTE,
    )
    status = MigrationStatus(version="0002", name="index", file="0002_index.sql", state=State.PARTIAL, note="")
    return Case(
        status=status,
        file="0002_index.sql",
        undoing=False,
        steps=(step,),
        invalid=(),
        remedies=(Remedy.DROP_INVALID,),
        safe=Remedy.DROP_INVALID,
        why="it is of no use",
    )


@pytest.mark.parametrize(
    ("screen", "before", "first"),
    [(_severe, "", "Writes"), (_row, "fails", "Writes"), (lambda: RepairScreen(STANDING, (_case(),)), "", "index")],
)
async def test_no_screen_begins_a_second_line_at_the_left_edge(
    shown: Shown, screen: Callable[[], Screen[Any]], before: str, first: str
) -> None:
    async with shown(screen()) as pilot:
        lines = text(pilot).splitlines()
    at = next(
        number for number, line in enumerate(lines) if line.split()[: 2 if before else 1] == [*before.split(), first]
    )
    begin = lines[at].index(first)
    assert len(lines[at]) > 60, "the text is too long for it"
    assert (lines[at + 1][:begin].strip(), lines[at + 1][begin].strip()) != ("", "")
    assert lines[at + 1][:begin].strip() == ""


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ("it was applied in 49.0 s.", ["it was applied in", "49.0 s."]),
        ("now: changeover attach 2-d", ["now:", "changeover attach 2-d"]),
        ("`of more words than are in a line`", ["`of more words than", "are in a line`"]),
    ],
)
def test_commands_and_numbers_with_their_units_are_not_cut_where_there_is_room_for_them(
    said: str, lines: list[str]
) -> None:
    folded = hung(words(said, "bad"), 21)
    assert [line.rstrip() for line in folded.plain.split("\n")] == lines
    assert {span.style for span in folded.spans} == {"$bad"}


def test_what_was_found_of_a_step_is_told_in_full() -> None:
    assert f"     {NOTE}" in case_lines(_case())
