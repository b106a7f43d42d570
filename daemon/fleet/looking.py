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
_IDLE = 5.0
"""Seconds after which a thread ends that nobody has asked for a look."""


class Looking:
    """Every method is legal on any thread, `fresh` on any event loop."""

    def __init__(
        self, look: Callable[[], None], limit: float = LIMIT, what: str = "fleet.shared", event: str = "shared_down"
    ) -> None:
        """`look` is called on one thread and may take for ever; what it raises, those hear who wait.

        `limit` is in seconds. `what` is looked at, and `event` is the log's name for it when a look takes too long.
        """
        self._look = look
        self._limit = limit
        self._what, self._event = what, event
        self._is_late = False
        self._more = threading.Condition()
        self._next: Future[None] | None = None
        self._since: float | None = None
        """From when on a look has been under way."""
        self._thread: threading.Thread | None = None

    def wait(self) -> bool:
        """Wait for a look; return False if it takes too long. Raises what it raises."""
        look, left = self._ask()
        try:
            look.result(timeout=left)
        except TimeoutError:
            return self._late()
        return True

    async def fresh(self) -> bool:
        """Wait for a look; return False if it takes too long. Raises what it raises."""
        look, left = self._ask()
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(look)), left)
        except TimeoutError:
            return self._late()
        return True

    def _late(self) -> bool:
        """Say once that a look takes too long."""
        if not self._is_late:
            detail = f"{self._what} has not answered for {self._limit:g} s: its last word counts"
            log.warning(self._event, detail=detail)
        self._is_late = True
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
        while (look := self._begin()) is not None:
            try:
                self._look()
            except BaseException as error:  # noqa: BLE001 - it is raised where the look is waited for
                look.set_exception(error)
            else:
                self._is_late = False
                look.set_result(None)

    def _begin(self) -> "Future[None] | None":
        """Return the look that was asked for; None if nobody has asked for a while, and the thread is to end."""
        with self._more:
            self._since = None
            if self._next is None and not self._more.wait_for(lambda: self._next is not None, _IDLE):
                self._thread = None
                return None
            look, self._next = self._next, None
            self._since = time.monotonic()
            return look
