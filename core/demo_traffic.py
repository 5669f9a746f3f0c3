"""The life on the demo's database: a few application connections, and a report that is in the way now and then.

A process of its own, so that it goes on whatever the console does, and ends by itself when the console's end of its
standard input closes, however the console died. It works before, during and after the migrations: it uses the columns
and tables that are there, and connects again after every loss.

    python -m changeover.core.demo_traffic SOCKET_FOLDER PORT
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from .connect import Connection, Connector
from .errors import ChangeoverError
from .settings import Retry
from .sql import query
from .target import Target

DATABASE: Final = "donations"
APPLICATION: Final = "donation-app"
REPORT: Final = "nightly-report"
# Connections of the application; each sends about ten short queries a second.
_APPLICATIONS: Final = 3
# Seconds: the report is in its transaction for the first, and away for the second. Longer than a migration waits for
# a lock, and much shorter than it tries.
_REPORT_HOLDS: Final = 7.0
_REPORT_RESTS: Final = 4.0
_SESSIONS: Final = 500


async def _donate(connection: Connection) -> None:
    """Visit the site for a while: read the front page, and donate."""
    schema = (await connection.fetch(query("demo_schema")))[0]
    for _ in range(20):
        await connection.fetch("SELECT id, amount_cents FROM donations ORDER BY created_at DESC LIMIT 10")
        # Put together from fixed parts: nothing here comes from outside.
        columns, values = "user_id, amount_cents, currency", "1 + floor(random() * 3000)::integer, $1, 'EUR'"
        session = f"md5('session ' || {random.randint(1, _SESSIONS)})::uuid"
        if schema["sessions"]:
            columns, values = f"{columns}, session_id", f"{values}, {session}"
        amount = 100 * random.randint(1, 250)
        given = await connection.fetch(
            f"INSERT INTO donations ({columns}) VALUES ({values}) RETURNING id, user_id",  # noqa: S608
            amount,
        )
        if schema["transactions"]:
            await connection.fetch(
                "INSERT INTO donation_transactions (donation_id, user_id, session_id, kind, amount_cents, currency) "  # noqa: S608
                f"VALUES ($1, $2, {session}, 'charge', $3, 'EUR')",
                given[0]["id"],
                given[0]["user_id"],
                amount,
            )
        await asyncio.sleep(random.uniform(0.15, 0.35))


async def _report(connection: Connection) -> None:
    """Read donations in one long transaction, as reports do: ACCESS SHARE stays on the table until it ends."""
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    await connection.fetch("SELECT currency, count(*), sum(amount_cents) FROM donations GROUP BY currency")
    await asyncio.sleep(_REPORT_HOLDS)
    await connection.execute("COMMIT")
    await asyncio.sleep(_REPORT_RESTS)


async def _keep_doing(target: Target, application: str, work: Callable[[Connection], Awaitable[None]]) -> None:
    while True:
        connector = Connector(target, Retry(retries=0, timeout=5), emit=lambda _: None)
        # Whatever the server says (a column changed its type under a query, the server restarts): start over.
        with contextlib.suppress(ChangeoverError):
            connection = await connector("look")
            await connection.execute(f"SET application_name = '{application}'")
            while True:
                await work(connection)
        await connector.close()
        await asyncio.sleep(0.5)


async def _input_ends() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def main(folder: str, port: int) -> None:
    """Make traffic until standard input ends."""
    target = Target(host=folder, port=port, database=DATABASE, user="donation_app", sslmode="disable")
    async with asyncio.TaskGroup() as group:
        busy = [group.create_task(_keep_doing(target, REPORT, _report))]
        busy += [group.create_task(_keep_doing(target, APPLICATION, _donate)) for _ in range(_APPLICATIONS)]
        await _input_ends()
        for task in busy:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
