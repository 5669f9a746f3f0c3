"""A terminal that nobody reads for a whole minute, in the middle of a run."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from changeover.core.attach import running_runs
from changeover.core.target import Target
from tests.tui.commandline import COMMAND, environment, start
from tests.tui.pty_terminal import Terminal

pytestmark = pytest.mark.soak

FLOOD = "DO $$ BEGIN FOR n IN 1..2000 LOOP RAISE NOTICE 'notice % %', n, repeat('x', 80); END LOOP; END $$; "


@pytest.mark.parametrize("words", [["attach"], ["attach", "--plain"]], ids=["screen", "lines"])
def test_the_engine_does_not_notice_a_terminal_that_stalls_for_a_minute(
    database: Target, tmp_path: Path, words: list[str]
) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for number in range(1, 31):
        (folder / f"{number:04}_x.sql").write_text(f"{FLOOD} SELECT pg_sleep(1)")
    applying = start("apply", "--yes", "--json", target=database, cwd=tmp_path)
    while not running_runs():
        time.sleep(0.02)
    with Terminal([str(COMMAND), *words], environ=environment(database), cwd=tmp_path) as terminal:
        terminal.shows("0001", within=60)
        stalled = time.monotonic()
        out, _ = applying.communicate(timeout=180)
        assert json.loads(out)["outcome"] == "applied"
        time.sleep(max(60 - (time.monotonic() - stalled), 0))
        # what was not read is still to come: the receipt is the last of it, and on the way there `q` asks
        terminal.shows("RECEIPT" if words == ["attach"] else "Post-checks", within=120)
        if words == ["attach"]:
            terminal.type("q")
        assert terminal.ended(within=60) == 0
