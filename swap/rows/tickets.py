"""A request from outside: what it hears, which generation answers it, and how it ended. No torch."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .asks import Ask
from .candidate import Candidate
from .ended import Ended
from .paces import Paces

if TYPE_CHECKING:
    from hotswapd.swap.berths.image import Image


class QueueFull(Exception):
    """As many requests wait as may: answer 429 and ask to come again."""


class NoGeneration(Exception):
    """Nothing has the generation that was asked for. `available` are those that can be asked for."""

    def __init__(self, wanted: int | Candidate | None, available: Sequence[int]) -> None:
        """`wanted` None is the live one, which there is not before the first goes live and after the end."""
        self.available = tuple(available)
        listed = ", ".join(f"g{number}" for number in self.available)
        super().__init__(f"{_name(wanted)} is not served any more; there is {listed or 'none'}")


def _name(wanted: int | Candidate | None) -> str:
    match wanted:
        case None:
            return "the live generation"
        case Candidate():
            return wanted.value
    return f"generation {wanted}"


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """A position's log-probabilities in nats, in the model's own distribution: before temperature and penalties.

    `top` are the likeliest tokens with theirs, the likeliest first.
    """

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """What a request hears after each step: all its tokens so far, and how it ended when it did.

    `finish` is None while it runs, then ``stop``, ``length`` or ``error``; `error` is a sentence then, and `code` its
    stable code if it has one. `logprobs` are as many as the tokens where the request asked for them; those of the
    prompt come once, with the first tokens: None for its first token.
    """

    token_ids: tuple[int, ...]
    finish: str | None = None
    error: str | None = None
    code: str = ""
    logprobs: tuple[TokenLogprobs, ...] = ()
    prompt_logprobs: tuple[TokenLogprobs | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step has made of one request: its newest `token` (None without one), and its end."""

    token: int | None = None
    finish: str | None = None
    error: str | None = None
    code: str = ""
    logprob: float | None = None
    non_finite: bool = False


@dataclass(slots=True, eq=False)
class Place:
    """A generation, the served names that it is live under, and its requests."""

    image: "Image"
    names: set[str] = field(default_factory=set)
    opened: bool = False
    lent: bool = False
    withdrawn: bool = False
    retired_at: float | None = None
    asked_at: float = 0.0
    tickets: dict[str, "Ticket"] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Its generation."""
        return self.image.number

    @property
    def digest(self) -> str:
        """The digest of its adapter."""
        return self.image.digest

    @property
    def open(self) -> bool:
        """Whether new requests go to it though it has none."""
        return bool(self.names) or self.opened

    @property
    def needed(self) -> bool:
        """Whether its berth is needed."""
        return self.open or self.lent or bool(self.tickets)


@dataclass(slots=True, eq=False)
class Parked:
    """A generation that requests can ask for and that has no berth now; those that do wait here, in order."""

    number: int
    digest: str
    names: set[str] = field(default_factory=set)
    withdrawn: bool = False
    tickets: dict[str, "Ticket"] = field(default_factory=dict)


class Ticket:
    """A request under way: which generation answers it, and the way to cancel it."""

    def __init__(
        self,
        name: str,
        place: Place | Parked,
        ask: Ask,
        hear: Callable[[Progress], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives the seconds by which the request is timed."""
        self.name = name
        self.ask = ask
        self.place = place
        self.generation: int = place.number
        self.digest: str = place.digest
        self.channel: str = ask.name
        self.started = False
        self.non_finite = False
        self.tokens: list[int] = []
        self.logprobs: list[TokenLogprobs] = []
        self.prompt_logprobs: tuple[TokenLogprobs | None, ...] = ()
        self.paces = Paces()
        self._clock = clock
        self._asked = self._began = self._heard_at = clock()
        self._hear = hear
        self._total = 0.0
        self._scored = 0

    def take(self, outcome: Outcome) -> Progress:
        """Take in what a step has made of it, on the loop's thread; `ended` has it from then on."""
        self._heard_at = self._clock()
        if not self.started:
            self.started, self._began = True, self._heard_at
        if outcome.token is not None:
            self.tokens.append(outcome.token)
        if outcome.logprob is not None:
            self._total += outcome.logprob
            self._scored += 1
        self.non_finite |= outcome.non_finite
        given, self.prompt_logprobs = self.prompt_logprobs, ()
        return Progress(tuple(self.tokens), outcome.finish, outcome.error, outcome.code, tuple(self.logprobs), given)

    def pass_on(self, progress: Progress) -> None:
        """Give it to the listener, on the loop's thread; the listener must neither block nor raise."""
        self._hear(progress)

    def ended(self, finish: str) -> Ended:
        """Sum it up."""
        scored = self._scored == len(self.tokens) > 0
        return Ended(
            generation=self.generation,
            token_ids=tuple(self.tokens),
            finish=finish,
            non_finite=self.non_finite,
            seconds=self._heard_at - self._began,
            first=self._began - self._asked,
            tag=self.ask.tag,
            logprob=self._total / self._scored if scored else None,
            channel=self.channel,
            prompt=self.ask.prompt,
            client=self.ask.client,
            paces=self.paces.means(),
            usual=self.ask.sampling.usual and not self.ask.ignore_eos,
        )
