"""Interleaved runs, medians and their spread."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

# what is measured: seconds, or whatever the row's unit says; None where it could not be done
Measure = Callable[[], float | None]


class Row(Struct, frozen=True, kw_only=True):
    """One line of the table: what was done, by whom, and what came out of each run."""

    part: str
    what: str
    who: str
    values: tuple[float, ...]
    unit: str = "s"
    note: str = ""
    # what the ratio is taken to: the first row of the same `what` that is ours
    ours: bool = False

    @property
    def median(self) -> float:
        """The middle one of the runs."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Half of the distance between the quartiles, as a share of the median; of fewer than four runs, of all."""
        if len(self.values) < 2 or not self.median:
            return 0.0
        cuts = (
            statistics.quantiles(self.values, n=4)
            if len(self.values) > 3
            else [min(self.values), 0.0, max(self.values)]
        )
        return (cuts[2] - cuts[0]) / 2 / self.median


class Found(Struct):
    """What the parts found."""

    rows: list[Row] = field(default_factory=list)
    # sentences: who is absent, and why
    absent: set[str] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Take a row and print it: a benchmark is watched."""
        self.rows.append(row)
        if row.values:
            shown = f"{row.median:.3f} {row.unit} ±{row.spread:.0%} of {len(row.values)}"
            print(f"{row.part}: {row.what}: {row.who}: {shown} {row.note}", flush=True)


def interleaved(
    found: Found, part: str, what: str, measures: Mapping[str, Measure], *, runs: int, unit: str = "s", note: str = ""
) -> None:
    """Measure everybody in turn, so many times, so that whatever else the machine does meets all of them."""
    values: dict[str, list[float]] = {who: [] for who in measures}
    for _ in range(runs):
        for who, measure in measures.items():
            value = measure()
            if value is None:
                found.absent.add(f"{who} could not do: {what}.")
            else:
                values[who].append(value)
    for who, got in values.items():
        if got:
            ours = who.startswith("changeover")
            found.add(Row(part=part, what=what, who=who, values=tuple(got), unit=unit, note=note, ours=ours))


class Ran(Struct, frozen=True, kw_only=True):
    """A command that has ended."""

    wall: float
    code: int
    # of the processor, of the command and of those that it started and waited for; seconds
    cpu: float
    # at its widest; MB
    memory: float
    out: str
    err: str


def timed(words: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Ran:
    """Run a command to its end and say what it took."""
    out, err = (os.memfd_create(it) for it in ("out", "err"))
    began = time.perf_counter()
    process = subprocess.Popen(words, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    said = [os.pread(file, 1 << 27, 0).decode(errors="replace") for file in (out, err)]
    os.close(out)
    os.close(err)
    return Ran(
        wall=wall,
        code=process.returncode,
        cpu=used.ru_utime + used.ru_stime,
        memory=used.ru_maxrss / 1024,
        out=said[0],
        err=said[1],
    )
