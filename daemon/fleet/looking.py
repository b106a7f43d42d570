"""Looks at the shared place on a thread of their own: a mount that hangs holds up that thread, and nobody else.

Whoever asks for a look gets one that began after it asked, and shares it with everybody who asks meanwhile. So it has
seen all that anybody had been answered with by then.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import structlog

log = structlog.get_logger(__name__)
LIMIT = 2.0
"""Seconds that a look may take; while one takes longer nobody waits for the next."""


class Looking:
    """Every method is legal on any thread, `fresh` on any event loop."""

    def __init__(self, look: Callable[[], None], limit: float = LIMIT) -> None:
        """`look` is called on one thread, may take for ever, and must not raise; `limit` is in seconds."""
        self._look = look
        self._limit = limit
        self._more = threading.Condition()
        self._next: Future[None] | None = None
        self._since: float | None = None
        """From when on a look has been under way."""
        self._thread: threading.Thread | None = None

    def wait(self) -> bool:
        """Wait for a look; return False if it takes too long."""
        look, left = self._ask()
        try:
            look.result(timeout=left)
        except TimeoutError:
            return self._late()
        return True

    async def fresh(self) -> bool:
        """Wait for a look; return False if it takes too long."""
        look, left = self._ask()
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(look)), left)
        except TimeoutError:
            return self._late()
        return True

    def _late(self) -> bool:
        log.warning("shared_down", detail=f"fleet.shared has not answered for {self._limit:g} s: its last word counts")
        return False

    def _ask(self) -> tuple["Future[None]", float]:
        """Return a look that has not begun yet, and how many seconds it is worth waiting for it."""
        with self._more:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="looks", daemon=True)
                self._thread.start()
            if self._next is None:
                self._next = Future()
                self._more.notify()
            under_way = 0.0 if self._since is None else time.monotonic() - self._since
            return self._next, max(0.0, self._limit - under_way)

    def _run(self) -> None:
        while True:
            with self._more:
                self._since = None
                while self._next is None:
                    self._more.wait()
                look, self._next = self._next, None
                self._since = time.monotonic()
            self._look()
            look.set_result(None)
