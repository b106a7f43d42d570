"""TODO swap/gates/norms.py."""

from collections.abc import Sequence
from statistics import median

from hotswapd.swap.arena.image import Image
from hotswapd.swap.arena.layout import Layout
from hotswapd.swap.arena.norms import update_norms, whole

from .spec import Limits, Outcome, Verdict

_ENOUGH = 3


"""Generations that must have been live before their norms say what is usual."""


def norms_verdict(
    image: Image, layout: Layout, base: dict[str, float], before: Sequence[float], limits: Limits
) -> Verdict:
    """Compare the update's norm with the weights' it is added to, and with those that were live `before`."""
    norms = update_norms(image, layout)
    size, weights = whole(norms.values()), whole(base.values())
    numbers = {
        "update_norm": size,
        "base_norm": weights,
        "update_ratio": size / weights if weights else 0.0,
        "largest_slot_ratio": max((norm / base[slot] for slot, norm in norms.items() if base[slot]), default=0.0),
    }
    usual = median(before) if len(before) >= _ENOUGH else 0.0
    if usual:
        numbers |= {"usual_update_norm": usual, "update_growth": size / usual}
    return _judge_norms(numbers, limits)


def _judge_norms(numbers: dict[str, float], limits: Limits) -> Verdict:
    ratio, growth = numbers["update_ratio"], numbers.get("update_growth", 0.0)
    remedy = "look at lora_alpha and at the training run"
    if limits.max_update_ratio and not ratio <= limits.max_update_ratio:
        sentence = (
            f"the update's norm is {ratio:.3g} times that of the weights it is added to, and "
            f"verify.max_update_ratio is {limits.max_update_ratio:g}; {remedy}"
        )
        return Verdict("norms", Outcome.FAILED, "update_too_large", sentence, numbers)
    if limits.max_update_growth and growth > limits.max_update_growth:
        sentence = (
            f"the update's norm is {numbers['update_norm']:.3g}, {growth:.3g} times the median of those that were live "
            f"before, and verify.max_update_growth is {limits.max_update_growth:g}; {remedy}"
        )
        outcome = Outcome.FAILED if limits.outgrown == "refuse" else Outcome.WARNED
        return Verdict("norms", outcome, "update_outgrown", sentence, numbers)
    return Verdict("norms", numbers=numbers)
