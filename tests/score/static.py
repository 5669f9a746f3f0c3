"""What a plan says of one form, on the catalog of the scene."""

from __future__ import annotations

from changeover.core import catalog as catalogs
from changeover.core.catalog import Catalog
from changeover.core.connect import Connector
from changeover.core.plan import PlannedStatement
from changeover.core.precheck import Decision
from changeover.core.settings import Retry
from changeover.core.target import Target
from tests.core.catalogs import plan_of
from tests.score.forms import Form


async def catalog_of(target: Target) -> Catalog:
    """Read the catalog of a database as a plan does."""
    connection = await Connector(target, Retry(retries=0), emit=lambda _: None)("look")
    try:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return await catalogs.read(connection)
    finally:
        await connection.close()


def planned(form: Form, catalog: Catalog) -> PlannedStatement | None:
    """Return the form's statement in the plan of a folder with nothing else; None where the plan skips it."""
    text = f"-- changeover: transaction=off\n{form.sql};" if form.outside else f"{form.sql};"
    statement = plan_of(text, at=catalog).migrations[0].statements[0]
    return statement if statement.decision is Decision.RUN else None
