"""A new change of Sqitch: its line at the end of the plan, and its three scripts.

What is written is what `sqitch add` writes. See https://sqitch.org/docs/manual/sqitch-add/.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Final

from ..errors import UsageError
from . import sqitch_plan
from .files import content_of
from .naming import NewFile, Request
from .sqitch_config import Layout

_SCRIPTS: Final = {
    "deploy": ("Deploy {0} to pg", "-- XXX Add DDLs here.", "COMMIT"),
    "revert": ("Revert {0} from pg", "-- XXX Add DDLs here.", "COMMIT"),
    "verify": ("Verify {0} on pg", "-- XXX Add verifications here.", "ROLLBACK"),
}


def new(request: Request) -> tuple[str, tuple[NewFile, ...]]:
    """Return the change's identity, its scripts, and the plan with it. Raises `UsageError` and `FolderError`."""
    layout = Layout.of(request.path, request.names, request.environ)
    if layout.plan not in request.names:
        raise UsageError(
            f"There is no {layout.plan} in {request.path}.", advice="`sqitch init` begins a project; go on here then."
        )
    before = content_of(request.path, layout.plan)
    text = before.decode()
    plan = sqitch_plan.read(text, file=layout.plan)
    name = request.word
    if any(it.name == name for it in plan.changes):
        raise UsageError(
            f"The change {name} is planned already.",
            advice=f"Give the new one another name, or `sqitch rework {name}` after a tag.",
        )
    planner, email = _planner(request.path, layout, request.environ)
    note = request.title.replace("\\", "\\\\")
    end = "" if not text or text.endswith("\n") else "\n"
    text = f"{text}{end}{name} {request.now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} {planner} <{email}> # {note}\n"
    made = sqitch_plan.read(text, file=layout.plan).changes[-1]
    scripts = tuple(
        NewFile(name=layout.script(kind, name), text=_script(kind, f"{plan.project}:{name}")) for kind in _SCRIPTS
    )
    return made.id, (*scripts, NewFile(name=layout.plan, text=text, before=before))


def _script(kind: str, change: str) -> str:
    title, body, end = _SCRIPTS[kind]
    return f"-- {title.format(change)}\n\nBEGIN;\n\n{body}\n\n{end};\n"


def _planner(path: Path, layout: Layout, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return name and address of who plans: as Sqitch has them, else as git has them for this folder."""
    name = layout.user or _of_git(path, "user.name", environ)
    email = layout.email or _of_git(path, "user.email", environ)
    missing = next((what for what, said in (("name", name), ("email", email)) if not said), None)
    if missing:
        raise UsageError(
            f"Sqitch keeps who planned a change, and your {missing} is not known.",
            advice=f"Say it once with `sqitch config --user user.{missing} ...`, or `git config user.{missing} ...`.",
        )
    if any(letter in name + email for letter in "<>\n\r#[]"):
        raise UsageError(f"{name} <{email}> cannot stand in a plan.", advice="Leave out < > [ ] and #.")
    return name, email


def _of_git(path: Path, key: str, environ: Mapping[str, str]) -> str:
    git = shutil.which("git", path=environ.get("PATH"))
    if git is None:
        return ""
    done = subprocess.run(
        [git, "-C", str(path), "config", "--get", key],
        env=dict(environ),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()
