"""The loop: one thread that steps all requests, whoever answers them.

Nothing that a request asks for can stop it. A step that fails fails the requests of that step, and the cache is made
new; after a second one in a row, or one of a kind that every later step would share, nobody trusts the model.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch

from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.failures import is_sticky, let_go
from hotswapd.swap.request_codes import AnswerCode

from .drawing import Drawer, Drawn, logprobs
from .paces import load_of
from .pages import Pages
from .runner import Ran, Runner
from .schedule import Piece, Schedule
from .sequence import Sequence
from .tickets import Outcome, Ticket, TokenLogprobs

Tell = Callable[[Ticket, Outcome], None]
"""Hears what a step has made of a request, on the loop's thread; must neither block nor raise."""
_FAILURES = 2
_NOT_FINITE = "its keys, values or logits are NaN or infinite, so no token of it can be trusted; look at the adapter"


class Loop:
    """Steps requests until it is told to end. What is public is legal from any thread."""

    def __init__(
        self,
        runner: Runner,
        schedule: Schedule,
        pages: Pages,
        drawer: Drawer,
        *,
        ends: tuple[int, ...],
        turn: Callable[[], AbstractContextManager[None]],
        tell: Tell,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`turn` is the right to run the model; `ends` are the tokens that end an answer; `clock` times the steps."""
        self._clock = clock
        self._runner = runner
        self._schedule = schedule
        self._pages = pages
        self._drawer = drawer
        self._ends = frozenset(ends)
        self._turn = turn
        self._tell = tell
        self._sequences: dict[str, Sequence] = {}
        self._mail: deque[Ticket | str] = deque()
        self._wake = threading.Event()
        self._ending = False
        self._failures = 0
        self._came = 0
        self.death: ResidentLost | None = None
        self.cause: BaseException | None = None
        """What the last step that failed has failed with, without the frames that it was raised in."""
        self.steps = 0
        """Steps that were computed so far."""
        self._thread = threading.Thread(target=self._run, name="rows", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether requests are stepped."""
        return self._thread.is_alive() and self.death is None and not self._ending

    @property
    def held_pages(self) -> int:
        """How many pages requests hold."""
        return self._pages.held

    @property
    def put_back(self) -> int:
        """How often a request was put back because the cache was full."""
        return self._schedule.put_back

    def submit(self, ticket: Ticket) -> None:
        """Queue a request that was checked."""
        self._mail.append(ticket)
        self._wake.set()

    def cancel(self, name: str) -> None:
        """Drop a request before the next step; nothing more is told of it."""
        self._mail.append(name)
        self._wake.set()

    def end(self) -> None:
        """Ask the thread to end after the step that it is in; requests that are left fail."""
        self._ending = True
        self._wake.set()

    def join(self, seconds: float) -> None:
        """Wait for the thread's end."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            while not self._ending and self.death is None:
                self._wake.clear()
                self._read_mail()
                if not self._step():
                    self._wake.wait()
        except BaseException as error:
            self.death = ResidentLost(f"a defect of hotswapd has ended the loop: {type(error).__name__}: {error}")
            raise  # to the log, by the thread's own hook
        finally:
            self._read_mail()
            self._fail(list(self._sequences.values()), str(self.death or "the process is ending"))

    def _read_mail(self) -> None:
        while self._mail:
            one = self._mail.popleft()
            if isinstance(one, Ticket):
                self._came += 1
                sequence = self._sequences[one.name] = Sequence(one, self._came)
                self._schedule.add(sequence)
            elif (gone := self._sequences.pop(one, None)) is not None:
                self._schedule.drop(gone)

    def _step(self) -> bool:
        """Compute one step; return whether there was anything to compute."""
        pieces = self._schedule.plan()
        if not pieces:
            return False
        try:
            with self._turn():
                began = self._clock()
                ran = self._runner.run(pieces)
                _note_pace(ran.pieces, self._clock() - began)
                drawn = self._draw(ran)
        except Exception as error:  # noqa: BLE001 - whatever the device or the family's own code raises
            self._note_failure(error, pieces)
            return True
        self.steps += 1
        self._failures = 0
        for piece, ok, token in zip(ran.pieces, ran.finite, drawn, strict=True):
            self._finish(piece, ok, token)
        return True

    def _draw(self, ran: Ran) -> list[Drawn | None]:
        """Draw a token for each piece that has come to its request's last one; None for the others."""
        drawn: list[Drawn | None] = [None] * len(ran.pieces)
        last: list[tuple[int, int]] = []
        row = 0
        for at, (piece, count) in enumerate(zip(ran.pieces, ran.rows, strict=True)):
            one = piece.sequence
            if one.ask.prompt_logprobs is not None and not one.made:
                _note_prompt(one, piece, ran.logits[row : row + count])
            row += count
            if piece.count == one.due and one.ask.max_tokens > 0:
                last.append((at, row - 1))
        if last:
            logits = ran.logits if len(last) == len(ran.logits) else ran.logits[[row for _, row in last]]
            found = self._drawer.draw(logits, [ran.pieces[at].sequence for at, _ in last])
            for (at, _), one_drawn in zip(last, found, strict=True):
                drawn[at] = one_drawn
        return drawn

    def _finish(self, piece: Piece, finite: bool, drawn: Drawn | None) -> None:
        one = piece.sequence
        if not finite or (drawn is not None and not drawn.finite):
            self._drop(one)
            outcome = Outcome(finish="error", error=_NOT_FINITE, code=AnswerCode.NON_FINITE, non_finite=True)
            self._tell(one.ticket, outcome)
            return
        one.note_computed(one.computed + piece.count, self._pages)
        if drawn is not None:
            one.tokens.append(drawn.token)
            if one.ask.logprobs is not None and drawn.logprobs is not None:
                one.ticket.logprobs.append(drawn.logprobs)
        elif one.due:
            return
        finish = self._how_it_ends(one, drawn)
        if finish is not None:
            self._drop(one)
        scored = drawn.logprobs.logprob if drawn is not None and drawn.logprobs is not None else None
        self._tell(one.ticket, Outcome(drawn.token if drawn is not None else None, finish, logprob=scored))

    def _how_it_ends(self, one: Sequence, drawn: Drawn | None) -> str | None:
        ask = one.ask
        if drawn is not None and ask.given + one.made >= ask.sampling.min_tokens:
            ends = drawn.token in self._ends and not ask.ignore_eos
            if ends or drawn.token in ask.stop_token_ids:
                return "stop"
        return "length" if one.made >= ask.max_tokens else None

    def _drop(self, one: Sequence) -> None:
        self._sequences.pop(one.ticket.name, None)
        if not one.ended:
            self._schedule.drop(one)

    def _note_failure(self, error: Exception, pieces: list[Piece]) -> None:
        """Fail the step's requests; what was cached of others is computed again."""
        let_go(error)
        self.cause = error
        self._failures += 1
        if isinstance(error, ResidentLost):
            self.death = error
        elif is_sticky(error):
            self.death = ResidentLost(f"a step failed in a way that the model does not survive: {error}")
        elif self._failures >= _FAILURES:
            self.death = ResidentLost(f"two steps in a row have failed; the process must start again: {error}")
        self._fail([piece.sequence for piece in pieces], str(error) or type(error).__name__)
        self._runner.forget()
        self._schedule.begin_again()
        self._pages.forget()

    def _fail(self, sequences: list[Sequence], why: str) -> None:
        for one in sequences:
            self._drop(one)
            self._tell(one.ticket, Outcome(finish="error", error=why))


def _note_pace(pieces: list[Piece], seconds: float) -> None:
    """Note what the step took for those of its requests that have a token already; drawing is not in it."""
    tokens = sum(piece.count for piece in pieces)
    load = load_of(tokens, sum(piece.sequence.computed for piece in pieces))
    for piece in pieces:
        if piece.sequence.made:
            piece.sequence.ticket.paces.add(load, seconds)


def _note_prompt(one: Sequence, piece: Piece, logits: torch.Tensor) -> None:
    """Note the log-probabilities of the prompt's tokens that follow this piece's rows."""
    following = one.tokens[one.computed + 1 : one.computed + piece.count + 1]
    found: list[TokenLogprobs | None] = [None] if one.computed == 0 else []
    if following:
        found += logprobs(logits[: len(following)], following, one.ask.prompt_logprobs or 0)
    one.ticket.prompt_logprobs = (*one.ticket.prompt_logprobs, *found)
