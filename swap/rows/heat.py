"""How often served names are asked for, of late. No torch, and no clock: its time are the requests themselves."""

from collections.abc import Iterable


class Heat:
    """Counts requests by name; each counts half as much after so many requests to any name.

    So a name that is asked for all the time is hot, one request makes none hot, and what was hot once cools down when
    others are asked for, but not at night, when nobody is. Every method is legal with the lock of `Rows` only.
    """

    def __init__(self, half: float) -> None:
        """`half` is in requests: a tiny one leaves nothing but who was asked for last, which is plain LRU."""
        self._half = half
        self._asked = 0
        self._counts: dict[str, tuple[float, int]] = {}

    def ask(self, name: str) -> None:
        """Count a request."""
        self._asked += 1
        self._counts[name] = (self.of((name,)) + 1.0, self._asked)

    def of(self, names: Iterable[str]) -> float:
        """Return how hot these names are together: as many requests, the older ones counting less."""
        return sum(self._now(name) for name in names)

    def forget(self, name: str) -> None:
        """Let go of a name that is served no more."""
        self._counts.pop(name, None)

    def _now(self, name: str) -> float:
        count, at = self._counts.get(name, (0.0, self._asked))
        return count * float(0.5 ** ((self._asked - at) / self._half))
