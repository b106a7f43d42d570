"""Many requests at once, from the first one's start to the last one's end, by CPU time and by the clock."""

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hotswapd.swap.engine import Engine
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.tickets import Progress

_LIMIT = 900.0


@dataclass(frozen=True, slots=True)
class Took:
    """What so many new tokens took: `cpu` are the seconds of all threads of this process, `wall` those of the clock."""

    tokens: int
    cpu: float
    wall: float

    @property
    def per_cpu_second(self) -> float:
        """Tokens per second of CPU time: what else the machine does is not in it."""
        return self.tokens / self.cpu

    @property
    def per_second(self) -> float:
        """Tokens per second by the clock."""
        return self.tokens / self.wall


def timed(tokens: int, act: Callable[[], object]) -> Took:
    """Time what makes so many tokens."""
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    return Took(tokens, time.process_time() - cpu, time.perf_counter() - wall)


class Crowd:
    """Makes prompts that no other request had, so that none is found in the cache, and asks with them."""

    def __init__(self, vocabulary: int, prompt: int, tokens: int) -> None:
        """Prompts have `prompt` tokens out of `vocabulary`, answers exactly `tokens`."""
        self._random = random.Random(0)  # noqa: S311 - any tokens will do
        self._vocabulary, self._prompt, self.tokens = vocabulary, prompt, tokens

    def prompts(self, count: int) -> list[tuple[int, ...]]:
        """Return new prompts."""
        return [tuple(self._random.choices(range(self._vocabulary), k=self._prompt)) for _ in range(count)]

    def asks(self, generations: Iterable[int | None]) -> list[Ask]:
        """Return a request for each of these generations; None is what is live."""
        wanted = list(generations)
        prompts = self.prompts(len(wanted))
        return [
            Ask(prompt, self.tokens, ignore_eos=True, generation=number)
            for prompt, number in zip(prompts, wanted, strict=True)
        ]

    def answer(self, engine: Engine, generations: Iterable[int | None]) -> Took:
        """Let an engine answer a request for each of these generations, all at once."""
        asks = self.asks(generations)
        return timed(len(asks) * self.tokens, lambda: answer_all(engine, asks))


def answer_all(engine: Engine, asks: Sequence[Ask], on_step: Callable[[], None] = lambda: None) -> None:
    """Wait for the answers; `on_step` is called on the loop's thread at each token. Raises RuntimeError."""
    ended, errors = threading.Semaphore(0), []

    def hear(progress: Progress) -> None:
        on_step()
        if progress.error:
            errors.append(progress.error)
        if progress.finish is not None:
            ended.release()

    for ask in asks:
        engine.submit(ask, hear)
    for _ in asks:
        if not ended.acquire(timeout=_LIMIT):
            raise TimeoutError(f"a request had no answer within {_LIMIT:g} s")
    if errors:
        raise RuntimeError(errors[0])
