"""What a generation's requests have shown so far."""

from collections import Counter, deque
from dataclasses import dataclass, field

from hotswapd.swap.lanes.ended import Ended

_TAIL, _SAME = 32, 0.9


"""An answer is degenerate when one token makes up so much of its last tokens."""


_PACES = 512


@dataclass(slots=True)
class Tally:
    """What was seen of one generation. `paces` are seconds a token, of its last answers."""

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
        """Say how much of all requests a count is."""
        return count / self.requests if self.requests else 0.0


def is_degenerate(tokens: tuple[int, ...]) -> bool:
    """Say whether the end of an answer is one token over and over."""
    tail = tokens[-_TAIL:]
    return len(tail) == _TAIL and Counter(tail).most_common(1)[0][1] >= _SAME * _TAIL
