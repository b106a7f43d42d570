"""The short probe: a few fixed prompts, run on the candidate's weights before a request can meet them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hotswapd.swap.codes import GateCode
from hotswapd.swap.errors import BaseUnservable, BaseUnusable, RolledBack
from hotswapd.swap.failures import classify

from .texts import LARGEST_GROWTH, LARGEST_LOGIT, SHORT, spread

LEAST_GROWTH = 2.0
"""How many times larger it may be whatever LARGEST_LOGIT says: some bases are close to that or above it themselves."""


@dataclass(frozen=True, slots=True)
class ProbeNumbers:
    """The result of one run: the share of finite logits, and the largest magnitude among the finite ones."""

    finite: float
    largest: float


def probe_prompts(tokenizer: Any, vocabulary: int) -> list[list[int]]:
    """Make the prompts' token ids: some spread over the vocabulary, and the short texts where there is a tokenizer."""
    prompts = [list(prompt) for prompt in spread(vocabulary)]
    if tokenizer is not None:
        prompts += [tokenizer.encode(text) for text in SHORT]
    known = [[token for token in prompt if token < vocabulary] for prompt in prompts]
    return [prompt for prompt in known if prompt]


def run_probe(model: Any, prompt: Sequence[int]) -> ProbeNumbers:
    """Run one prompt through the model. Legal in a turn only."""
    with torch.inference_mode():
        ids = torch.tensor([list(prompt)], device=model.device)
        logits = model(input_ids=ids, use_cache=False).logits.float()
        finite = torch.isfinite(logits)
        largest = torch.where(finite, logits, torch.zeros_like(logits)).abs().amax()
        # Counted, since a mean of ones may not be one: CUDA multiplies by 1/n, which gives 0.99999994 for 12 x 128,256.
        return ProbeNumbers(int(finite.sum()) / finite.numel(), float(largest))


def run_bare(model: Any, prompts: Sequence[Sequence[int]]) -> list[ProbeNumbers]:
    """Run every prompt through the base alone. Raises BaseUnservable if its own code fails."""
    try:
        return [run_probe(model, prompt) for prompt in prompts]
    except Exception as error:
        if classify(error) != "other":
            raise
        first = (str(error).strip().splitlines() or [""])[0]
        raise BaseUnservable(
            f"model.base: the base model itself cannot run: {type(error).__name__}: {first}; "
            "correct its config.json, or serve another base"
        ) from error


def check_base(numbers: Sequence[ProbeNumbers], dtype: str) -> None:
    """Refuse a base that is not sane without any adapter. Raises BaseUnusable."""
    if min(one.finite for one in numbers) < 1.0:
        other = "bfloat16 or float32" if dtype == "float16" else "float32" if dtype == "bfloat16" else "another base"
        raise BaseUnusable(
            f"model.dtype: the base model itself gives NaN or infinite logits in {dtype}; choose {other}"
        )


def judge(numbers: Sequence[ProbeNumbers], base: Sequence[ProbeNumbers]) -> dict[str, float]:
    """Compare a candidate's numbers with the base's own. Raises RolledBack when it is not sane."""
    finite = min(one.finite for one in numbers)
    largest, usual = max(one.largest for one in numbers), max(one.largest for one in base)
    if finite < 1.0:
        raise RolledBack(
            GateCode.PROBE_NOT_FINITE,
            f"{1 - finite:.1%} of the logits of a probe prompt are NaN or infinite; look at the training run",
        )
    limit = max(min(LARGEST_LOGIT, LARGEST_GROWTH * usual), LEAST_GROWTH * usual)
    if largest > limit:
        raise RolledBack(
            GateCode.PROBE_OUT_OF_RANGE,
            f"a probe prompt's largest logit is {largest:.3g}, the base's is {usual:.3g} and {limit:.3g} is the limit; "
            "look at lora_alpha and the training run",
        )
    return {"probe_finite": finite, "probe_largest_logit": largest, "probe_base_largest_logit": usual}
