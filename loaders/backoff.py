"""How long to pause before another try."""

from collections.abc import Iterator


def backoff(first: float, last: float) -> Iterator[float]:
    """Yield pauses in seconds without end: `first`, then each twice the previous one, and never more than `last`."""
    pause = first
    while True:
        yield pause
        pause = min(pause * 2, last)
