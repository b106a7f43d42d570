"""All watched sources, each with its two threads."""

import time
from collections.abc import Collection, Iterator, Sequence

from hotswapd.loaders.source import Source

from .queue import Inbox
from .source_threads import Making, Watch

_ENDS = 1.0
"""Seconds that the threads of removed sources get to end, together."""


class Sources:
    """Iterate on any thread; `start`, `renew` and `stop` are for the main thread."""

    def __init__(self, making: Making, inbox: Inbox, sources: Sequence[Source]) -> None:
        """Start nothing yet."""
        self._making = making
        self._inbox = inbox
        self._watches = [making.watch(source) for source in sources]

    def __iter__(self) -> Iterator[Watch]:
        """Iterate over the watches."""
        return iter(self._watches)

    @property
    def thread_names(self) -> set[str]:
        """The names of all their threads."""
        return {name for watch in self._watches for name in watch.thread_names}

    def start(self) -> None:
        """Start scanning and fetching."""
        for watch in self._watches:
            watch.start()

    def renew(self, wanted: Collection[str], fresh: Sequence[Source]) -> list[str]:
        """End the watches that are no longer wanted or that a fresh source replaces, and start the new ones.

        Returns the names of the threads that were ended.
        """
        names = set(wanted) - {source.name for source in fresh}
        ended = [watch for watch in self._watches if watch.source.name not in names]
        kept = [watch for watch in self._watches if watch.source.name in names]
        until = time.monotonic() + _ENDS
        for watch in ended:
            watch.stop(max(0.0, until - time.monotonic()))
        begun = [self._making.watch(source) for source in fresh]
        self._watches = [*kept, *begun]
        self._inbox.renew(names, [source.name for source in fresh])
        for watch in begun:
            watch.start()
        return [name for watch in ended for name in watch.thread_names]

    def stop(self, seconds: float) -> bool:
        """End every thread within the seconds; return whether all ended. A thread that hangs is left behind."""
        until = time.monotonic() + seconds
        # A list: the sources after one that hangs are stopped too.
        ended = [watch.stop(max(0.0, until - time.monotonic())) for watch in self._watches]
        return all(ended)
