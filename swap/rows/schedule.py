"""What the next step computes: a token of each answer under way, and pieces of the prompts that are read. No torch.

Whoever came first is served first, but clients take turns, and each one's keys do; an answer that another process began
and could not end comes before those that nobody has begun. Prompts that are read at the same time share the step, so
that a short one does not wait for a long one. When the cache is full the request that came last is put back; it goes on
later from what the cache still has of it. So is one of a client that has more than its share when another client's
request finds no room.
"""

from collections import Counter
from dataclasses import dataclass

from .giving_way import freed_pages, held_pages, seats, who_gives_way
from .pages import Pages
from .sequence import Sequence

_LEAST = 16
"""Tokens of a prompt that one step reads at least, however many share it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """So many more tokens of one request, in one step."""

    sequence: Sequence
    count: int


class Schedule:
    """All requests of the loop. For the loop's thread alone.

    `batch_tokens` is the most tokens in a step, `beside_tokens` the most of prompts in a step that also has answers
    under way: they wait for it. With `whole` a prompt is read in one piece.
    """

    def __init__(
        self, pages: Pages, *, batch_tokens: int, beside_tokens: int, max_requests: int, whole: bool = False
    ) -> None:
        self._pages = pages
        self._batch_tokens = batch_tokens
        self._beside_tokens = min(beside_tokens, batch_tokens)
        self._max_requests = max_requests
        self._whole = whole
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []
        self.put_back = 0
        """How often a request was put back because the cache was full."""

    @property
    def empty(self) -> bool:
        """Whether nothing is to be done."""
        return not self.waiting and not self.running

    def add(self, sequence: Sequence) -> None:
        """Let a request wait for its turn."""
        self.waiting.append(sequence)

    def drop(self, sequence: Sequence) -> None:
        """Forget a request, whatever it is doing, and free its pages."""
        sequence.ended = True
        sequence.let_go(self._pages)
        (self.running if sequence in self.running else self.waiting).remove(sequence)

    def begin_again(self) -> None:
        """Let every request that is under way begin again, since what it had computed cannot be trusted."""
        for sequence in list(self.running):
            self._put_back(sequence)

    def plan(self) -> list[Piece]:
        """Choose what the next step computes, and take the pages for it; empty when nothing can be done."""
        self._admit()  # before anything is chosen: who gives way may begin again at once
        writing = self._answers()
        most = self._batch_tokens if not writing else min(self._beside_tokens, self._batch_tokens - len(writing))
        pieces = [*writing, *self._prompts(most, {piece.sequence for piece in writing})]
        return [piece for piece in pieces if piece.sequence in self.running]  # a prompt may have put an answer back

    def _answers(self) -> list[Piece]:
        """Give each answer its next token, the oldest first, so that it is the newest that is put back."""
        pieces = []
        for sequence in sorted(self.running, key=_order):
            if sequence not in self.running or sequence.due != 1:
                continue
            if self._grow(sequence, len(sequence.tokens)):
                pieces.append(Piece(sequence, 1))
        return [piece for piece in pieces if piece.sequence in self.running][: self._batch_tokens]

    def _admit(self) -> None:
        """Let waiting requests begin while there is room: in order of coming, names and keys with fewer first."""
        held_up: set[int] = set()
        while (first := self._first(held_up)) is not None:
            if self._reads_the_same(first):
                held_up.add(first.order)
                continue
            first.find_prefix(self._pages)
            if not self._has_room(first):
                first.let_go(self._pages)
                return
            self.waiting.remove(first)
            self.running.append(first)

    def _first(self, held_up: set[int]) -> Sequence | None:
        """Return whose turn it is to begin, None if nobody waits. An answer that was begun elsewhere goes on first."""
        ready = [one for one in self.waiting if one.order not in held_up]
        ready = [one for one in ready if one.ask.given] or ready
        if len(ready) < 2:
            return ready[0] if ready else None
        names = Counter(one.ask.name for one in self.running)
        clients = Counter(one.ask.client for one in self.running)
        keys = Counter(one.ask.key for one in self.running)

        def turn(one: Sequence) -> tuple[int, int, int, int]:
            ask = one.ask  # what a client says of itself, its key, decides within its own share
            return names[ask.name], clients[ask.client], keys[ask.key], one.order

        return min(ready, key=turn)

    def _has_room(self, first: Sequence) -> bool:
        """Tell whether a request can begin; who has more than the others gives way to it, if that is enough."""
        gone: list[Sequence] = []
        seat = len(self.running) + 1 - self._max_requests
        if seat > 0:
            gone = who_gives_way(first, self.running, seat, seats, seats)
            if not gone:
                return False
        need = first.missing(len(first.tokens)) - self._pages.room + self._promised() - sum(map(freed_pages, gone))
        if need > 0:
            more = who_gives_way(first, [one for one in self.running if one not in gone], need, held_pages, freed_pages)
            if not more:
                return False
            gone += more
        for one in gone:
            self._put_back(one)
        return True

    def _promised(self) -> int:
        """Count the pages that prompts under way will still need."""
        return sum(max(0, one.missing(len(one.tokens))) for one in self.running)

    def _reads_the_same(self, sequence: Sequence) -> bool:
        """Tell whether another request is just reading a prefix of its prompt: waiting for it costs nothing."""
        if sequence.ask.prompt_logprobs is not None:
            return False
        reading = [one for one in self.running if one.due > 1]
        known = len(self._pages.match(sequence.root, sequence.tokens)) if reading else 0
        return any(sequence.shares(one) > known for one in reading)

    def _prompts(self, most: int, writing: set[Sequence]) -> list[Piece]:
        """Share the rest of the step between the prompts that are being read."""
        reading = sorted((one for one in self.running if one not in writing), key=_order)
        pieces: list[Piece] = []
        for left, sequence in zip(range(len(reading), 0, -1), reading, strict=True):
            fair = sequence.due if self._whole else min(sequence.due, max(most // left, _LEAST), most)
            if fair <= 0 or sequence not in self.running or (self._whole and pieces and fair > most):
                continue
            if self._grow(sequence, sequence.computed + fair):
                pieces.append(Piece(sequence, fair))
                most -= fair
        return pieces

    def _grow(self, sequence: Sequence, upto: int) -> bool:
        """Take the pages for `upto` tokens, putting back the newest requests if need be; False if it was this one."""
        missing = sequence.missing(upto)
        while missing > self._pages.room:
            newest = max(self.running, key=_order)
            self._put_back(newest)
            if newest is sequence:
                return False
        if missing > 0:
            sequence.grow(self._pages, missing)
        return True

    def _put_back(self, sequence: Sequence) -> None:
        sequence.let_go(self._pages)
        if not sequence.made:
            sequence.ticket.prompt_logprobs = ()  # its prompt is read again
        self.running.remove(sequence)
        self.waiting.append(sequence)
        self.put_back += 1


def _order(sequence: Sequence) -> int:
    return sequence.order
