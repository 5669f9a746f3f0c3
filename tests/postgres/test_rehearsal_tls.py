"""pg_dump of a target over TLS: through a socket of ours, which verifies the certificate as our connections do."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.connect import Connector
from changeover.core.errors import ConnectError
from changeover.core.schema_dump import dump
from changeover.core.settings import Retry
from changeover.core.target import Target
from tests.rehearsals import rehearse_on
from tests.servers import Server
from tests.tls import behind_tls, certificate, needs_openssl

pytestmark = needs_openssl


async def test_a_schema_is_read_over_tls(server: Server, database: Target, tmp_path: Path) -> None:
    server.psql("CREATE TABLE item (id int PRIMARY KEY)", database.database)
    cert, key = certificate(tmp_path)
    async with behind_tls(database, cert, key) as target:
        done = await rehearse_on(target, tmp_path / "m", {"0001_a": "ALTER TABLE item ADD COLUMN z int;\n"})
    assert done.survey.server.tls
    assert done.statements[0].source == "measured"


async def test_a_certificate_that_is_not_the_targets_stops_the_dump(
    server: Server, database: Target, tmp_path: Path
) -> None:
    cert, key = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    other, _ = certificate(tmp_path / "other")
    async with behind_tls(database, cert, key) as target:
        connector = Connector(target, Retry(retries=0), emit=lambda _: None)
        facts = (await connector("look")).facts
        await connector.close()
        with pytest.raises(ConnectError, match="certificate verify failed"):
            await dump(replace(target, sslrootcert=str(other)), facts)
