"""Tries which runner serves a base: rows in pages where they give what the model itself does, else the plain one.

Families differ in what they keep of a text and in what their modules are given. So it is measured, with an adapter of
rank 1 on every slot in the same step as the bare base, and compared with the model's own run of each text alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import BaseUnservable
from hotswapd.swap.failures import classify
from hotswapd.swap.resident.resident import Resident

from .asks import Ask
from .attention import Attention
from .cache import KVCache, LayerShape
from .pages import Pages
from .plain import PlainRunner
from .runner import PagedRunner, Runner
from .schedule import Piece
from .sequence import Sequence
from .tickets import Place, Ticket

_TEXT = 24
_PAGES = 8
_CLOSE = {torch.float32: 1e-3, torch.float16: 5e-2, torch.bfloat16: 1e-1}
"""How far logits may be apart, as a share of the largest one."""


@dataclass(frozen=True, slots=True)
class Tried:
    """Which kind serves: rows in pages with this `attention`, else the plain runner, and `why` as a sentence's end."""

    layers: dict[int, LayerShape]
    attention: Attention | None = None
    why: str = ""

    @property
    def plain(self) -> bool:
        """Whether the plain runner serves."""
        return bool(self.why)


def try_runners(resident: Resident) -> Tried:
    """Find the runner for this base. Raises BaseUnservable when neither gives what the model itself does."""
    with resident.visit(resident.base_image), _odd_image(resident) as odd:
        wanted = [_own(resident, image, text) for image, text in _texts(resident, odd)]
        cache = KVCache(_PAGES, resident.dtype, resident.device)
        attention, why = _paged(resident, cache, odd, wanted)
        if not why:
            return Tried(cache.shapes(), attention)
        failed = _compare(resident, PlainRunner(resident.model, resident.low_rank), odd, wanted)
        if failed:
            raise BaseUnservable(
                f"model.base: no loop can serve this model: rows in pages: {why}; one request at a time: {failed}; "
                "serve another base"
            )
        return Tried({}, None, why)


def _paged(resident: Resident, cache: KVCache, odd: Image, wanted: list[torch.Tensor]) -> tuple[Attention | None, str]:
    if not getattr(resident.model, "_supports_attention_backend", False):
        return None, "its attention is code of its own"
    attention = Attention(resident.model)
    why = _compare(resident, PagedRunner(resident.model, resident.low_rank, cache, attention), odd, wanted)
    return attention, why or ("" if cache.keys else "its attention keeps nothing in the cache")


def _texts(resident: Resident, odd: Image) -> list[tuple[Image, list[int]]]:
    vocabulary = resident.model.config.get_text_config().vocab_size
    one, other = ([(place * step) % vocabulary for place in range(1, _TEXT + 1)] for step in (7919, 104729))
    return [(resident.base_image, one), (odd, other[:-3])]


@contextmanager
def _odd_image(resident: Resident) -> Iterator[Image]:
    """Take a berth and fill it with an adapter of rank 1 on every slot, which changes every answer."""
    image = resident.berths.take("0" * 63 + "1")
    draw = torch.Generator().manual_seed(1)
    try:
        for place in resident.layout:
            a, b = place.a.view(image.buffer), place.b.view(image.buffer)
            a[:1] = torch.randn(1, a.shape[1], generator=draw).to(a) / a.shape[1] ** 0.5
            b[:, :1] = torch.randn(b.shape[0], 1, generator=draw).to(b) * 0.1
            place.scaling.view(image.buffer).fill_(1.0)
        image.ranks = {place.slot.module: 1 for place in resident.layout}
        yield image
    finally:
        resident.low_rank.stop()
        image.buffer.zero_()
        resident.berths.release(image)


def _own(resident: Resident, image: Image, text: list[int]) -> torch.Tensor:
    """Return the logits that the model itself gives after a text."""
    if image.generation == 0:
        resident.low_rank.stop()
    else:
        resident.low_rank.use_alone(image)
    with torch.inference_mode():
        ids = torch.tensor([text], device=resident.device)
        logits: torch.Tensor = resident.model(input_ids=ids, use_cache=False).logits[0, -1].float()
    resident.low_rank.stop()
    return logits


def _compare(resident: Resident, runner: Runner, odd: Image, wanted: list[torch.Tensor]) -> str:
    """Run both texts in the same steps and compare; return what is wrong as the end of a sentence, or nothing."""
    try:
        found = _steps(resident, runner, odd)
    except Exception as error:  # a family's own code may raise anything
        if classify(error) != "other":
            raise
        return f"it fails with {type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
    apart = max(
        float((one - other).abs().max() / other.abs().max().clamp_min(1e-6))
        for one, other in zip(found, wanted, strict=True)
    )
    if apart <= _CLOSE[resident.dtype]:
        return ""
    return f"its logits are {apart:.2g} of the largest one away from the model's own"


def _steps(resident: Resident, runner: Runner, odd: Image) -> list[torch.Tensor]:
    """Read each text in pieces, the last of one token, both in every step; return the last logits of each."""
    pages = Pages(_PAGES, shares=False)
    sequences = [_sequence(image, text) for image, text in _texts(resident, odd)]
    for one in sequences:
        one.grow(pages, one.missing(len(one.tokens)))
    cuts = [len(one.tokens) - 1 if runner.whole else 10 for one in sequences]
    found: dict[int, Any] = {}
    for upto in (cuts, [len(one.tokens) - 1 for one in sequences], [len(one.tokens) for one in sequences]):
        pieces = [
            Piece(one, end - one.computed) for one, end in zip(sequences, upto, strict=True) if end > one.computed
        ]
        ran = runner.run(pieces) if pieces else None
        row = 0
        for piece, count in zip(ran.pieces, ran.rows, strict=True) if ran else ():
            if count:
                found[piece.sequence.order] = ran.logits[row] if ran else None
            row += count
            piece.sequence.computed += piece.count
    return [found[one.order] for one in sequences]


def _sequence(image: Image, text: list[int]) -> Sequence:
    ask = Ask(tuple(text), 1)
    return Sequence(Ticket("trial", Place(image), ask, lambda _: None), order=len(text))
