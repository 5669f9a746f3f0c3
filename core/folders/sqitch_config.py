"""Sqitch's configuration: where a project's plan and scripts are, and the variables that psql gets.

See https://sqitch.org/docs/manual/sqitch-config/ and https://sqitch.org/docs/manual/sqitch-configuration/.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from .files import content_of
from .sqitch_plan import PLAN

_CONFIG: Final = "sqitch.conf"
_SECTION: Final = re.compile(r'\s*\[\s*(?P<name>[^\s"\]]+)(?:\s+"(?P<sub>[^"]*)")?\s*\]\s*(?:[#;].*)?')
_VALUE: Final = re.compile(
    r'\s*(?P<key>[A-Za-z][A-Za-z0-9_-]*)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^#;]*?))\s*(?:[#;].*)?'
)


class Layout(Struct, frozen=True, kw_only=True):
    """What the configuration says of one project."""

    # by `section.sub.key`
    config: Mapping[str, str]
    # the file of the plan; it may not be there
    plan: str
    # name and address of the user; None where neither the environment nor a file says them
    user: str | None
    email: str | None

    @classmethod
    def of(cls, path: Path, names: Collection[str], environ: Mapping[str, str]) -> Layout:
        """Return the layout of the project in `path`, whose files have these names."""
        config = _read(path, names, environ)
        plan = config.get("core.plan_file") or f"{_folder(config.get('core.top_dir', ''))}{PLAN}"
        return cls(
            config=config,
            plan=plan if plan in names else PLAN,
            user=environ.get("SQITCH_FULLNAME") or config.get("user.name") or None,
            email=environ.get("SQITCH_EMAIL") or config.get("user.email") or None,
        )

    @property
    def registry(self) -> str | None:
        """The schema of the history; None where nothing says it."""
        return self.config.get("engine.pg.registry") or self.config.get("core.registry")

    def script(self, kind: str, name: str) -> str:
        """Return the file of a script; `kind` is deploy, revert or verify."""
        top = _folder(self.config.get("core.top_dir", ""))
        folder = _folder(self.config.get(f"core.{kind}_dir", f"{top}{kind}"))
        return f"{folder}{name}.{self.config.get('core.extension', 'sql')}"

    def variables(self, kind: str) -> dict[str, str]:
        """Return the variables of psql for a kind of script; what stands later here stands before what is earlier."""
        target = self.config.get("engine.pg.target") or self.config.get("core.target") or ""
        sections = ["core", *dict.fromkeys(["deploy", kind]), "engine.pg"]
        found = {"registry": self.registry or "sqitch"}
        for section in (*sections, *([f"target.{target}"] if target else [])):
            start = f"{section}.variables."
            found.update({key.removeprefix(start): said for key, said in self.config.items() if key.startswith(start)})
        return found


def _folder(name: str) -> str:
    return "" if name in {"", "."} else f"{name.strip('/')}/"


def _read(path: Path, names: Collection[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the system's file says, before it the user's, and before both the project's own."""
    files = [environ.get("SQITCH_SYSTEM_CONFIG") or "/etc/sqitch/sqitch.conf"]
    if own := environ.get("SQITCH_USER_CONFIG"):
        files.append(own)
    elif home := environ.get("HOME"):
        files.append(f"{home}/.sqitch/sqitch.conf")
    found: dict[str, str] = {}
    # without an environment nothing but the project counts
    for file in files if environ else ():
        with contextlib.suppress(OSError):
            found.update(_parsed(Path(file).read_bytes()))
    if _CONFIG in names:
        found.update(_parsed(content_of(path, _CONFIG)))
    return found


def _parsed(content: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    section = ""
    for line in content.decode("utf-8", "replace").splitlines():
        if match := _SECTION.fullmatch(line):
            section = ".".join(filter(None, [match["name"].lower(), match["sub"]]))
        elif match := _VALUE.fullmatch(line):
            quoted = match["quoted"]
            key = match["key"] if section.endswith("variables") else match["key"].lower()
            found[f"{section}.{key}"] = match["plain"] if quoted is None else quoted
    return found
