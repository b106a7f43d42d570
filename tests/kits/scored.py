"""What a fresh PEFT load says of a text: the log-probability of each token, and the likeliest ones."""

from collections import Counter
from functools import cache
from typing import Any

import torch

from kits.adapters import oracle_model
from kits.rows import adapter, home

NEAR = 1e-4


@cache
def _model(index: int | None) -> Any:
    return oracle_model(home() / "base", None if index is None else adapter(index))


@cache
def table(index: int | None, tokens: tuple[int, ...]) -> torch.Tensor:
    """Return (positions, vocabulary) in nats: the row of a position is what follows it. None is the bare base."""
    with torch.inference_mode():
        return torch.log_softmax(_model(index)(input_ids=torch.tensor([tokens])).logits[0].float(), dim=-1)


@cache
def following(index: int | None, tokens: tuple[int, ...], start: int = 1) -> list[float]:
    """Return the log-probability of each token from `start` on, behind those before it."""
    rows = table(index, tokens)
    return [float(rows[place - 1, tokens[place]]) for place in range(start, len(tokens))]


def near(ours: list[float], theirs: list[float]) -> bool:
    """Compare number by number."""
    return len(ours) == len(theirs) and all(abs(a - b) < NEAR for a, b in zip(ours, theirs, strict=True))


def penalised(
    index: int | None,
    prompt: tuple[int, ...],
    tokens: int,
    presence_penalty: float = 0.0,
    frequency_penalty: float = 0.0,
    repetition_penalty: float = 1.0,
) -> tuple[int, ...]:
    """Answer greedily with the penalties of OpenAI's API and of transformers, written out once more."""
    answer: tuple[int, ...] = ()
    for _ in range(tokens):
        with torch.inference_mode():
            logits = _model(index)(input_ids=torch.tensor([prompt + answer])).logits[0, -1].float()
        logits = logits.clone()
        for token in set(prompt + answer):
            logits[token] *= repetition_penalty if logits[token] < 0 else 1 / repetition_penalty
        for token, often in Counter(answer).items():
            logits[token] -= presence_penalty + frequency_penalty * often
        answer += (int(logits.argmax()),)
    return answer
