"""The plain runner: a request at a time, with the model's own cache, for families that rows in pages cannot serve.

Slower, since nothing is shared: the base's matrices are multiplied once for each request. It serves what `generate`
does, whatever the model keeps of a text: recurrent states, position biases, experts that are given some rows only.
"""

import inspect
from collections.abc import Sequence as Several
from typing import Any

import torch
from transformers import DynamicCache

from hotswapd.swap.berths.low_rank import LowRank

from .runner import Ran, wanted_rows
from .schedule import Piece


class PlainRunner:
    """One pass for each request; see `runner.Runner`."""

    whole = True

    def __init__(self, model: Any, low_rank: LowRank) -> None:
        self._model = model
        self._low_rank = low_rank
        named = inspect.signature(model.forward).parameters
        self._cache_name = "cache_params" if "cache_params" in named else "past_key_values"
        """What the family calls the cache: one by another name would be ignored without a word."""

    def run(self, pieces: Several[Piece]) -> Ran:
        """Compute these tokens, one request after the other."""
        with torch.inference_mode():
            logits = [self._one(piece) for piece in pieces]
            finite = [_cached_finite(piece) for piece in pieces]
        rows = [wanted_rows(one) for one in pieces]
        return Ran(torch.cat(logits).float(), list(pieces), rows, finite)

    def forget(self) -> None:
        """Do nothing: what is cached belongs to the requests, and goes with them."""

    def _one(self, piece: Piece) -> torch.Tensor:
        one = piece.sequence
        if one.image.generation == 0:
            self._low_rank.stop()
        else:
            self._low_rank.use_alone(one.image)
        if one.state is None:
            one.state = DynamicCache(config=self._model.config.get_text_config())
        first = one.computed
        ids = torch.tensor([one.tokens[first : first + piece.count]], device=self._model.device)
        found: Any = self._model(input_ids=ids, use_cache=True, **{self._cache_name: one.state})
        rows = wanted_rows(piece)
        logits: torch.Tensor = found.logits[0]
        return logits[len(logits) - rows :]


def _cached_finite(piece: Piece) -> bool:
    """Tell whether the keys and values that a piece has added are finite: attention gives 0 for a NaN, and hides it."""
    kept = [getattr(layer, part, None) for layer in piece.sequence.state.layers for part in ("keys", "values")]
    added = [one[..., -piece.count :, :].isfinite().all() for one in kept if one is not None and one.numel()]
    return bool(torch.stack(added).all()) if added else True
