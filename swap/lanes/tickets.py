"""What goes into a lane and what comes out of it: requests, their tickets, and the seats they have."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from transformers.generation.continuous_batching.requests import GenerationOutput, RequestStatus

from hotswapd.swap.errors import NoLane

from .candidate import CANDIDATE, Candidate
from .ended import Ended
from .lane import Lane
from .sampling import Sampling, Seen

if TYPE_CHECKING:
    from hotswapd.swap.arena.image import Image

__all__ = [
    "CANDIDATE",
    "Candidate",
    "Ended",
    "LaneRequest",
    "LaneStatus",
    "LanesFull",
    "NoGeneration",
    "NoLane",
    "Progress",
    "Seat",
    "Ticket",
]


class LanesFull(Exception):
    """As many requests wait as may: answer 429 and ask to come again."""


class NoGeneration(Exception):
    """No lane has the generation that was asked for. `available` are those that can be asked for."""

    def __init__(self, wanted: int | Candidate | None, available: Sequence[int]) -> None:
        """`wanted` None is the live one, which there is not before the first goes live and after `Lanes.stop`."""
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
class Progress:
    """What a request hears after each step: all its tokens so far, and how it ended when it did.

    `finish` is None while it runs, then ``stop``, ``length`` or ``error``; `error` is a sentence.
    """

    token_ids: tuple[int, ...]
    finish: str | None = None
    error: str | None = None

    @classmethod
    def of(cls, output: GenerationOutput, stops: Sequence[int]) -> "Progress":
        """Read what the loop says of a request."""
        tokens = tuple(output.generated_tokens)
        if output.status == RequestStatus.FAILED:
            return cls(tokens, "error", output.error or "the lane ended before the request did")
        if output.status != RequestStatus.FINISHED:
            return cls(tokens)
        return cls(tokens, "stop" if tokens and tokens[-1] in stops else "length")


@dataclass(frozen=True, slots=True)
class LaneRequest:
    """One request, checked: see `Lanes.longest` and the vocabulary for what a lane survives.

    `tag` is the caller's own; it comes back in `Ended`.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    stops: tuple[int, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    tag: str = ""


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """A line of `/status`: requests that have produced a token are active, the others wait."""

    generation: int
    active: int
    waiting: int
    digest: str = ""


class Ticket:
    """A request under way: which generation answers it, and the way to cancel it."""

    def __init__(
        self,
        name: str,
        seat: "Seat",
        hear: Callable[[Progress], None],
        stops: tuple[int, ...],
        tag: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives the seconds by which the request is timed."""
        image = seat.image
        self.name = name
        self.generation: int = image.number
        self.digest: str = image.digest
        self.started = False
        self.non_finite = False
        self._clock = clock
        self._asked = self._began = self._heard_at = clock()
        self._tag = tag
        self._logprobs = 0.0
        self._scored = 0
        self._token_ids: tuple[int, ...] = ()
        self._seat = seat
        self._hear = hear
        self._stops = stops

    def note(self, seen: Seen) -> None:
        """Take in what the logits of its newest token say, on the lane's thread, before `tell`."""
        self.non_finite |= seen.non_finite
        if seen.logprob is not None:
            self._logprobs += seen.logprob
            self._scored += 1

    def tell(self, progress: Progress) -> None:
        """Take it in and pass it on, on the lane's thread; the listener must neither block nor raise."""
        self.take(progress)
        self.pass_on(progress)

    def take(self, progress: Progress) -> None:
        """Take in its tokens and its time, on the lane's thread; `ended` has them from then on."""
        self._heard_at = self._clock()
        if not self.started:
            self.started, self._began = True, self._heard_at
        self._token_ids = progress.token_ids or self._token_ids

    def pass_on(self, progress: Progress) -> None:
        """Give it to the listener, on the lane's thread; the listener must neither block nor raise."""
        self._hear(progress)

    def ended(self, finish: str) -> Ended:
        """Sum it up."""
        seconds = self._heard_at - self._began
        first = self._began - self._asked
        scored = self._scored == len(self._token_ids) > 0
        logprob = self._logprobs / self._scored if scored else None
        return Ended(self.generation, self._token_ids, finish, self.non_finite, seconds, first, self._tag, logprob)


class Seat:
    """A lane, the generation that it is bound to, and the requests that are in it."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.tickets: dict[str, Ticket] = {}
        self.deaths = 0
        self.retired_at: float | None = None
        self.withdrawn = False

    @property
    def image(self) -> "Image":
        if self.lane.image is None:
            raise RuntimeError("the lane is bound to no generation")
        return self.lane.image

    def status(self) -> LaneStatus:
        """Describe it; legal with the lanes' lock."""
        active = sum(ticket.started for ticket in self.tickets.values())
        return LaneStatus(self.image.number, active, len(self.tickets) - active, self.image.digest)
