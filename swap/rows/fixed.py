"""Steps of fixed shape, in which every request adds one token: compiled, and on CUDA captured as graphs.

Who belongs to which berth, how long a text is and where its pages lie are values in tensors, so one graph serves every
mix and every swap. There are two families: steps in which some row has an adapter, and steps in which none has, which
leave the low-rank parts out. Steps that read prompts have other shapes each time, and run as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from hotswapd.swap.berths.low_rank import LowRank

from .attention import Attention, How, attend_by_hand, query_sum, write
from .cache import KVCache
from .pages import PAGE
from .runner import PagedRunner, Ran
from .schedule import Piece

_ROWS = (1, 2, 4, 8, 16, 32, 64)
_COMPILED_ROWS = (1, 4, 16, 64)
"""Compiled code is made anew for each number of rows, which takes a minute for each family."""
_LEAST_PAGES = 8
"""Pages that the shortest graph sees of each text; the next sees twice as many."""


@dataclass(frozen=True, slots=True)
class Size:
    """The shape of a step: so many rows, so many pages of each text, and whether some row has an adapter."""

    rows: int
    pages: int
    adapts: bool

    def fits(self, rows: int, pages: int, adapts: bool) -> bool:
        """Tell whether a step of `rows` rows with texts of at most `pages` pages is one of this size."""
        return self.rows == rows and self.pages >= pages and self.adapts == adapts


class FixedStep:
    """The tensors of a step of one size, and attention by them; see `attention.Step`."""

    def __init__(self, size: Size, cache: KVCache, berths: int, device: torch.device) -> None:
        self.size = size
        self._cache = cache
        self.ids = torch.zeros((1, size.rows), dtype=torch.int64, device=device)
        self.positions = torch.zeros((1, size.rows), dtype=torch.int64, device=device)
        self.slots = torch.zeros(size.rows, dtype=torch.int64, device=device)
        self.lengths = torch.ones(size.rows, dtype=torch.int64, device=device)
        self.table = torch.zeros((size.rows, size.pages), dtype=torch.int64, device=device)
        self.berths = torch.full((size.rows,), -1, dtype=torch.int64, device=device)
        self._all = torch.arange(berths, device=device)[:, None]
        self._places = torch.arange(size.pages * PAGE, device=device)
        self.total = torch.zeros(size.rows, dtype=torch.float32, device=device)

    def fill(self, pieces: Sequence[Piece], spare: int) -> None:
        """Take in what these requests need; rows that are left write to the `spare` page, which nobody reads."""
        left = self.size.rows - len(pieces)
        texts = [piece.sequence for piece in pieces]
        at = [one.computed for one in texts]
        slots = [one.pages[place // PAGE] * PAGE + place % PAGE for one, place in zip(texts, at, strict=True)]
        for held, values in (
            (self.ids[0], [one.tokens[place] for one, place in zip(texts, at, strict=True)] + [0] * left),
            (self.positions[0], [*at, *[0] * left]),
            (self.slots, [*slots, *[spare * PAGE] * left]),
            (self.lengths, [*(place + 1 for place in at), *[1] * left]),
            (self.berths, [*(one.image.berth for one in texts), *[-1] * left]),
        ):
            held.copy_(torch.tensor(values))
        for row in range(self.size.rows):
            pages = texts[row].pages if row < len(texts) else [spare]
            self.table[row].copy_(torch.tensor(pages[: self.size.pages] + [spare] * (self.size.pages - len(pages))))

    def mask(self) -> torch.Tensor:
        """Tell which row belongs to which berth, (berths, rows) bool."""
        return self.berths[None] == self._all

    def attend(
        self, module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, more: dict[str, Any]
    ) -> torch.Tensor:
        """Write the rows' keys and values, then attend for all rows at once, each to its own pages."""
        layer: int = module.layer_idx
        self.total += write(self._cache, layer, self.slots, key, value) + query_sum(query)
        how = How(more, query.shape[-1])
        keys, values = self._read(self._cache.keys[layer]), self._read(self._cache.values[layer])
        seen = self._places < self.lengths[:, None]
        if how.window:
            seen = seen & (self._places >= self.lengths[:, None] - how.window)
        # What is masked is cleared, too: a large number that a finished request has left there could become an infinity
        # in the product, which no mask that is added takes away.
        nothing = ~seen[:, None, :, None]
        keys, values = keys.masked_fill(nothing, 0.0), values.masked_fill(nothing, 0.0)
        rows, heads = query[0].transpose(0, 1), keys.shape[1]
        if how.odd:
            return attend_by_hand(rows[:, :, None], keys, values, seen[:, None, None], how)[None, :, :, 0]
        found = scaled_dot_product_attention(
            rows.reshape(len(rows), heads, -1, rows.shape[2]),
            keys,
            values,
            attn_mask=seen[:, None, None],
            scale=how.scaling,
        )
        return found.reshape(1, len(rows), -1, values.shape[-1])

    def _read(self, held: torch.Tensor) -> torch.Tensor:
        paged = held.view(-1, PAGE, *held.shape[1:])[self.table]
        return paged.flatten(1, 2).transpose(1, 2)


