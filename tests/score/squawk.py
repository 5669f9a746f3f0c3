"""The linter squawk on the same forms, one file each, as it is run in CI: without a schema.

See https://squawkhq.com/docs/rules. Which of its rules say that a statement works on the rows is a judgement.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.score.forms import Form

CLAIMS_WORK: Final = frozenset({
    "adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field", "adding-required-field",
    "adding-serial-primary-key-field", "changing-column-type", "constraint-missing-not-valid",
    "disallowed-unique-constraint", "prefer-repack", "require-concurrent-index-creation",
})  # fmt: skip


def program() -> Path | None:
    """Return squawk beside this Python or on the path, None where there is none."""
    beside = Path(sys.executable).parent / "squawk"
    found = str(beside) if beside.exists() else shutil.which("squawk")
    return Path(found) if found else None


def version(squawk: Path) -> str:
    """Return what it calls itself."""
    return subprocess.run([str(squawk), "--version"], capture_output=True, text=True, check=True).stdout.strip()


def claims(squawk: Path, forms: tuple[Form, ...], major: int) -> list[bool]:
    """Return for each form whether squawk says that it works on the rows of a table."""
    with tempfile.TemporaryDirectory() as folder:
        for number, form in enumerate(forms):
            (Path(folder) / f"{number:05}.sql").write_text(f"{form.sql};\n", encoding="utf-8")
        done = subprocess.run(
            [str(squawk), "--reporter", "json", "--pg-version", f"{major}.0", f"{folder}/*.sql"],
            capture_output=True,
            text=True,
            check=False,
        )
    return long_ones(done.stdout, len(forms))


def long_ones(output: str, forms: int) -> list[bool]:
    """Return which of the numbered files have a finding that claims work."""
    findings = json.loads(output or "[]")
    long = {int(Path(item["file"]).stem) for item in findings if item["rule_name"] in CLAIMS_WORK}
    return [number in long for number in range(forms)]
