"""A sample of what a live generation answers, by which the next candidate is judged. In memory only.

It is what clients wrote: it is never written to a file or a log, no repr shows it, and it goes with its generation.
"""

import random
import threading
from dataclasses import dataclass, field

from hotswapd.swap.gates.spec import Example, Replayed
from hotswapd.swap.rows.ended import Ended

from .clients import whose

ANSWERS, TOKENS = 64, 8000
"""What is kept at most."""
FROM_ONE = ANSWERS // 2
"""Answers to one client at most: where it fills its share, all others together have as large a one."""
_ANSWER, _WITH_PROMPT = 128, 400
"""Tokens of an answer, and of it with the end of its prompt, at most: long ones must leave room for enough others."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    lot: float
    client: str
    replayed: Replayed = field(repr=False)

    @property
    def tokens(self) -> int:
        return len(self.replayed.example.tokens)


class Sample:
    """Keeps the answers with the lowest lots, so each since the generation went live is as likely as any other.

    Every method is legal on any thread.
    """

    def __init__(self, rng: random.Random | None = None) -> None:
        """`rng` draws the lots; nobody can foresee those of the system's own."""
        self._rng = rng or random.SystemRandom()
        self._lock = threading.Lock()
        self._drawn: list[_Drawn] = []
        self._keeps = True
        self._bar = 1.0
        """Lots from here on were too high once: so most answers cost nothing after a while."""

    def keep(self, on: bool) -> None:
        """Take answers from now on, or take none and forget those that are kept."""
        self._keeps = on
        if not on:
            self.forget()

    def __len__(self) -> int:
        """Count the answers."""
        return len(self._drawn)

    @property
    def tokens(self) -> int:
        """Count their tokens, with those of their prompts."""
        return sum(one.tokens for one in self._drawn)

    def add(self, ended: Ended) -> None:
        """Draw a lot for an answer, unless it failed, is empty, or says more of its request than of the model."""
        if (
            not (self._keeps and ended.usual)
            or ended.finish not in ("stop", "length")
            or not ended.prompt
            or not ended.token_ids
        ):
            return
        lot = self._rng.random()
        if lot >= self._bar:
            return
        client = whose(ended.client)
        drawn = _Drawn(lot, client, Replayed(_cut(ended), client))
        with self._lock:
            self._drawn.append(drawn)
            self._drawn.sort(key=lambda one: one.lot)
            mine = [one for one in self._drawn if one.client == client]
            if len(mine) > FROM_ONE:
                self._drawn.remove(mine[-1])
            while len(self._drawn) > ANSWERS or self.tokens > TOKENS:
                self._bar = self._drawn.pop().lot

    def forget(self) -> None:
        """Keep nothing of what was answered so far."""
        with self._lock:
            self._drawn.clear()
            self._bar = 1.0

    def answers(self) -> tuple[Replayed, ...]:
        """Return what is kept now."""
        with self._lock:
            return tuple(one.replayed for one in self._drawn)


def _cut(ended: Ended) -> Example:
    answer = ended.token_ids[:_ANSWER]
    prompt = ended.prompt[-(_WITH_PROMPT - len(answer)) :]
    return Example((*prompt, *answer), len(prompt))
