"""Requests for the parts of the loop that need no model, and a runner that computes nothing but sums."""

import itertools
import threading
from collections.abc import Sequence as Several
from contextlib import nullcontext
from typing import Any

import torch

from hotswapd.swap.berths.image import Image
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.drawing import Drawer
from hotswapd.swap.rows.loop import Loop
from hotswapd.swap.rows.pages import Pages
from hotswapd.swap.rows.runner import Ran, wanted_rows
from hotswapd.swap.rows.sampling import Sampling
from hotswapd.swap.rows.schedule import Piece, Schedule
from hotswapd.swap.rows.sequence import Sequence
from hotswapd.swap.rows.tickets import Outcome, Place, Ticket

LONG = 60.0
VOCABULARY = 32
_names = itertools.count()


def image(number: int = 0, digest: str = "") -> Image:
    """Make an image without a berth's memory."""
    return Image(torch.empty(0), digest or f"{number:064x}", berth=number - 1, generation=number, holders=1)


def ticket(prompt: Several[int], tokens: int = 4, *, of: Image | None = None, **how: Any) -> Ticket:
    """Make a request; `how` are fields of the Ask or of its Sampling."""
    fields = {name: how.pop(name) for name in list(how) if name in Ask.__dataclass_fields__}
    ask = Ask(tuple(prompt), tokens, sampling=Sampling(**how), **{"ignore_eos": True, **fields})
    return Ticket(f"t{next(_names)}", Place(of or image()), ask, lambda _: None)


def sequence(prompt: Several[int], tokens: int = 4, **how: Any) -> Sequence:
    """Make a request as the loop has it, later than all that were made before."""
    return Sequence(ticket(prompt, tokens, **how), next(_names))


def next_token(tokens: Several[int], generation: int) -> int:
    """Give what the summing runner answers: it depends on every token before, and on the generation."""
    return (sum(tokens) * 7 + len(tokens) + 5 * generation) % VOCABULARY


def summed(prompt: Several[int], tokens: int, generation: int = 0) -> tuple[int, ...]:
    """Give the whole answer of the summing runner."""
    text = list(prompt)
    for _ in range(tokens):
        text.append(next_token(text, generation))
    return tuple(text[len(prompt) :])


class SummingRunner:
    """Answers with sums of what its pages hold, so that a page that is not the request's own shows in the answer."""

    def __init__(self, pages: int, *, whole: bool = False) -> None:
        self.whole = whole
        self.steps: list[list[tuple[str, int]]] = []
        self.errors: list[Exception] = []
        """Raised by the next steps, one each."""
        self.not_finite: set[str] = set()
        """Requests whose keys are not finite."""
        self.forgotten = 0
        self._memory: list[list[tuple[int, int] | None]] = [[None] * 16 for _ in range(pages)]

    def run(self, pieces: Several[Piece]) -> Ran:
        self.steps.append([(piece.sequence.ticket.name, piece.count) for piece in pieces])
        if self.errors:
            raise self.errors.pop(0)
        logits = [row for piece in pieces for row in self._rows(piece)]
        found = torch.stack(logits) if logits else torch.zeros((0, VOCABULARY))
        finite = [piece.sequence.ticket.name not in self.not_finite for piece in pieces]
        return Ran(found, list(pieces), [wanted_rows(piece) for piece in pieces], finite)

    def forget(self) -> None:
        self.forgotten += 1
        self._memory = [[None] * 16 for _ in self._memory]

    def _rows(self, piece: Piece) -> list[torch.Tensor]:
        one = piece.sequence
        generation = one.image.number
        for at in range(one.computed, one.computed + piece.count):
            self._memory[one.pages[at // 16]][at % 16] = (one.tokens[at], generation)
        rows = []
        for upto in range(one.computed + piece.count - wanted_rows(piece), one.computed + piece.count):
            read = [self._memory[one.pages[at // 16]][at % 16] for at in range(upto + 1)]
            assert read == [(token, generation) for token in one.tokens[: upto + 1]], "a page holds another text"
            row = torch.zeros(VOCABULARY)
            row[next_token(one.tokens[: upto + 1], generation)] = 9.0
            rows.append(row)
        return rows


class Ears:
    """Hears what a loop tells of its requests."""

    def __init__(self) -> None:
        self.tokens: dict[str, list[int]] = {}
        self.ends: dict[str, Outcome] = {}
        self._changed = threading.Condition()

    def __call__(self, ticket: Ticket, outcome: Outcome) -> None:
        with self._changed:
            if outcome.token is not None:
                self.tokens.setdefault(ticket.name, []).append(outcome.token)
            if outcome.finish is not None:
                assert ticket.name not in self.ends, "an end was told twice"
                self.ends[ticket.name] = outcome
            self._changed.notify_all()

    def await_ends(self, tickets: Several[Ticket]) -> None:
        """Wait until each of these has ended."""
        with self._changed:
            names = {one.name for one in tickets}
            assert self._changed.wait_for(lambda: names <= set(self.ends), LONG), "a request did not end"


class Summing:
    """A loop over a summing runner, not started yet: `step` runs it by hand."""

    def __init__(
        self,
        pages: int = 64,
        *,
        batch_tokens: int = 64,
        beside_tokens: int = 64,
        max_requests: int = 16,
        ends: tuple[int, ...] = (),
        whole: bool = False,
    ) -> None:
        self.pages = Pages(pages, shares=not whole)
        self.runner = SummingRunner(pages, whole=whole)
        self.schedule = Schedule(
            self.pages,
            batch_tokens=batch_tokens,
            beside_tokens=beside_tokens,
            max_requests=max_requests,
            whole=whole,
        )
        self.ears = Ears()
        self.drawer = Drawer(ends)
        self.loop = Loop(
            self.runner, self.schedule, self.pages, self.drawer, ends=ends, turn=nullcontext, tell=self.ears
        )

    def submit(self, *tickets: Ticket) -> None:
        for one in tickets:
            self.loop.submit(one)

    def step(self) -> bool:
        """Do what the loop's thread does once; return whether there was anything to compute."""
        self.loop._read_mail()
        return self.loop._step()

    def run(self) -> None:
        """Step until nothing is to be done."""
        while self.step():
            assert len(self.runner.steps) < 10_000, "it does not come to an end"

    def answer(self, ticket: Ticket) -> tuple[int, ...]:
        return tuple(self.ears.tokens.get(ticket.name, ()))
