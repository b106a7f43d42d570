"""What transformers' own step gives: a batch of equal length over a static cache, greedy, and nothing around it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import StaticCache


@torch.inference_mode()
def generate(
    model: Any, prompts: Sequence[Sequence[int]], tokens: int, on_step: Callable[[], None] = lambda: None
) -> list[list[int]]:
    """Read prompts of one length (requests, tokens) in one batch, and return `tokens` new ones for each.

    Each step's tokens are brought to the host, as whoever streams them must; `on_step` is called when they are there.
    """
    ids = torch.tensor([list(prompt) for prompt in prompts], device=model.device)
    length = ids.shape[1]
    cache = StaticCache(config=model.config, max_cache_len=length + tokens)
    at = torch.arange(length, device=model.device)
    answers: list[list[int]] = [[] for _ in prompts]
    for _ in range(tokens):
        logits = model(input_ids=ids, past_key_values=cache, cache_position=at, logits_to_keep=1).logits
        ids = logits[:, -1].argmax(-1, keepdim=True)
        at = at[-1:] + 1
        for answer, token in zip(answers, ids[:, 0].tolist(), strict=True):
            answer.append(token)
        on_step()
    return answers
