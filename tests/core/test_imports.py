"""What loads what: the engine knows no user interface, and the quick commands stay quick."""

from __future__ import annotations

import subprocess
import sys

import pytest

ENGINE = (
    "attach", "connect", "demo", "documents", "plan", "run", "runner", "sandbox", "saved_targets", "session_log",
    "settings", "setup", "survey", "target", "view",
)  # fmt: skip

PLANNING = tuple(
    f"changeover.core.{name}" for name in ("catalog", "effects", "estimate", "hazards", "plan", "planning")
)
# what a first frame does not wait for
ENGINE_OF_A_CONSOLE = {"asyncpg", "google", "postgast"}
PATH_OF_A_CONSOLE = tuple(
    f"changeover.{name}"
    for name in ("core.connect", "core.survey", "core.recovery", "tui.journey", "tui.lines", "tui.past")
)


def loaded_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after running `code`."""
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return {name.split(".")[0] for name in done.stdout.splitlines()}


@pytest.mark.parametrize("module", ENGINE)
def test_the_engine_loads_no_user_interface(module: str) -> None:
    loaded = loaded_after(f"import changeover.core.{module}")
    assert loaded.isdisjoint({"textual", "rich", "click"})


@pytest.mark.parametrize("module", ["settings", "target", "setup", "plan", "view", "events", "document_types"])
def test_what_is_pure_loads_no_driver(module: str) -> None:
    assert "asyncpg" not in loaded_after(f"import changeover.core.{module}")


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["apply", "--help"]])
def test_the_quick_commands_load_neither_screen_nor_driver(words: list[str]) -> None:
    code = f"from changeover.tui.cli import main\nassert main({words!r}) == 0"
    assert loaded_after(code).isdisjoint({"textual", "rich", "asyncpg", "postgast"})


@pytest.mark.parametrize("module", ["look", "apply", "logs", "new", "repair", "status", "verify"])
def test_a_command_that_has_no_screen_loads_none(module: str) -> None:
    assert loaded_after(f"import changeover.tui.commands.{module}").isdisjoint({"textual", "rich"})


@pytest.mark.parametrize("command", ["status"])
def test_a_command_that_makes_no_plan_loads_nothing_to_make_one_with(command: str) -> None:
    code = f"import sys, changeover.tui.commands.{command}\nassert not {{*sys.modules}} & {{*{PLANNING!r}}}"
    loaded_after(code)


def test_the_first_frame_waits_for_neither_driver_nor_parser_nor_the_path_behind_it() -> None:
    modules = "sys, changeover.tui.cli, changeover.tui.commands.console, changeover.tui.app"
    loaded = loaded_after(f"import {modules}\nassert not {{*sys.modules}} & {{*{PATH_OF_A_CONSOLE!r}}}")
    assert loaded.isdisjoint(ENGINE_OF_A_CONSOLE)


def test_nothing_generic_is_loaded() -> None:
    assert loaded_after("import changeover.core.survey, changeover.tui.cli").isdisjoint({"core", "tui"})
