"""The fixture of the screen tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.showing import Shown, showing


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    """Show one screen in the console's frame."""
    return showing(tmp_path)
