"""The gate that looks at the size of the update. It needs nothing from the operator and does not run the model."""

from collections.abc import Iterator, Sequence
from statistics import median

from hotswapd.swap.berths.image import Image
from hotswapd.swap.berths.layout import Layout
from hotswapd.swap.berths.norms import base_norms, update_norms, whole
from hotswapd.swap.codes import GateCode

from .gate import Attempt, Gate, Ground
from .spec import Limits, Outcome, Progress, Verdict

_ENOUGH = 3
"""Generations that must have been live before their norms tell what is usual."""


class NormsGate(Gate):
    """Compares the update with the base weights, and with the updates that were live before."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._base = base_norms(ground.resident.model, ground.resident.layout)

    def verdicts(self, attempt: Attempt) -> Iterator[Verdict]:
        """Measure on the image itself; the model does not run."""
        attempt.turns.at(Progress("norms"))
        attempt.turns.check()
        layout, limits = self._ground.resident.layout, self._ground.spec.limits
        yield norms_verdict(attempt.image, layout, self._base, attempt.usual_norms, limits)


def norms_verdict(
    image: Image, layout: Layout, base: dict[str, float], before: Sequence[float], limits: Limits
) -> Verdict:
    """Compare the update's norm with that of the weights it is added to, and with the norms that were live `before`."""
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
        return Verdict("norms", Outcome.FAILED, GateCode.UPDATE_TOO_LARGE, sentence, numbers)
    if limits.max_update_growth and growth > limits.max_update_growth:
        sentence = (
            f"the update's norm is {numbers['update_norm']:.3g}, {growth:.3g} times the median of those that were live "
            f"before, and verify.max_update_growth is {limits.max_update_growth:g}; {remedy}"
        )
        outcome = Outcome.FAILED if limits.outgrown == "refuse" else Outcome.WARNED
        return Verdict("norms", outcome, GateCode.UPDATE_OUTGROWN, sentence, numbers)
    return Verdict("norms", numbers=numbers)
