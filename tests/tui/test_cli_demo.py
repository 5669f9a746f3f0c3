"""The demo without anybody there: from nothing to a receipt, in plain lines, on the embedded server."""

from __future__ import annotations

from pathlib import Path

from tests.tui.commandline import changeover


def test_the_demo_runs_to_its_receipt_and_goes_on_with_the_deferred_steps(tmp_path: Path) -> None:
    first = changeover("demo", "--plain", "--yes", cwd=tmp_path)
    assert first.code == 0, first.err
    assert first.out.startswith("RECEIPT  applied")
    for words in ("attempt 1 of 4", "pre-check: ", "made again and confirmed", "deferred", "connections closed"):
        assert words in first.err
    second = changeover("demo", "--sessions", "--yes", cwd=tmp_path)
    assert second.code == 0, second.err
    assert "(its deferred steps) started" in second.err
    assert "RECEIPT  applied" in second.out
    listed = changeover("logs", "--json", cwd=tmp_path).document["sessions"]
    assert [one["command"] for one in listed] == ["changeover demo", "changeover demo"]


def test_the_demo_without_an_approval_is_exit_2_and_stops_its_server(tmp_path: Path, home: Path) -> None:
    done = changeover("demo", cwd=tmp_path)
    assert done.code == 2
    assert "Say --yes." in done.err
    assert not list(home.rglob("postmaster.pid"))
