"""The gate of the operator's dataset: the candidate's perplexity against that of the live generation and the base."""

import math
from collections.abc import Iterator

from hotswapd.swap.berths.image import Image
from hotswapd.swap.codes import GateCode

from .gate import Attempt, Gate, Ground
from .reading import perplexity, score
from .spec import Dataset, Outcome, Progress, Verdict
from .turns import GateTurns


class DatasetGate(Gate):
    """Measures base and live generation once, and each candidate."""

    once = True

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._perplexities: dict[str, float] = {}

    def verdicts(self, attempt: Attempt) -> Iterator[Verdict]:
        """Measure what is not known yet. No verdict where the operator gave no dataset."""
        dataset = self._ground.spec.dataset
        if dataset is not None:
            yield self._verdict(attempt, dataset)

    def _verdict(self, attempt: Attempt, dataset: Dataset) -> Verdict:
        turns, live, base = attempt.turns, attempt.live, self._ground.resident.base_image
        wanted = [
            one for one in {base.digest: base, live.digest: live}.values() if one.digest not in self._perplexities
        ]
        turns.be_long()
        turns.at(Progress("dataset", 0, dataset_tokens(dataset) * (len(wanted) + 1)))
        measured = {one.digest: dataset_perplexity(turns, one, dataset) for one in wanted}
        known = self._perplexities | measured
        self._perplexities = {digest: known[digest] for digest in (base.digest, live.digest)}
        now = dataset_perplexity(turns, attempt.image, dataset)
        return dataset_verdict(dataset, now, known[live.digest], known[base.digest])


def dataset_tokens(dataset: Dataset) -> int:
    """Count the tokens of one reading of the dataset."""
    return sum(len(one.tokens) for one in dataset.examples)


def dataset_perplexity(turns: GateTurns, image: Image, dataset: Dataset) -> float:
    """Compute the perplexity of all that the examples do not give."""
    return perplexity(*score(turns, image, dataset.examples))


def dataset_verdict(dataset: Dataset, now: float, live: float, base: float) -> Verdict:
    """Compare a candidate's perplexity with those of the live generation and of the bare base."""
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
            return Verdict("dataset", Outcome.FAILED, GateCode.DATASET_WORSE, sentence, numbers)
    return Verdict("dataset", numbers=numbers)


def _ratio(now: float, other: float) -> float:
    """Divide; two that are both infinite are equally good."""
    if math.isinf(now):
        return 1.0 if math.isinf(other) else math.inf
    return now / other
