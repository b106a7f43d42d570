"""Runs a step: all rows of all requests in one pass of the model, over the paged cache."""

from collections.abc import Sequence as Several
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from hotswapd.swap.berths.image import Image
from hotswapd.swap.berths.low_rank import LowRank, Segment

from .attention import Attention, RowStep
from .cache import KVCache, Span
from .pages import PAGE
from .schedule import Piece
from .sequence import Sequence


@dataclass(frozen=True, slots=True)
class Ran:
    """What a step has given: `logits` (rows, vocabulary) in float32 of the rows that were asked for.

    `pieces` are in the order of the rows; `rows` tells how many rows of the logits each has. `finite` tells for each
    whether all its keys and values are.
    """

    logits: torch.Tensor
    pieces: list[Piece]
    rows: list[int]
    finite: list[bool]


class Runner(Protocol):
    """Whatever can compute a step. `run` is for the loop's thread, while it holds the right to run the model."""

    whole: bool
    """Whether a prompt must be read in one piece."""

    def run(self, pieces: Several[Piece]) -> Ran:
        """Compute these tokens, each with its request's own generation."""
        ...

    def forget(self) -> None:
        """Forget what is cached, after a step that failed."""
        ...


def wanted_rows(piece: Piece) -> int:
    """Tell how many of a piece's rows are read afterwards: all of a prompt that is scored, else the last one's."""
    one = piece.sequence
    if one.ask.prompt_logprobs is not None and not one.made:
        return piece.count
    return 1 if piece.count == one.due else 0


class PagedRunner:
    """One pass for all rows; see `Runner`."""

    whole = False

    def __init__(self, model: Any, low_rank: LowRank, cache: KVCache, attention: Attention) -> None:
        """Run nothing yet; `attention` is the model's."""
        self._model = model
        self._attention = attention
        self._low_rank = low_rank
        self._cache = cache
        self._device = model.device
        self._no_mask = torch.zeros((1, 1, 1, 1), device=self._device)  # four dimensions: transformers makes none

    def run(self, pieces: Several[Piece]) -> Ran:
        """Compute these tokens; the rows of a generation lie next to each other."""
        ordered = sorted(pieces, key=lambda one: one.sequence.image.berth)
        rows = _Rows(self._device)
        for piece in ordered:
            rows.add(piece)
        self._low_rank.use(rows.segments(), rows.count)
        step = RowStep(self._cache, rows.tensor(rows.slots), rows.spans)
        with torch.inference_mode(), self._attention.use(step):
            logits = self._model(
                input_ids=rows.tensor(rows.ids)[None],
                position_ids=rows.tensor(rows.positions)[None],
                attention_mask=self._no_mask,
                use_cache=False,
                logits_to_keep=rows.tensor(rows.kept),
            ).logits[0]
            finite = torch.isfinite(step.total).tolist()
        starts = [span.start for span in rows.spans]
        ends = [span.end for span in rows.spans]
        whole = [all(finite[start:end]) for start, end in zip(starts, ends, strict=True)]
        return Ran(logits.float(), ordered, [wanted_rows(one) for one in ordered], whole)

    def forget(self) -> None:
        """Do nothing: only pages are cached, and those are the schedule's."""


class _Rows:
    """The rows of one step, as they are put together."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.slots: list[int] = []
        self.kept: list[int] = []
        self.spans: list[Span] = []
        self._images: list[tuple[Image, int, int]] = []

    @property
    def count(self) -> int:
        return len(self.ids)

    def add(self, piece: Piece) -> None:
        one, start = piece.sequence, len(self.ids)
        first, last = one.computed, one.computed + piece.count
        self.ids += one.tokens[first:last]
        self.positions += range(first, last)
        pages = one.pages
        self.slots += [pages[at // PAGE] * PAGE + at % PAGE for at in range(first, last)]
        end = len(self.ids)
        table, place = _table(one, self._device)
        self.spans.append(Span(start, end, last, table, place))
        self.kept += range(end - wanted_rows(piece), end)
        if self._images and self._images[-1][0] is one.image:
            self._images[-1] = (one.image, self._images[-1][1], end)
        else:
            self._images.append((one.image, start, end))

    def segments(self) -> list[Segment]:
        return [Segment(*one) for one in self._images if one[0].generation != 0]

    def tensor(self, values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.int64, device=self._device)


def _table(one: Sequence, device: torch.device) -> tuple[torch.Tensor, int]:
    """Return a request's pages as a tensor, and the slot of its first token where they lie next to each other."""
    if one.table is None:
        first = one.pages[0]
        straight = one.pages == list(range(first, first + len(one.pages)))
        one.table = torch.tensor(one.pages, device=device), first * PAGE if straight else -1
    table: tuple[torch.Tensor, int] = one.table
    return table
