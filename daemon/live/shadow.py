"""What the live generation, the previous one and the base make of the same prompts, where clients' answers look bad.

Clients choose prompts and sampling, so their answers prove nothing. Asked once more, greedily and in the daemon's own
name, the three are compared: an adapter is to blame only for what the others do not do. Nothing is asked without a
suspicion.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Protocol

from hotswapd.swap.rows.ended import Ended

from .clients import whose
from .tally import is_degenerate

PROMPTS, FROM_ONE = 8, 2
"""Prompts that are asked at most, and of one client."""
TOKENS = 48
"""Tokens of an answer: enough for its last 32 to be all the same."""
TRIES = 4
"""Suspicions that are looked into while a generation is watched; after that its degenerate answers say nothing."""
_PATIENCE = 120.0
"""Seconds that the answers may take; a server that is so slow decides nothing by them."""
_RATIO = 2.0
"""How many times as often as any other generation the live one must do it."""


class Asked(Protocol):
    """Prompts that a generation is answering."""

    def answers(self) -> list[tuple[int, ...]] | None:
        """Return all answers once they are complete, None before; empty if it was not possible."""
        ...

    def end(self) -> None:
        """Drop what still runs."""
        ...


Ask = Callable[[int, Sequence[tuple[int, ...]], int], Asked | None]
"""Asks a generation prompts for so many tokens each; None if it is not on the engine. For the worker's thread."""


class Shadow:
    """Collects prompts of degenerate answers, and finds out whose fault they are. `note` is legal on any thread."""

    def __init__(self, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._prompts: deque[tuple[str, tuple[int, ...]]] = deque(maxlen=PROMPTS)
        self._asked: dict[int, Asked | None] = {}
        self._until = 0.0
        self._tries = 0

    def forget(self) -> None:
        """Begin with another generation. For the worker's thread."""
        self._end()
        self._tries = 0
        with self._lock:
            self._prompts.clear()

    def note(self, ended: Ended) -> None:
        """Keep the prompt of an answer that looks bad."""
        if not (ended.usual and ended.prompt and is_degenerate(ended.token_ids)):
            return
        client = whose(ended.client)
        with self._lock:
            if Counter(one for one, _ in self._prompts)[client] < FROM_ONE:
                self._prompts.append((client, ended.prompt))

    def blames(self, live: int, previous: int, limit: float) -> bool | None:
        """Tell whether the live generation is to blame; None while that is being found out. For the worker's thread.

        `limit` is the share above which its answers are bad.
        """
        if not self._asked and not self._begin({live, previous, 0}):
            return False
        answers = {number: one.answers() for number, one in self._asked.items() if one is not None}
        late = self._clock() > self._until
        if not late and any(one is None for one in answers.values()):
            return None
        self._end()
        shares = {number: _share(one) for number, one in answers.items() if one}
        if late or live not in shares or 0 not in shares:
            return False
        others = max(share for number, share in shares.items() if number != live)
        return shares[live] > max(limit, _RATIO * others)

    def _begin(self, numbers: set[int]) -> bool:
        with self._lock:
            prompts = [prompt for _, prompt in self._prompts]
            self._prompts.clear()
        if not prompts or self._tries >= TRIES:
            return False
        self._tries += 1
        self._until = self._clock() + _PATIENCE
        self._asked = {number: self._ask(number, prompts, TOKENS) for number in sorted(numbers)}
        return True

    def _end(self) -> None:
        for one in self._asked.values():
            if one is not None:
                one.end()
        self._asked = {}


def _share(answers: list[tuple[int, ...]]) -> float:
    return sum(map(is_degenerate, answers)) / len(answers)
