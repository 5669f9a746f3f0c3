"""The state machine at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.test_machine import drive

pytestmark = pytest.mark.soak


def test_the_invariants_hold_for_long(tmp_path: Path) -> None:
    drive(tmp_path, examples=200, steps=25)
