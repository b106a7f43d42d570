"""The gate that looks at the size of the update. It needs nothing from the operator and does not run the model."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from hotswapd.swap.berths.norms import whole
from hotswapd.swap.codes import GateCode

from .gate import Attempt, Gate, Ground
from .spec import Limits, Outcome, Progress, Verdict

_ENOUGH = 3
"""Generations that must have been live before their norms tell what is usual."""


class NormsGate(Gate):
    """Compares the update with the base weights, and with the updates that were live before."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._base = ground.resident.base_norms

    def verdicts(self, attempt: Attempt) -> Iterator[Verdict]:
        """Measure on the image itself; the model does not run."""
        attempt.turns.at(Progress("norms"))
        attempt.turns.check()
        norms = self._ground.resident.norms(attempt.image)
        yield norms_verdict(norms, self._base, attempt.usual_norms, self._ground.spec.limits)


def norms_verdict(
    norms: Mapping[str, float], base: Mapping[str, float], before: Sequence[float], limits: Limits
) -> Verdict:
    """Compare an update's `norms` with those of the weights it is added to, and with the norms that were live `before`.

    Norms are Frobenius norms, by the slot's module name.
    """
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
