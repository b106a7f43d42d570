"""TODO swap/gates/dataset.py."""

import math

from hotswapd.swap.arena.image import Image

from .reading import perplexity, score
from .spec import Dataset, Outcome, Verdict
from .turns import GateTurns


def dataset_tokens(dataset: Dataset) -> int:
    """Count what one reading of the dataset takes."""
    return sum(len(one.tokens) for one in dataset.examples)


def dataset_perplexity(turns: GateTurns, image: Image, dataset: Dataset) -> float:
    """Compute the perplexity of all that the examples do not give."""
    return perplexity(*score(turns, image, dataset.examples))


def dataset_verdict(dataset: Dataset, now: float, live: float, base: float) -> Verdict:
    """Hold a candidate's perplexity against those of the live generation and of the bare base."""
    numbers = {
        "perplexity": now,
        "live_perplexity": live,
        "base_perplexity": base,
        "ratio_to_live": _ratio(now, live),
        "ratio_to_base": _ratio(now, base),
        "tokens": float(dataset_tokens(dataset)),
    }
    for name, other in (("live", live), ("base", base)):
        ratio = numbers[f"ratio_to_{name}"]
        if not ratio <= dataset.max_ratio:
            whose = "the live generation's" if name == "live" else "the bare base's"
            sentence = (
                f"its perplexity on verify.dataset is {now:.4g}, {whose} is {other:.4g}: {ratio:.3f} times as much, "
                f"and verify.dataset.max_ratio is {dataset.max_ratio:g}"
            )
            return Verdict("dataset", Outcome.FAILED, "dataset_worse", sentence, numbers)
    return Verdict("dataset", numbers=numbers)


def _ratio(now: float, other: float) -> float:
    """Divide; what is infinite for both is as good as it was."""
    if math.isinf(now):
        return 1.0 if math.isinf(other) else math.inf
    return now / other
