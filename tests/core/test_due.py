"""Which migrations of a folder with baselines a database gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.due import meant_for

from .folder_files import read

FILES: dict[str, str | bytes] = dict.fromkeys(
    ["V1__a.sql", "V2__b.sql", "B2__all.sql", "V3__c.sql", "B3__all.sql", "V4__d.sql", "R__e.sql"], "SELECT 1;"
)


@pytest.mark.parametrize(
    ("begun", "applied", "files"),
    [
        # no history: the newest baseline, and what comes after it
        (set(), set(), ["B3__all.sql", "V4__d.sql", "R__e.sql"]),
        # begun without one: none is ever looked at
        (set(), {"1"}, ["V1__a.sql", "V2__b.sql", "V3__c.sql", "V4__d.sql", "R__e.sql"]),
        (set(), {"1", "2", "3"}, ["V1__a.sql", "V2__b.sql", "V3__c.sql", "V4__d.sql", "R__e.sql"]),
        # begun with the older one
        ({"2"}, {"2"}, ["B2__all.sql", "V3__c.sql", "V4__d.sql", "R__e.sql"]),
        ({"3"}, {"3", "4"}, ["B3__all.sql", "V4__d.sql", "R__e.sql"]),
    ],
)
def test_a_baseline_stands_for_what_is_before_it_where_there_is_no_history(
    begun: set[str], applied: set[str], files: list[str], tmp_path: Path
) -> None:
    found = meant_for(read(tmp_path, "flyway", FILES), begun, applied)
    assert [m.file for m in found.migrations] == files


def test_a_folder_without_baselines_is_what_it_is(tmp_path: Path) -> None:
    folder = read(tmp_path, "flyway", {"V1__a.sql": "SELECT 1;"})
    assert meant_for(folder, (), ()) is folder
