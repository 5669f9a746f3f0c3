"""The lists of the inspection as they are read again: what was chosen stays chosen, and its columns stay columns."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace
from rich.cells import cell_len

from changeover.core.errors import ConnectionLost
from changeover.core.inspection import Comments
from changeover.core.schema_browser import details
from changeover.tui.listing import Listing, activity_listing, relation_words, schema_listing
from changeover.tui.screens.lists import ListScreen
from changeover.tui.widgets.table import Table
from tests.core.catalogs import catalog
from tests.tui.showing import Shown, answers, set_off, text
from tests.tui.test_snapshots import ACTIVITY, AT, READING

NO_COMMENTS = Comments(of_columns={}, of_constraints={})


async def test_a_connection_stays_chosen_when_one_above_it_has_gone(shown: Shown) -> None:
    found = [activity_listing(ACTIVITY[1:], datetime(2026, 11, 23, 14, 3, 29, tzinfo=UTC))]

    async def again() -> Listing:
        return found[0]

    async with shown(ListScreen(READING, activity_listing(ACTIVITY, AT), again)) as pilot:
        assert " 14:03:27  2 connections" in text(pilot)
        await pilot.press("j")
        await pilot.pause()
        assert " ALTER TABLE donations ADD COLUMN note text" in text(pilot).splitlines()[-2]
        await pilot.press("r")
        await pilot.pause()
        seen = text(pilot)
        assert " 14:03:29  1 connection " in seen
        assert next(line for line in seen.splitlines() if line.startswith(">")).split()[1] == "4188"
        found[0] = activity_listing((replace(ACTIVITY[0], pid=7), *ACTIVITY), AT)
        await pilot.press("r")
        await pilot.pause()
        assert next(line for line in text(pilot).splitlines() if line.startswith(">")).split()[1] == "4188"
        await pilot.press("enter")
        await pilot.pause()
        assert "at 14:03:27 UTC; the list goes on, this does not" in text(pilot)


async def test_from_a_line_in_full_one_goes_on_to_the_other_lists(shown: Shown) -> None:
    async def again() -> Listing:
        raise NotImplementedError

    screen = ListScreen(READING, activity_listing(ACTIVITY, AT), again)
    async with shown(screen) as pilot:
        await pilot.press("enter")
        await pilot.pause()
        assert "1-4 Look through" in text(pilot)
        await pilot.press("4")
        await pilot.pause()
        assert "You are there already." in text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("2")
        await pilot.pause()
    assert answers(screen) == ["schema"]


async def test_a_line_stays_chosen_while_the_filter_leaves_it_and_what_it_asks_for_is_set_off(shown: Shown) -> None:
    async def again() -> Listing:
        raise NotImplementedError

    screen = ListScreen(READING, activity_listing(ACTIVITY, AT), again)
    async with shown(screen) as pilot:
        table = screen.query_one(Table)
        await pilot.press("j", "slash", *"4188")
        await pilot.pause()
        assert table.row(table.cursor)[0].text.strip() == "4188"
        assert set_off(pilot, table.region.y + 1) == "4188"
        await pilot.press("escape")
        await pilot.pause()
        assert table.cursor == 1
        assert not set_off(pilot, table.region.y + 2)


async def test_at_80_columns_the_query_can_be_read_and_what_is_hidden_names_its_remedy(shown: Shown) -> None:
    async def again() -> Listing:
        raise NotImplementedError

    idle = replace(
        ACTIVITY[0], application="donation-platform/nightly", state="idle in transaction", blocked_by=(41234,)
    )
    hidden = replace(ACTIVITY[1], visible=False, state=None, query="")
    async with shown(ListScreen(READING, activity_listing((idle, hidden), AT), again)) as pilot:
        await pilot.pause()
        seen = text(pilot)
        assert "1 of them hidden from this role: GRANT pg_monitor shows what they do" in seen
        row = next(line for line in seen.splitlines() if line.startswith(">"))
        assert "idle in tx" in row
        assert idle.query[:14] in row
        await pilot.press("slash", *"transaction", "enter", "enter")
        await pilot.pause()
        assert "idle in transaction" in text(pilot)


async def test_what_is_wrong_with_a_reading_is_said_until_one_goes_well(shown: Shown) -> None:
    goes_well = False

    async def again() -> Listing:
        if goes_well:
            return activity_listing(ACTIVITY, AT)
        raise ConnectionLost("The connection is gone.", advice="r on the overview connects again.")

    async with shown(ListScreen(READING, activity_listing(ACTIVITY, AT), again)) as pilot:
        await pilot.press("r")
        await pilot.pause()
        assert "The connection is gone." in text(pilot)
        goes_well = True
        await pilot.press("r")
        await pilot.pause()
        assert "The connection is gone." not in text(pilot)
        assert "SELECT count(*) FROM donations" in text(pilot).splitlines()[-2]


async def test_a_comment_is_not_crowded_out_by_a_long_name(shown: Shown) -> None:
    async def again() -> Listing:
        raise NotImplementedError

    found = catalog(f"CREATE TABLE {'a_very_long_name_' * 3} (id integer);")
    (oid,) = (relation.oid for relation in found.relations.values() if relation.kind == "table")
    comments = Comments(of_columns={(oid, 0): "What it is for, said at some length."}, of_constraints={})
    async with shown(ListScreen(READING, schema_listing(found, comments), again)) as pilot:
        await pilot.pause()
        row = next(line for line in text(pilot).splitlines() if line.startswith(">"))
        assert "What it" in row
        assert "a_very_long_name" in row


def test_the_columns_of_a_table_with_wide_names_stand_under_each_other() -> None:
    found = catalog('CREATE TABLE gifts (id integer, "顧客名称" integer NOT NULL, "a\nb" integer NOT NULL);')
    (line,) = schema_listing(found, NO_COMMENTS).lines
    said = line.whole().plain.split("\n")
    kinds = [cell_len(each[: each.index("integer")]) for each in said if "integer" in each]
    notes = [cell_len(each[: each.index("not null")]) for each in said if "integer" in each and "not null" in each]
    assert len(kinds) == 3
    assert len(set(kinds)) == len(set(notes)) == 1


def test_rows_that_nobody_has_counted_are_not_known_and_a_view_has_none() -> None:
    found = catalog("CREATE TABLE gifts (id integer); CREATE VIEW seen AS SELECT id FROM gifts;")
    first = {}
    for relation in found.relations.values():
        whole = details(found, NO_COMMENTS, replace(relation, rows=-1.0, bytes=0))
        first[relation.name] = relation_words(whole).plain.split("\n")[0]
    assert first["gifts"].endswith("rows not known")
    assert "rows" not in first["seen"]


def test_a_name_that_its_column_has_no_room_for_is_told_with_the_comment() -> None:
    name = "customer_order_line_item_adjustment_reason_code_history"
    found = catalog(f"CREATE TABLE {name} (id integer); CREATE TABLE gifts (id integer);")
    oids = {relation.name: relation.oid for relation in found.relations.values()}
    comments = Comments(of_columns={(oids[name], 0): "why\nit was", (oids["gifts"], 0): "given"}, of_constraints={})
    told = {line.key: line.said for line in schema_listing(found, comments).lines}
    assert told == {f"public.{name}": f"public.{name}: why it was", "public.gifts": "given"}
