"""A link to a server that adds to each round trip: `python -m tests.benchmarks.slow_link HOST PORT SECONDS`.

Half of it on the way there, half on the way back. It delays and does not throttle: what is sent one after another
arrives one after another. It prints the port at which it listens on 127.0.0.1, and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 18):
            loop.call_later(delay, writer.write, data)
            if writer.transport.get_write_buffer_size() > 1 << 20:
                await writer.drain()
    loop.call_later(delay, writer.close)


async def _serve(host: str, port: int, round_trip: float) -> None:
    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        await asyncio.gather(_carry(reader, back, round_trip / 2), _carry(there, writer, round_trip / 2))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
