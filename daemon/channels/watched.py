"""Whose watch counts the requests of a generation: numbers are one series for all channels, watches are not."""

import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hotswapd.daemon.engines.protocol import Staged
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.live.going_live import Listener
from hotswapd.daemon.live.watch import LiveWatch

if TYPE_CHECKING:
    from hotswapd.swap.rows.ended import Ended

_KEPT = 8
"""Generations of each channel that are known, the newest: as many as a watch keeps counts of."""


class Watched:
    """Watches by generation. Every method is legal on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: dict[int, LiveWatch] = {}
        self._channels: dict[int, str] = {}
        self._numbers: defaultdict[str, list[int]] = defaultdict(list)

    def note(self, live: Generation, watch: LiveWatch) -> None:
        """Note who counts; the bare base, which any channel may have, counts for the default one."""
        if not live.number and live.channel != DEFAULT:
            return
        with self._lock:
            numbers = [number for number in self._numbers[live.channel] if number != live.number] + [live.number]
            for old in numbers[:-_KEPT]:
                self._watches.pop(old, None)
                self._channels.pop(old, None)
            self._numbers[live.channel] = numbers[-_KEPT:]
            self._watches[live.number] = watch
            if live.number:
                self._channels[live.number] = live.channel

    def owner(self, generation: int) -> str | None:
        """Return the channel of a generation; None if it was not live lately, or is the bare base."""
        with self._lock:
            return self._channels.get(generation)

    def forget(self, channel: str) -> None:
        """Let go of a channel's generations."""
        with self._lock:
            for number in self._numbers.pop(channel, ()):
                self._watches.pop(number, None)
                self._channels.pop(number, None)

    def ended(self, ended: "Ended") -> None:
        """Count a request that has ended."""
        with self._lock:
            watch = self._watches.get(ended.generation)
        if watch is not None:
            watch.ended(ended)


@dataclass(frozen=True, slots=True)
class Noting:
    """The listener of one channel's `Live`: it notes whose watch counts, and passes everything on."""

    watched: Watched
    watch: LiveWatch
    listener: Listener

    def went_live(self, live: Generation, staged: Staged, pause: float | None) -> None:
        """Note it, and pass it on."""
        self.watched.note(live, self.watch)
        self.listener.went_live(live, staged, pause)
