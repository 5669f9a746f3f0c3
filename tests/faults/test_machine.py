"""The state machine, for as long as `make test` has time."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.doomed import doomed
from tests.faults.machine import Machine


def drive(folder: Path, *, examples: int, steps: int) -> None:
    with doomed(folder / "server") as server:
        Machine.server, Machine.folder = server, folder
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                # what depends on time cannot be made smaller by doing it again
                phases=(Phase.generate,),
                database=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
                print_blob=True,
            ),
        )


def test_the_invariants_hold_whatever_is_done(tmp_path: Path) -> None:
    drive(tmp_path, examples=6, steps=7)
