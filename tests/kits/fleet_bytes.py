"""What the replicas of one machine keep of an adapter while they stage it: looked at all the time, by a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotswapd.loaders.files import WEIGHTS

_LOOK = 0.01


class Seen:
    """The most bytes of weights that lay there at once, in how many files, and what lies there now."""

    def __init__(self, places: list[Path]) -> None:
        self._places = places
        self.most = self.files = 0

    def now(self) -> int:
        """Look, and return the bytes."""
        sizes = [size for place in self._places for size in _sizes(place)]
        self.most, self.files = max(self.most, sum(sizes)), max(self.files, len(sizes))
        return sum(sizes)


def _sizes(place: Path) -> Iterator[int]:
    """Yield the bytes that each file of weights has on the disk or in memory."""
    for path in place.rglob(WEIGHTS):
        try:
            yield path.stat().st_blocks * 512
        except FileNotFoundError:
            continue  # it has gone since it was listed


@contextmanager
def looking(*places: Path) -> Iterator[Seen]:
    """Look as long as the block runs."""
    seen, stop = Seen(list(places)), threading.Event()

    def look() -> None:
        while not stop.wait(_LOOK):
            seen.now()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
