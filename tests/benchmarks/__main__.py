"""Measure and write the page: `python -m tests.benchmarks [PART ...] [--runs N] [--quick] [--print] [--to DIR]`."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

from tests.benchmarks import big_schemas, gentleness, loss, peers, report, start, throughput, wire
from tests.benchmarks.place import Place
from tests.benchmarks.timing import Found

PARTS: Final[Mapping[str, ModuleType]] = {
    "throughput": throughput,
    "gentleness": gentleness,
    "schemas": big_schemas,
    "start": start,
    "wire": wire,
    "loss": loss,
}


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="make bench", description="Changeover and its peers on the same work.")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all, where none is named")
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured, where that is quick")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: to see that all of it works")
    parser.add_argument("--print", action="store_true", help="only print; leave the page as it is")
    parser.add_argument("--to", type=Path, default=report.HERE, help="the folder for the page and its chart")
    said = parser.parse_args()
    load = os.getloadavg()[0]
    peers.install()
    found = Found()
    with Place.open() as place:
        for name in said.parts or PARTS:
            began = time.monotonic()
            PARTS[name].run(place, found, runs=said.runs, quick=said.quick)
            print(f"-- {name} took {time.monotonic() - began:.0f} s", flush=True)
    if not said.print and (not said.parts or said.to != report.HERE):
        report.write(found, load=load, quick=said.quick, folder=said.to)


if __name__ == "__main__":
    main()
