"""A server that takes the attacks in the daemon's place and makes nothing of them: ``python -m runs.attack_bystander``.

On a machine with few processors the attackers keep users waiting though they never reach the daemon. What users wait
while the same attack goes on here is what the attackers cost; what they wait beyond it is what the daemon lets them do.
It gives way to everybody, as the attackers do, so that it adds as little to that as it can.
"""

import asyncio
import contextlib
import re

from kits.niceness import give_way

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_PATIENCE = 30.0
_REFUSED = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read one request to its end, refuse it, and close."""
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(_PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            said = _LENGTH.search(head)
            left = int(said[1]) if said else 0
            while left > 0 and (piece := await reader.read(min(left, 65536))):
                left -= len(piece)
            writer.write(_REFUSED)
            await writer.drain()
    writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    give_way()
    asyncio.run(_serve())
