"""Folders of other tools, applied whole on real servers: the rows are those that the tool itself would have written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from changeover.core.events import Result
from changeover.core.target import Target
from tests.foreign import SAMPLES
from tests.runs import Project, project
from tests.servers import psql


def shop_of(target: Target, folder: Path, name: str) -> Project:
    sample = SAMPLES[name]
    made = project(target, folder)
    for file, text in sample.files.items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(text)
    made.settings = replace(made.settings, format=name, allowed_hazards={"all": "--allow"})
    return made


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_folder_of_another_tool_is_applied_and_recorded_as_the_tool_does(
    database: Target, tmp_path: Path, name: str
) -> None:
    sample = SAMPLES[name]
    shop = shop_of(database, tmp_path / "migrations", name)
    before = await shop.look()
    assert (before.history.format, before.history.exists) == (name, False)
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.APPLIED, 0)
    assert psql(database, sample.query) == sample.rows
    assert psql(database, "SELECT to_regnamespace('changeover')") == ""
    after = await shop.look()
    assert [status.state for status in after.statuses] == ["applied"] * len(after.folder.migrations)
    assert after.plan.migrations == ()
