"""What was found, as the page and the chart of this folder."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Final

from tests.benchmarks import goals
from tests.benchmarks.timing import Found, Row

HERE: Final = Path(__file__).parent
_HEAD: Final = """# Benchmarks

Changeover and its peers on the same work, in the same run, on the embedded PostgreSQL: `make bench` writes this page
and `chart.svg`; `make bench ARGS="throughput --runs 5"` measures one part. Nobody's time is a test: a figure is the
median of runs that took turns, ± half the distance between their quartiles (of two or three runs: between the
extremes). `ratio` is ours divided by theirs: below 1 we are quicker. `changeover` is the command from its start to its
exit, plans, approval, history and the look afterwards included; `the run alone` is from the first statement's
transaction to its COMMIT. Peers get the same SQL in files of their own kind; `psql` and the others run each file in one
transaction. alembic, dbmate and node-pg-migrate send a file as one message: they do not know which statement they are
at, and cannot be stopped between two. `psql` keeps no history and looks at nothing before.

What takes a peer minutes is measured once or thrice, as the column `runs` says, and over the longer link a part of it
is: one by one, 100,000 statements would take psql a quarter of an hour there. The blocker of 30 s is met once by
each, by the peers at the same time in databases of their own. While the machine is idle, a ratio of
medians comes out the same within the two spreads beside it; where the machine has other work, nothing here holds.
"""
_LEFT: Final = 330
_WIDE: Final = 420
_BAR: Final = 18


def machine(load: float) -> str:
    """Return the machine in words; `load` is what it had to do when the benchmark began."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    quiet = load < 0.25 * (os.cpu_count() or 1)
    idle = "idle before" if quiet else "NOT IDLE before, so take it again"
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB of memory, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}; PostgreSQL 18, not durable, on the same machine, {idle} "
        f"(load {load:.2f})."
    )


def write(found: Found, *, load: float, quick: bool, folder: Path = HERE) -> None:
    """Write README.md and chart.svg; `quick` was a tenth of the work."""
    absent = "".join(f"- {line}\n" for line in sorted(found.absent))
    text = f"{_HEAD}\nMachine: {machine(load)}\n"
    if quick:
        text += "\nThese are the figures of `--quick`: a tenth of the work.\n"
    if absent:
        text += f"\nAbsent or failed:\n\n{absent}"
    text += f"\n## The goals\n\n{''.join(goals.table(found.rows))}"
    for part, rows in groupby(found.rows, key=lambda row: row.part):
        text += f"\n## {part.capitalize()}\n\n{''.join(_table(list(rows)))}"
    text += f"\n{(HERE / 'notes.md').read_text()}"
    (folder / "README.md").write_text(text)
    (folder / "chart.svg").write_text(chart(found.rows))


def _table(rows: Sequence[Row]) -> Iterable[str]:
    yield "| what | who | median | runs | ratio |\n| --- | --- | ---: | ---: | ---: |\n"
    for row in rows:
        ours = next((it for it in rows if it.what == row.what and it.ours), None)
        alone = next((it for it in rows if it.what == row.what and it.who.endswith("the run alone")), None)
        ratio = ""
        if ours is not None and not row.ours and row.median:
            ratio = f"{ours.median / row.median:.2f}"
            if alone is not None:
                ratio += f" ({alone.median / row.median:.3f} the run alone)"
        shown = f"{row.median:,.3f}" if row.median < 10 else f"{row.median:,.1f}"
        spread = f" ±{row.spread:.0%}" if len(row.values) > 1 else ""
        yield f"| {row.what} | {row.who} {row.note} | {shown} {row.unit}{spread} | {len(row.values)} | {ratio} |\n"


def chart(rows: Sequence[Row]) -> str:
    """Return bars of the seconds, by what was measured; each group on a scale of its own."""
    lines: list[str] = []
    y = 30
    timed = [row for row in rows if row.unit == "s"]
    for what, group in groupby(timed, key=lambda row: (row.part, row.what)):
        bars = list(group)
        most = max(row.median for row in bars) or 1.0
        lines.append(f'<text x="10" y="{y}" font-weight="bold">{escape(": ".join(what))}</text>')
        for row in bars:
            y += _BAR + 4
            width = max(1.0, row.median / most * _WIDE)
            tone = "#2f6fde" if row.ours else "#9aa3ad"
            lines.append(f'<text x="{_LEFT - 8}" y="{y}" text-anchor="end">{escape(row.who)}</text>')
            lines.append(f'<rect x="{_LEFT}" y="{y - 13}" width="{width:.1f}" height="{_BAR}" fill="{tone}"/>')
            lines.append(f'<text x="{_LEFT + width + 6:.1f}" y="{y}">{row.median:.3g} s</text>')
        y += 34
    style = "text{font:13px system-ui,sans-serif;fill:#444}"
    size = f'width="{_LEFT + _WIDE + 100}" height="{y}" viewBox="0 0 {_LEFT + _WIDE + 100} {y}"'
    body = "\n".join(['<rect width="100%" height="100%" fill="#fff"/>', *lines])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{style}</style>\n{body}\n</svg>\n'
