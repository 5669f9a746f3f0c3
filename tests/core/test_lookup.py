"""What a person types for a migration: what the folder's own tool would take."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.errors import UsageError
from changeover.core.folders.detect import read_any
from changeover.core.lookup import index_of
from tests.foreign import SAMPLES

from .folder_files import lay


@pytest.mark.parametrize(
    ("form", "typed"),
    [
        ("golang-migrate", ("2", "000002", "000002_name.up.sql", "000002_name.up")),
        ("dbmate", ("20240102000000", "20240102000000_name.sql", "20240102000000_name")),
        ("goose", ("2", "00002", "00002_name.sql")),
        ("sqlx", ("2", "2_name_of_it.up.sql")),
        ("prisma", ("20240102000000_name", "20240102000000_name/migration.sql")),
        ("flyway", ("1.1", "1_1", "01.1.0", "V1.1__name_of_it.sql", "V1.1__name_of_it")),
        ("tern", ("2", "002", "002_name.sql")),
        ("node-pg-migrate", ("1700000000002_name", "1700000000002_name.sql", "1700000000002")),
        ("graphile-migrate", ("2", "000002", "000002.sql", "committed/000002.sql")),
        ("diesel", ("20240102000000", "2024-01-02-000000_name", "2024-01-02-000000", "2024-01-02-000000_name/up.sql")),
        ("atlas", ("2", "2_name.sql")),
        ("sqitch", ("name", "deploy/name.sql")),
    ],
)
def test_a_migration_is_named_as_its_tool_names_it(form: str, typed: tuple[str, ...], tmp_path: Path) -> None:
    folder = read_any(lay(tmp_path, dict(SAMPLES[form].files)), said=form)
    assert [(word, index_of(folder, word)) for word in typed] == [(word, 1) for word in typed]


def test_what_the_folder_does_not_have_is_an_error_that_says_what_it_has(tmp_path: Path) -> None:
    folder = read_any(lay(tmp_path, dict(SAMPLES["sqitch"].files)))
    with pytest.raises(UsageError) as caught:
        index_of(folder, "nothing")
    assert "from shop to index" in caught.value.advice


def test_a_change_that_was_reworked_is_told_by_a_tag(tmp_path: Path) -> None:
    when = "2024-01-02T03:04:05Z Ann <ann@example.org>"
    plan = f"%project=shop\n\na {when}\nb {when}\n@v1 {when}\na {when}\n@v2 {when}\n"
    files = {"sqitch.plan": plan, "deploy/a.sql": "", "deploy/a@v1.sql": "", "deploy/b.sql": ""}
    folder = read_any(lay(tmp_path, dict(files)))
    typed = (
        "a@v1",
        "@v1",
        "b",
        "a@HEAD",
        "a@v2",
        "@v2",
        folder.migrations[0].version,
        folder.migrations[2].version[:7],
    )
    assert [index_of(folder, word) for word in typed] == [0, 1, 1, 2, 2, 2, 0, 2]
    with pytest.raises(UsageError) as caught:
        index_of(folder, "a")
    assert "a@v1, a@HEAD" in caught.value.advice
