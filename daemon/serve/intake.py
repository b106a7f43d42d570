"""A request before it reaches the model: read, parsed and tokenized within bounds, off the event loop, fairly."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from hotswapd.daemon.errors import ErrorCode, FaceError
from hotswapd.swap.rows.prompts import Wanted

from .answerer import Answerer
from .bodies import Bodies
from .body import read_within, require_json
from .fair_pool import FairPool
from .requests.reading import MAX_BODY_BYTES
from .trimming import Trimming

T = TypeVar("T")
Work = Callable[[bytearray, Wanted], T]
"""Parses a body, and whatever takes long besides; asks now and then whether anybody waits for it. May raise."""
CLIENT_GONE = 499
"""nginx's number for it; nobody reads the answer, but the metric counts what happened."""


class TooLarge(FaceError):
    """The body is larger than any prompt can be."""

    status = 413


class ClientGone(FaceError):
    """The client went away before it was answered."""

    status = CLIENT_GONE

    def __init__(self) -> None:
        super().__init__(ErrorCode.HTTP_ERROR, "the client has gone")


class Intake:
    """Takes requests in for one event loop."""

    def __init__(self) -> None:
        self._bodies = Bodies()
        self._pool = FairPool()
        self._trimming = Trimming()

    async def take(self, request: Request, client: str, answerer: Answerer, work: Work[T]) -> T:
        """Read one body and return what the work makes of it, on a thread of the pool.

        `client` is whom it takes turns for. What is under way for a client that goes away is dropped. Raises FaceError.
        """
        require_json(request)
        with self._bodies.of(client) as held:
            body = await _read(request, held.grows, min(MAX_BODY_BYTES, answerer.most_bytes()))
            self._trimming.count(len(body))
            return await _while_there(request, self._pool.run(client, functools.partial(work, body)))


async def _while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Wait for the work; cancel it when the client goes away. Raises ClientGone."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(until_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        await end(task, gone)


async def until_gone(request: Request) -> None:
    """Wait until the client of a request, whose body has been read, goes away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel what has not ended, and wait until it has."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _read(request: Request, grows: Callable[[int], None], most: int) -> bytearray:
    """Read the body, but never more than a prompt can need. Raises FaceError."""
    too_large = TooLarge(ErrorCode.BODY_TOO_LARGE, f"a request has at most {most} bytes here")
    try:
        return await read_within(request, most, too_large, grows)
    except ClientDisconnect:
        raise ClientGone from None
