"""Counts of a generation's requests, and what a degenerate answer is."""

from collections import Counter, deque
from dataclasses import dataclass, field

from hotswapd.swap.rows.ended import Ended

_TAIL, _SAME = 32, 0.9
"""An answer is degenerate if one token makes up this share of this many last tokens."""
_PACES = 512
"""Paces that are kept, the newest."""


@dataclass(slots=True)
class Tally:
    """What was counted of one generation. `paces` are seconds per token, of its last answers."""

    requests: int = 0
    non_finite: int = 0
    degenerate: int = 0
    errors: int = 0
    paces: deque[float] = field(default_factory=lambda: deque(maxlen=_PACES))

    def add(self, ended: Ended) -> None:
        """Count one request."""
        self.requests += 1
        self.non_finite += ended.non_finite
        self.degenerate += is_degenerate(ended.token_ids)
        self.errors += ended.finish == "error"
        if len(ended.token_ids) > 1:
            self.paces.append(ended.seconds / (len(ended.token_ids) - 1))

    def share(self, count: int) -> float:
        """Return a count as a share of all requests, 0 while there are none."""
        return count / self.requests if self.requests else 0.0


def is_degenerate(tokens: tuple[int, ...]) -> bool:
    """Tell whether an answer ends in one token over and over."""
    tail = tokens[-_TAIL:]
    return len(tail) == _TAIL and Counter(tail).most_common(1)[0][1] >= _SAME * _TAIL
