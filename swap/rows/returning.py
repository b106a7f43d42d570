"""The way back of what was parked: one thread gives berths to generations that requests wait for, in that order.

Whoever was asked for first has the next berth that becomes free. If none is, the coldest generation gives its own (see
`heat` and `Routes.make_room`): at once if it has no requests and is not spared, otherwise when those have ended, and
new ones for it wait in line. So nobody waits for ever, and what is asked for all the time is the last to be parked.
"""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from hotswapd.swap.errors import NoBerth

from .rows import Rows
from .tickets import Parked

if TYPE_CHECKING:
    from hotswapd.swap.berths.image import Image

log = logging.getLogger(__name__)
_LOOK = 1.0
"""Seconds after which it looks again although nobody has called: a berth may have become free unheard."""


class Returning:
    """Brings parked generations back. `start` and `stop` once each."""

    def __init__(self, rows: Rows, bring: Callable[[Parked], "Image"], drop: Callable[["Image"], None]) -> None:
        """`bring` lays the adapter out in a berth, which `drop` lets go of: both on this thread.

        `bring` raises NoBerth; whatever else it raises fails the requests that wait for this generation.
        """
        self._rows = rows
        self._bring = bring
        self._drop = drop
        self._wake = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="returning", daemon=True)
        rows.on_wanted = self._wake.set

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """End the thread after what it is doing."""
        self._ending = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._ending:
            self._wake.clear()
            if not self.turn():
                self._wake.wait(_LOOK)

    def turn(self) -> bool:
        """Give a berth, or see to it that one becomes free; return False if nothing can be done now.

        On the thread that `start` starts, or without it on a caller's own.
        """
        parked = self._rows.wanted()
        return parked is not None and self._give_berth(parked)

    def _give_berth(self, parked: Parked) -> bool:
        """Bring one back; return False if it has to wait for a berth."""
        try:
            image = self._bring(parked)
        except NoBerth:
            return self._rows.make_room(parked)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are told
            log.error("generation %s cannot be brought back: %s", parked.number, error)  # noqa: TRY400
            self._rows.lost(parked, f"generation {parked.number} cannot be brought back now: {error}")
            return True
        try:
            self._rows.arrived(parked, image)
        finally:
            self._drop(image)
        return True
