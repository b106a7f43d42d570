"""Which channel is asked for next: a trace by Zipf's law, and clients that each send their next request of it."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hotswapd.swap.engine import Engine
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.tickets import Progress, Ticket

CLIENTS = 8
"""Requests under way at a time: each client sends its next one when it has its answer."""
_LIMIT = 600.0

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request of the trace: the channel by its number, from 1 on, and the prompt."""

    channel: int
    prompt: Tokens


@dataclass(slots=True)
class Played:
    """What became of a piece of the trace, in its order: the answers, the seconds of each to its first token.

    `hits` tells whether each found its channel: a place for each, since several clients write here at once.
    """

    answers: list[Tokens]
    first: list[float]
    hits: list[bool]
    seconds: float = 0.0

    @classmethod
    def nothing(cls, count: int) -> "Played":
        """Make one for so many requests, none of which has an answer yet."""
        return cls([()] * count, [0.0] * count, [False] * count)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.answers) / self.seconds

    @property
    def hit_rate(self) -> float:
        """The share of requests whose channel was at hand when they came."""
        return sum(self.hits) / len(self.hits)


class Trace:
    """An endless series of requests: the channel of rank k is asked for in proportion to 1/k."""

    def __init__(self, channels: int, vocabulary: int, prompt: int) -> None:
        """Prompts have `prompt` tokens out of `vocabulary`. The ranks lie at random over the channels."""
        self._random = random.Random(0)  # noqa: S311 - it must be the same in each run
        self._channels = self._random.sample(range(1, channels + 1), channels)
        self._weights = list(itertools.accumulate(1.0 / rank for rank in range(1, channels + 1)))
        self._vocabulary, self._prompt = vocabulary, prompt

    def piece(self, count: int) -> list[Wanted]:
        """Return the next requests."""
        chosen = self._random.choices(self._channels, cum_weights=self._weights, k=count)
        return [Wanted(one, tuple(self._random.choices(range(self._vocabulary), k=self._prompt))) for one in chosen]


@dataclass(slots=True)
class _Client:
    """Hears the answer to one request."""

    began: float
    first: float = 0.0
    tokens: Tokens = ()
    error: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def __call__(self, progress: Progress) -> None:
        self.first = self.first or time.perf_counter() - self.began
        self.tokens, self.error = progress.token_ids, progress.error or ""
        if progress.finish is not None:
            self.ended.set()


def play(engine: Engine, piece: Sequence[Wanted], tokens: int, at_hand: Callable[[Ticket], bool]) -> Played:
    """Let clients ask an engine for a piece of the trace. `at_hand` tells whether a request found its channel's berth.

    Raises RuntimeError or TimeoutError if one is not answered.
    """
    played, coming, broken = Played.nothing(len(piece)), iter(list(enumerate(piece))), []
    lock = threading.Lock()

    def client() -> None:
        try:
            while True:
                with lock:
                    at, wanted = next(coming, (-1, None))
                if wanted is None:
                    return
                _ask(engine, wanted, tokens, at_hand, played, at)
        except Exception as error:  # noqa: BLE001 - it is raised again, on the thread that measures
            broken.append(error)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    played.seconds = time.perf_counter() - began
    if broken:
        raise broken[0]
    return played


def _ask(
    engine: Engine, wanted: Wanted, tokens: int, at_hand: Callable[[Ticket], bool], played: Played, at: int
) -> None:
    heard = _Client(time.perf_counter())
    ask = Ask(wanted.prompt, tokens, ignore_eos=True, name=name_of(wanted.channel))
    played.hits[at] = at_hand(engine.submit(ask, heard))
    if not heard.ended.wait(_LIMIT):
        raise TimeoutError(f"a request had no answer within {_LIMIT:g} s")
    if heard.error:
        raise RuntimeError(heard.error)
    played.answers[at], played.first[at] = heard.tokens, heard.first


def name_of(channel: int) -> str:
    """Name a channel."""
    return f"c{channel:05}"
