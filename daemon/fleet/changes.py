"""The steps of a change, in the order that makes it safe: every replica has it, then the pointer names it.

Each step that waits is a generator: it yields when it can only wait, and whoever runs it decides how (`engine.py` rests
on the worker's thread, the simulator lets its clock run on). Nothing is decided between two yields but here.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from hotswapd.daemon.engines.protocol import Answer, NoRoom, Part
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.errors import Rejected, RolledBack

from .fleet import Fleet
from .orders import Asks, Trial
from .shared.pointer import Pointer
from .shared.trail import Term, TermLost

T = TypeVar("T")
Waits = Generator[None, None, T]
_NONE: Mapping[int, str] = {}
_ONLY_WRITER = "a replica goes by the orders of a later term: this watcher ends"


class Changes:
    """Changes one fleet in one term. For one thread, or with one lock between two yields."""

    def __init__(self, fleet: Fleet, term: Term, clock: Callable[[], float]) -> None:
        """Begin with what the term's pointer names."""
        self.fleet = fleet
        self.term = term
        self.clock = clock

    def look(self) -> None:
        """Raise TermLost if the shared place says that another watcher has begun. Takes as long as the place does."""
        with suppress(Unavailable):  # nobody else can write there either, or this watcher learns of it later
            self.term.require()

    def tick(self) -> None:
        """Do what is due by the clock; call it every second or so. Raises TermLost once another watcher has begun."""
        self._require_term()
        self.fleet.tick()

    def trying(self, trial: Trial) -> Waits[Sequence[Part]]:
        """Have every replica in rotation try a candidate as far as it asks. Raises NoRoom, TermLost.

        `trial` has begun; end it when what it staged is not needed any more.
        """
        parts = yield from self._answers(trial)
        if odd := self.fleet.votes.odd(trial, parts):
            yield from self._doubting(trial, odd)
        _require_judged(trial, parts)
        return parts

    def _answers(self, trial: Trial) -> Waits[Sequence[Part]]:
        since = self.clock()
        self.fleet.ask(trial)
        while (parts := self.fleet.votes.ballot(trial, since)) is None:
            self._require_term()
            yield
        self._require_term()
        return parts

    def _doubting(self, trial: Trial, odd: tuple[str, ...]) -> Waits[None]:
        """Have those that alone refuse a candidate try it once more: it stays refused, and they may be replaced."""
        trial = replace(trial, again=odd)
        try:
            parts = yield from self._answers(trial)
        except NoRoom:  # nobody answers any more: nobody is to be doubted, and the refusal stands
            return
        still = self.fleet.votes.odd(trial, parts)
        if still and set(still) <= set(odd):
            self.fleet.votes.blame(trial, parts, still)

    def opening(self, several: Mapping[int, str], swaps: Mapping[int, str] = _NONE) -> Waits[None]:
        """Have every replica in rotation answer for these generations. Raises NoRoom, TermLost; then they are not.

        `swaps` has their swap_ids, for the logs.
        """
        since = self.clock()
        try:
            for number, digest in several.items():
                self.fleet.open(number, digest, swaps.get(number, ""))
            while not all(self.fleet.has_opened(number, since) for number in several):
                self._require_term()
                yield
        except BaseException:
            self.abandon(several)
            raise

    def abandon(self, numbers: Iterable[int]) -> None:
        """Leave the replicas as they were before `opening`, as far as it matters to a request."""
        for number in numbers:
            self.fleet.withdraw(number)

    def pointing(
        self,
        routes: Mapping[str, Mapping[str, Any]],
        highest: int = 0,
        follow: Callable[[Pointer], None] | None = None,
    ) -> Waits[Pointer]:
        """Let requests go where `routes` says, from one moment on. Raises TermLost; then they never do.

        While the shared place cannot be reached nobody knows whether that moment was, so it goes on trying. A step
        takes as long as the place does, and touches nothing but the term: `follow` has the fleet know, with the lock.
        """
        due = self.term.now.next(routes, highest)
        while True:
            try:
                self.term.write(due)
            except Unavailable:
                yield
            else:
                (follow or self.fleet.follow)(due)
                return due

    def _require_term(self) -> None:
        if self.fleet.is_over:
            raise TermLost(_ONLY_WRITER)


def _require_judged(trial: Trial, parts: Sequence[Part]) -> None:
    """Raise NoRoom if all would be well, and the one that was to run all gates did not: then it is tried again."""
    if trial.asks != Asks.VERIFY or not trial.judge or any(part.answer == Answer.REFUSED for part in parts):
        return
    if not any(part.member == trial.judge and part.answer == Answer.FIT for part in parts):
        raise NoRoom(f"{trial.judge}, which was to run all gates, is lost; another one does")


def require_laid_out(parts: Sequence[Part]) -> None:
    """Check that nobody refused to lay out a candidate. Raises Rejected or RolledBack, which name the replica."""
    for part in parts:
        if part.misfits:
            first, *others = part.misfits
            raise Rejected([replace(first, place=f"{part.member}: {first.place}"), *others])
        if part.answer == Answer.REFUSED:
            raise RolledBack(part.code, f"{part.member}: {part.sentence}")
