"""The other tools, where `make test-peers` has put them or the machine has them; an absent one is skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from changeover.core.target import Target
from tests.runs import Project

PEERS = Path(os.environ.get("TEST_PEERS", "/nonexistent"))
NODE = PEERS / "node_modules" / ".bin"


def url_of(target: Target) -> str:
    """Return the target as a URL whose host is the folder of a socket, as libpq, lib/pq and pg read it."""
    return f"postgres://{target.user}@{quote(target.host, safe='')}:{target.port}/{target.database}"


def run(*command: str, cwd: Path, env: dict[str, str] | None = None, codes: tuple[int, ...] = (0,)) -> str:
    """Run a tool and return what it says; another exit code than these fails the test."""
    whole = {"PATH": os.environ["PATH"], "HOME": str(cwd), "LC_ALL": "C.UTF-8", "TZ": "UTC", **(env or {})}
    done = subprocess.run(command, cwd=cwd, env=whole, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode in codes, said
    return said


def node(name: str) -> str:
    """Return the path of a tool from npm, or skip the test."""
    if not (NODE / name).exists():
        pytest.skip(f"{name} is not installed: `make test-peers` does that with npm")
    return str(NODE / name)


def python(module: str, *arguments: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a tool from PyPI, or skip the test."""
    there = PEERS / "python"
    if not (there / module).exists():
        pytest.skip(f"{module} is not installed: `make test-peers` does that with pip")
    found = {"PYTHONPATH": f"{there}{os.pathsep}{cwd}", **(env or {})}
    return run(sys.executable, "-m", module, *arguments, cwd=cwd, env=found)


def sqitch() -> str:
    """Return the path of sqitch, or skip the test."""
    found = shutil.which("sqitch")
    if found is None:
        pytest.skip("sqitch is not installed: Debian has it as sqitch and libdbd-pg-perl")
    return found


def dbmate(shop: Project, *words: str) -> str:
    """Run dbmate on the project."""
    target = shop.target
    url = f"postgres://{target.user}@/{target.database}?socket={quote(target.host)}&port={target.port}&sslmode=disable"
    command = [node("dbmate"), "--url", url, "--migrations-dir", str(shop.folder), "--no-dump-schema"]
    return run(*command, *words, cwd=shop.folder.parent)


def node_pg_migrate(shop: Project, *words: str) -> str:
    """Run node-pg-migrate on the project."""
    # it takes a connection's URL only from the environment
    return run(
        node("node-pg-migrate"), *words, "-m", str(shop.folder), cwd=shop.folder.parent, env=_variables(shop.target)
    )


def graphile_migrate(shop: Project, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    """Run graphile-migrate on the project."""
    url = url_of(shop.target)
    settings = {
        "connectionString": url,
        "shadowConnectionString": f"{url}_shadow",
        "migrationsFolder": str(shop.folder),
    }
    (shop.folder.parent / ".gmrc").write_text(json.dumps(settings))
    (shop.folder / "current.sql").touch()
    return run(node("graphile-migrate"), *words, cwd=shop.folder.parent, codes=codes)


def _variables(target: Target) -> dict[str, str]:
    return {"DATABASE_URL": url_of(target)}
