"""A page that costs something to make: made once for all who wait for it, and never more than a share of a core."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from anyio import to_thread

_REST = 4.0
"""After so many seconds of making it, so many times as long passes before it is made again: a fifth of a core."""
_LONGEST_REST = 1.0


class Rendered:
    """For one event loop. A page is never older than the request that is answered with it."""

    def __init__(
        self,
        render: Callable[[], bytes],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`render` is called on a thread of its own, one call at a time. `clock` and `sleep` are in seconds."""
        self._render = render
        self._clock = clock
        self._sleep = sleep
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[bytes] | None = None
        self._rests_until = 0.0

    async def get(self) -> bytes:
        """Return the page as it is from now on; raises what `render` raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._make())
        return await asyncio.shield(self._next)  # others wait for it when this client goes

    async def _make(self) -> bytes:
        async with self._one_at_a_time:
            await self._sleep(min(max(0.0, self._rests_until - self._clock()), _LONGEST_REST))
            self._next = None  # what has changed since is for whoever asks from here on
            began = self._clock()
            try:
                return await to_thread.run_sync(self._render)
            finally:
                ended = self._clock()
                self._rests_until = ended + _REST * (ended - began)
