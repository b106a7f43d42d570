"""A few threads for what is too long for the event loop, shared fairly: clients take turns, whoever sends how much."""

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from hotswapd.daemon.errors import Busy, ErrorCode
from hotswapd.swap.rows.prompts import Wanted

T = TypeVar("T")
_MOST = 4096


class _Job(Generic[T]):
    """One call, its result, and whether somebody waits for it."""

    def __init__(self, call: Callable[[Wanted], T]) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._dropped = threading.Event()
        self.result: asyncio.Future[T] = self._loop.create_future()

    def drop(self) -> None:
        self._dropped.set()

    def run(self) -> None:
        """Call it, unless nobody waits any more."""
        if self._dropped.is_set():
            return
        try:
            value = self._call(lambda: not self._dropped.is_set())
        except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
            failure = error
            self._report(lambda: self.result.set_exception(failure))
        else:
            self._report(lambda: self.result.set_result(value))

    def _report(self, settle: Callable[[], None]) -> None:
        def on_loop() -> None:
            if not self.result.done():
                settle()

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(on_loop)


class FairPool:
    """Runs calls on at most so many threads, one call of each client at a time. Threads end when nothing is left.

    `run` is for one event loop.
    """

    def __init__(self, threads: int = 2, most: int = _MOST) -> None:
        """`most` calls may wait at once."""
        self._threads = threads
        self._most = most
        self._lock = threading.Lock()
        self._turns: OrderedDict[str, deque[_Job[object]]] = OrderedDict()
        self._busy: set[str] = set()
        self._running = 0
        self.waiting = 0
        """Calls that have not begun."""

    async def run(self, client: str, call: Callable[[Wanted], T]) -> T:
        """Return what the call returns, or raise what it raises.

        Cancelling drops it: it is not begun, or finds out by `Wanted`. Raises Busy if too many wait.
        """
        job = _Job(call)
        self._add(client, job)  # type: ignore[arg-type] # a queue does not care what its jobs return
        try:
            return await job.result
        finally:
            job.drop()

    def _add(self, client: str, job: _Job[object]) -> None:
        with self._lock:
            if self.waiting >= self._most:
                raise Busy(ErrorCode.QUEUE_FULL, f"{self._most} requests wait to be read; try again in a moment")
            self.waiting += 1
            self._turns.setdefault(client, deque()).append(job)
            if self._running == self._threads:
                return
            self._running += 1
        threading.Thread(target=self._work, name="prepare", daemon=True).start()

    def _work(self) -> None:
        while (turn := self._next()) is not None:
            client, job = turn
            job.run()
            with self._lock:
                self._busy.discard(client)

    def _next(self) -> tuple[str, _Job[object]] | None:
        """Take the next client's oldest job, and send that client to the end of the line; None ends the thread."""
        with self._lock:
            for client, jobs in self._turns.items():
                if client in self._busy:
                    continue
                job = jobs.popleft()
                self.waiting -= 1
                self._busy.add(client)
                self._turns.move_to_end(client)
                if not jobs:
                    del self._turns[client]
                return client, job
            self._running -= 1
            return None
