"""What an empty shadow on PostgreSQL 18 shows of the forms."""

from __future__ import annotations

from collections.abc import Sequence

from changeover.core import shadow_needs
from changeover.core.connect import Connector
from changeover.core.errors import ServerError
from changeover.core.measure import Effect, Meter
from changeover.core.postgres_binaries import embedded
from changeover.core.schema_dump import dump
from changeover.core.settings import Retry
from changeover.core.shadow import shadow
from changeover.core.shadow_schema import load
from changeover.core.target import Target


async def on_shadow(target: Target, forms: Sequence[str], *, path: str) -> tuple[dict[str, Effect], int]:
    """Run each form alone on an empty shadow of the target's schema; return what was measured of those that ran.

    Beside it is the server_version_num of the shadow. `path` is the search_path. The schema is loaded and the forms
    are run as the shadow's superuser: what an ordinary role may not do is not what is asked here.
    """
    connector = Connector(target, Retry(retries=0), emit=lambda _: None)
    needs = await shadow_needs.read(await connector("look"))
    text = await dump(target, needs.server)
    await connector.close()
    found: dict[str, Effect] = {}
    async with shadow(needs, binaries=embedded()) as made:
        assert (await load(made, text, as_superuser=True)).failed == ()
        meter = Meter(connection=await made.connect(made.database), observer=await made.look(made.database))
        await meter.prepare()
        known = dict(meter.known)
        for form in forms:
            meter.known = dict(known)
            await meter.connection.execute(f"BEGIN; SET LOCAL search_path = {path}")
            await meter.begin(first=True)
            try:
                await meter.connection.execute(form)
                found[form] = await meter.inside({}, empties=form.startswith("TRUNCATE"))
            except ServerError:
                pass
            await meter.connection.execute("ROLLBACK")
    return found, made.version_num
