from __future__ import annotations

from datetime import UTC, datetime

from changeover.core.action_offers import baseline_offers, repairs, undo_offers
from changeover.core.actions import Action, Choice, Settlement, Verb
from changeover.core.history import AppliedMigration, History
from changeover.core.migration import Checksums
from changeover.core.repair import Case, Remedy
from changeover.core.status import MigrationStatus, State

AT = datetime(2026, 11, 23, tzinfo=UTC)


def _status(version: str, state: State) -> MigrationStatus:
    return MigrationStatus(version=version, name=f"m{version}", file=f"{version}.sql", state=state)


def _history(*versions: str) -> History:
    rows = tuple(
        AppliedMigration(
            version=version,
            name=f"m{version}",
            checksums=Checksums(exact="", normalised=""),
            applied_at=AT,
            operator="ada",
            duration_ms=1,
            run="r",
        )
        for version in versions
    )
    return History(format="native", table="changeover.migration", exists=True, applied=rows)


FOUR = (
    _status("1", State.APPLIED),
    _status("2", State.CHANGED),
    _status("3", State.DEFERRED),
    _status("4", State.PENDING),
)


def test_the_migration_that_was_applied_last_is_undone_and_not_the_last_of_the_folder() -> None:
    (offer,) = undo_offers(FOUR, _history("1", "3", "2"), None)
    assert offer.action == Action(verb=Verb.REVERT)
    assert offer.label == "Undo 2 m2"


def test_all_after_an_earlier_one_can_be_undone_and_it_stays() -> None:
    offers = undo_offers(FOUR, _history("1", "2", "3"), "1")
    assert [offer.action for offer in offers] == [Action(verb=Verb.REVERT), Action(verb=Verb.REVERT, to="1")]
    assert offers[1].label == "Undo all 2 after 1"


def test_the_one_before_the_last_and_a_pending_one_offer_nothing_more_than_the_last() -> None:
    for chosen in ("2", "3", "4", None):
        assert len(undo_offers(FOUR, _history("1", "2", "3"), chosen)) == 1


def test_where_nothing_is_in_force_there_is_nothing_to_undo() -> None:
    assert undo_offers((FOUR[3],), _history(), "4") == ()


def test_a_baseline_goes_up_to_the_chosen_pending_migration() -> None:
    statuses = (*FOUR, _status("5", State.FAILED), _status("6", State.PENDING))
    (offer,) = baseline_offers(statuses, "5")
    assert offer.action == Action(verb=Verb.BASELINE, to="5")
    assert offer.label == "Mark 2 migrations up to 5 as applied"
    assert [offer.label for offer in baseline_offers(statuses, "4")] == ["Mark 4 as applied"]


def test_nothing_that_is_in_force_is_marked_as_applied() -> None:
    assert baseline_offers(FOUR, "3") == ()
    assert baseline_offers(FOUR, None) == ()


def _case(version: str, *, undoing: bool = False) -> Case:
    return Case(
        status=_status(version, State.PARTIAL),
        file=f"{version}.sql",
        undoing=undoing,
        steps=(),
        invalid=(),
        remedies=(Remedy.RESUME, Remedy.APPLIED),
        safe=Remedy.RESUME,
        why="it can go on where it ended",
    )


def test_answers_become_one_repair_and_one_run_for_each_way_of_going_on() -> None:
    answers = [
        (_case("1"), Remedy.APPLIED, "seen"),
        (_case("2"), Remedy.RESUME, ""),
        (_case("3", undoing=True), Remedy.RESUME, ""),
    ]
    assert repairs(answers) == [
        Action(verb=Verb.REPAIR, settlements=(Settlement(version="1", choice=Choice.APPLIED, reason="seen"),)),
        Action(to="2"),
        Action(verb=Verb.REVERT),
    ]
    assert repairs([]) == []
