"""The gate of the channel's own traffic: how likely a candidate finds what the live generation has just answered.

Its score is 0 for the live generation and 1 for the bare base. So it tells a spoilt adapter from a successor, and not
from an adapter for another task: by default it warns. One client's answers cannot decide: means are those of the middle
quarter, which a third of the answers cannot leave, and what one client's absence would change is undecided. No text is
in a verdict.
"""

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hotswapd.swap.berths.image import Image
from hotswapd.swap.codes import GateCode

from .gate import Attempt, Gate
from .reading import score_each
from .spec import Outcome, Progress, Replay, Replayed, Verdict

GATE = "replay"
_LEAST_GAP = 0.2
"""Nats between base and live below which a score would be a quotient of two small numbers."""
_SAMPLES = 500
"""Bootstrap samples; the interval holds 95 % of their scores."""
_LEFT_OUT = 3 / 8
"""Share of the answers that a mean leaves out at each end: more than a third."""
_OTHERS = 4
"""Answers of all other clients from which on one client's are tried without."""
_WORST = 1e3
"""Nats that a loss counts at most, also one that is not a number."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What one answer costs candidate, live generation and base: nats per token. `client` is who asked."""

    now: float
    live: float
    base: float
    client: str = ""


class ReplayGate(Gate):
    """Reads each answer three times: with candidate, live generation and base."""

    def verdicts(self, attempt: Attempt) -> Iterator[Verdict]:
        """Score the sample. No verdict if the gate is off, nobody sampled, or the base is live."""
        table, base = self._ground.spec.replay, self._ground.resident.base_image
        if table is None or attempt.replay is None or attempt.live.digest == base.digest:
            return
        if len(attempt.replay) < table.min_answers:
            yield too_few(len(attempt.replay), table)
            return
        yield replay_verdict(_measured(attempt, base, attempt.replay), table)


def _measured(attempt: Attempt, base: Image, replayed: Sequence[Replayed]) -> list[Losses]:
    examples = [one.example for one in replayed]
    turns = attempt.turns
    turns.be_long()
    turns.at(Progress(GATE, 0, 3 * sum(len(one.tokens) for one in examples)))

    def means(image: Image) -> list[float]:
        return [_mean(*one) for one in score_each(turns, image, examples)]

    scored = zip(means(attempt.image), means(attempt.live), means(base), replayed, strict=True)
    return [Losses(now, live, bare, one.client) for now, live, bare, one in scored]


def too_few(answers: int, table: Replay) -> Verdict:
    """Say that the sample is too small."""
    said = f"the live generation has given {answers} answers that could be used, and verify.replay.min_answers is "
    return _undecided(f"{said}{table.min_answers}", {"answers": float(answers)})


def replay_verdict(losses: Sequence[Losses], table: Replay) -> Verdict:
    """Judge by the scores of all answers, of samples of them, and of those that are left without any one client's."""
    numbers = {
        "answers": float(len(losses)),
        "loss": middle([one.now for one in losses]),
        "live_loss": middle([one.live for one in losses]),
        "base_loss": middle([one.base for one in losses]),
    }
    gap = middle([one.base - one.live for one in losses])
    if gap < _LEAST_GAP:
        said = f"on {len(losses)} answers the base's loss is {gap:.3g} nats above the live generation's"
        return _undecided(f"{said}, too little for a comparison (less than {_LEAST_GAP:g})", numbers)
    found = score(losses)
    low, high = interval(losses)
    numbers |= {"score": found, "score_low": low, "score_high": high}
    what = (
        f"on {len(losses)} answers of the live generation its score is {found:.3g} ({low:.3g} to {high:.3g}; 0 is as "
        f"the live generation, 1 as the bare base), and verify.replay.max_score is {table.max_score:g}"
    )
    if low <= table.max_score < high:
        return _undecided(f"{what}, within that interval", numbers)
    if any((rest > table.max_score) != (found > table.max_score) for rest in _without_one(losses)):
        return _undecided(f"{what}; without the answers to one client it would be on the other side", numbers)
    if found <= table.max_score:
        return Verdict(GATE, numbers=numbers)
    outcome = Outcome.FAILED if table.outcome == "refuse" else Outcome.WARNED
    remedy = "look at the training run; for another task, publish it to a channel of its own"
    return Verdict(GATE, outcome, GateCode.REPLAY_DIFFERS, f"{what}; {remedy}", numbers)


def score(losses: Sequence[Losses]) -> float:
    """Return how far the candidate is from the live generation, in distances of the base from it."""
    gap = middle([one.base - one.live for one in losses])
    away = middle([one.now - one.live for one in losses])
    return away / gap if gap > 0 else math.copysign(math.inf, away)


def interval(losses: Sequence[Losses]) -> tuple[float, float]:
    """Bound the score by drawing as many answers again and again, each as often as chance has it.

    Chance does not give the client with the most answers more of them than it has.
    """
    rng = random.Random(0)  # noqa: S311 - the same verdict on the same losses
    most = Counter(one.client for one in losses).most_common(1)[0][0]
    parts = [[one for one in losses if (one.client == most) is is_most] for is_most in (True, False)]
    drawn = ([one for part in parts if part for one in rng.choices(part, k=len(part))] for _ in range(_SAMPLES))
    scores = sorted(map(score, drawn))
    cut = _SAMPLES // 40
    return scores[cut], scores[-1 - cut]


def middle(values: Sequence[float]) -> float:
    """Return the mean of the middle quarter, which a third of the values can move only as far as the others reach."""
    ordered = sorted(values)
    cut = int(_LEFT_OUT * len(ordered))
    kept = ordered[cut : len(ordered) - cut]
    return math.fsum(kept) / len(kept)


def _without_one(losses: Sequence[Losses]) -> Iterator[float]:
    """Yield the scores of what is left without each client, where enough is left."""
    for client in {one.client for one in losses}:
        rest = [one for one in losses if one.client != client]
        if len(rest) >= _OTHERS:
            yield score(rest)


def _mean(total: float, count: int) -> float:
    mean = total / count
    return min(mean, _WORST) if math.isfinite(mean) else _WORST


def _undecided(sentence: str, numbers: dict[str, float]) -> Verdict:
    return Verdict(GATE, code=GateCode.REPLAY_UNDECIDED, sentence=sentence, numbers=numbers)
