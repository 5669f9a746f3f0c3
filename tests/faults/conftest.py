"""The fixtures of the matrix: a server that a fault may end, and the three migrations on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.settings import Retry
from tests.faults.doomed import Doomed, doomed
from tests.faults.ledger import Ledger, opened

# A moment of trouble is shorter than what connecting is tried for.
PATIENT = Retry(retries=6, timeout=1.0, first_wait=0.1, last_wait=0.5)


@pytest.fixture(scope="module")
def doomed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doomed]:
    with doomed(tmp_path_factory.mktemp("doomed")) as own:
        yield own


@pytest.fixture
async def ledger(doomed_server: Doomed, tmp_path: Path) -> AsyncIterator[Ledger]:
    """Give the test the migrations on a server of its module; its sessions are where the next run looks for them."""
    async with opened(doomed_server.target, tmp_path / "ledger") as own:
        own.settings = replace(own.settings, retry=PATIENT)
        own.at_home = True
        await own.clear()
        yield own
