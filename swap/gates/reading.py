"""What a model makes of given tokens, in turns of bounded length."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from transformers import DynamicCache

from hotswapd.swap.berths.image import Image

from .spec import Example
from .turns import GateTurns, forward


@dataclass(slots=True)
class Seen:
    """What the model gave at each position of a text.

    `losses` are those of the tokens that follow, in nats; `picks` the tokens that the model would have written;
    `finite` counts finite logits out of `logits`; `last` are the logits after the whole text.
    """

    losses: list[float] = field(default_factory=list)
    picks: list[int] = field(default_factory=list)
    finite: int = 0
    logits: int = 0
    largest: float = 0.0
    last: torch.Tensor | None = None

    def add(self, logits: torch.Tensor, following: torch.Tensor) -> None:
        """Take the logits (tokens, vocabulary) of some more positions, and the tokens that follow all but the last."""
        finite = torch.isfinite(logits)
        self.finite += int(finite.sum())
        self.logits += finite.numel()
        self.largest = max(self.largest, float(torch.where(finite, logits, 0.0).abs().amax()))
        self.picks += torch.nan_to_num(logits, nan=-math.inf).argmax(-1).tolist()
        self.losses += losses(logits, following)
        self.last = logits[-1].clone()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model made of the probe's texts, in a few numbers; `last` has each text's last logits (vocabulary,)."""

    finite: float
    largest: float
    same_token: float
    late_same_token: float
    loss: float
    late_loss: float
    last: tuple[Any, ...]

    def change(self, other: "Reading") -> float:
        """Find the largest difference of a last logit."""
        return max(float((a - b).abs().max()) for a, b in zip(self.last, other.last, strict=True))


def losses(logits: torch.Tensor, following: torch.Tensor) -> list[float]:
    """Compute the loss (nats) of each following token; a position without one is left out."""
    if not len(following):
        return []
    found: list[float] = torch.nn.functional.cross_entropy(
        logits[: len(following)], following.to(logits.device), reduction="none"
    ).tolist()
    return found


def read_text(turns: GateTurns, image: Image, tokens: Sequence[int]) -> Seen:
    """Read a text with a candidate, piece by piece."""
    seen, cache = Seen(), turns.cache()
    for start, end in turns.pieces(len(tokens)):
        turns.run(image, partial(_read, tokens=tokens[start : end + 1], count=end - start, cache=cache, seen=seen))
        turns.advance(end - start)
    return seen


def _read(model: Any, tokens: Sequence[int], count: int, cache: DynamicCache, seen: Seen) -> None:
    """Read `count` tokens; `tokens` may have one more, which follows them."""
    ids = torch.tensor([list(tokens[:count])], device=model.device)
    seen.add(forward(model, ids, cache)[0], torch.tensor(tokens[1:]))


def score(turns: GateTurns, image: Image, examples: Sequence[Example]) -> tuple[float, int]:
    """Sum the losses (nats) of the tokens that the examples do not give, and count those tokens."""
    found = score_each(turns, image, examples)
    return math.fsum(total for total, _ in found), sum(count for _, count in found)


def score_each(turns: GateTurns, image: Image, examples: Sequence[Example]) -> list[tuple[float, int]]:
    """Do the same for each example; in their order."""
    found: dict[int, tuple[float, int]] = {}
    for batch in _batches(examples, turns.tokens):
        if len(batch) == 1:
            example = examples[batch[0]]
            scored = [read_text(turns, image, example.tokens).losses[example.given - 1 :]]
        else:
            texts = [examples[at] for at in batch]
            scored = turns.run(image, partial(_score_batch, batch=texts))
            turns.advance(sum(len(one.tokens) for one in texts))
        found |= {at: (math.fsum(losses), len(losses)) for at, losses in zip(batch, scored, strict=True)}
    return [found[at] for at in range(len(examples))]


def _batches(examples: Sequence[Example], most: int) -> Iterator[list[int]]:
    """Group short examples of similar length, by their places, so that a group fits into one turn with its padding."""
    batch: list[int] = []
    for at in sorted(range(len(examples)), key=lambda at: len(examples[at].tokens)):
        if batch and (len(batch) + 1) * len(examples[at].tokens) > most:
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch


def _score_batch(model: Any, batch: Sequence[Example]) -> list[list[float]]:
    """Score several texts at once. They are padded at their ends, which no token before them can see."""
    longest = max(len(one.tokens) for one in batch)
    ids = torch.tensor([[*one.tokens, *[one.tokens[-1]] * (longest - len(one.tokens))] for one in batch])
    logits = forward(model, ids.to(model.device))
    return [
        losses(logits[row, : len(one.tokens)], torch.tensor(one.tokens[1:]))[one.given - 1 :]
        for row, one in enumerate(batch)
    ]


def perplexity(total: float, count: int) -> float:
    """Turn a sum of losses into a perplexity; one that is beyond a float, or is not a number, is infinite."""
    if not count or not math.isfinite(total) or total / count > 700:
        return math.inf
    return math.exp(total / count)


def write(turns: GateTurns, image: Image, prompt: Sequence[int], most: int, ends: Sequence[int]) -> Iterator[int]:
    """Answer a prompt greedily, one token a turn, until the text ends or has `most` tokens."""
    cache = turns.cache()
    token = -1
    for start, end in turns.pieces(len(prompt)):
        token = turns.run(image, partial(_next, tokens=prompt[start:end], cache=cache))
    for _ in range(most):
        turns.advance(1)
        if token in ends:
            return
        yield token
        token = turns.run(image, partial(_next, tokens=[token], cache=cache))


def _next(model: Any, tokens: Sequence[int], cache: DynamicCache) -> int:
    logits = forward(model, torch.tensor([list(tokens)], device=model.device), cache)[0, -1]
    return int(torch.nan_to_num(logits, nan=-math.inf).argmax())