class FixedRunner:
    """Runs steps in which every request adds one token by fixed shapes, all others as `PagedRunner` does."""

    whole = False

    def __init__(
        self,
        model: Any,
        low_rank: LowRank,
        cache: KVCache,
        attention: Attention,
        *,
        longest: int,
        most: int,
        spare: int,
        compiled: bool,
    ) -> None:
        """`longest` is the most tokens of a text, `most` the most requests; the page `spare` is no request's."""
        self._free = PagedRunner(model, low_rank, cache, attention)
        self._model = model
        self._low_rank = low_rank
        self._cache = cache
        self._attention = attention
        self._spare = spare
        self._steps: dict[Size, _Replay] = {}
        self.sizes = _sizes(longest, most, _COMPILED_ROWS if compiled else _ROWS)
        self.captures = 0
        """CUDA graphs that were captured so far."""
        self._forward: Callable[..., Any] = torch.compile(model.forward, dynamic=True) if compiled else model.forward
        self._no_mask = torch.zeros((1, 1, 1, 1), device=model.device)

    def warm_up(self) -> None:
        """Compile and capture every size, before the first request."""
        for size in self.sizes:
            self._replay(size)()

    def run(self, pieces: Sequence[Piece]) -> Ran:
        """Compute these tokens; see `Runner`."""
        rows = next((one.rows for one in self.sizes if one.rows >= len(pieces)), 0)
        pages = max(len(piece.sequence.pages) for piece in pieces)
        adapts = any(piece.sequence.image.generation != 0 for piece in pieces)
        size = next((one for one in self.sizes if one.fits(rows, pages, adapts)), None)
        plain = all(piece.count == 1 == piece.sequence.due for piece in pieces)
        if not plain or size is None or any(one.sequence.ask.prompt_logprobs is not None for one in pieces):
            return self._free.run(pieces)
        replay = self._replay(size)
        replay.step.fill(pieces, self._spare)
        logits = replay()[: len(pieces)]
        finite = torch.isfinite(replay.step.total[: len(pieces)]).tolist()
        return Ran(logits.float(), list(pieces), [1] * len(pieces), finite)

    def forget(self) -> None:
        """Do nothing: only pages are cached, and those are the schedule's."""

    def _replay(self, size: Size) -> "_Replay":
        if size not in self._steps:
            step = FixedStep(size, self._cache, self._low_rank.berths, self._model.device)
            step.fill([], self._spare)
            self._steps[size] = _Replay(step, lambda: self._run(step))
            self.captures += self._steps[size].capture()
        return self._steps[size]

    def _run(self, step: FixedStep) -> torch.Tensor:
        step.total.zero_()
        with (
            torch.inference_mode(),
            self._attention.use(step),
            self._low_rank.masked(step.mask(), adapts=step.size.adapts),
        ):
            found = self._forward(
                input_ids=step.ids,
                position_ids=step.positions,
                attention_mask=self._no_mask,
                use_cache=False,
            )
        logits: torch.Tensor = found.logits[0]
        return logits


class _Replay:
    """A step that is run again and again: on CUDA a graph, elsewhere the function itself."""

    def __init__(self, step: FixedStep, run: Callable[[], torch.Tensor]) -> None:
        self.step = step
        self._run = run
        self._graph: Any = None
        self._logits: torch.Tensor | None = None

    def capture(self) -> int:
        """Capture it where that can be done; return how many graphs were captured."""
        if self.step.ids.device.type != "cuda":
            return 0
        stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):  # libraries choose and allocate at their first runs, which a graph may not see
                self._run()
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._logits = self._run()
        return 1

    def __call__(self) -> torch.Tensor:
        """Run it on what its step's tensors hold; return logits (rows, vocabulary)."""
        if self._graph is None or self._logits is None:
            return self._run()
        self._graph.replay()
        return self._logits


def _sizes(longest: int, most: int, rows: Sequence[int]) -> tuple[Size, ...]:
    """List the sizes from the smallest to the largest; a step takes the first that it fits into."""
    pages = [_LEAST_PAGES]
    while pages[-1] * PAGE < longest:
        pages.append(2 * pages[-1])
    used = [one for one in rows if one < most] + [next((one for one in rows if one >= most), rows[-1])]
    return tuple(Size(row, page, adapts) for adapts in (False, True) for row in used for page in pages)
