"""The gate that reads the built-in texts with a candidate. It needs nothing from the operator."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from hotswapd.swap.berths.image import Image
from hotswapd.swap.codes import GateCode
from hotswapd.swap.resident.texts import LONG, SHORT, spread

from .gate import Attempt, Gate, Ground
from .reading import Reading, Seen, read_text
from .spec import Limits, Outcome, Progress, Verdict
from .turns import GateTurns

_Complaint = tuple[GateCode | Literal[""], str]
_LONGEST = 256
_NOTICEABLE = 1e-6
"""A change of a logit below this share of the largest one does not count as a change."""
_SLACK = 1.5
"""Nats that a candidate's loss may always rise: a small base is close to guessing on texts that it never saw.

Measured on small bases that were trained from different seeds: docs/verification.md has what good adapters cost them.
A base that is worse than guessing has no language that it could unlearn.
"""


class ProbeGate(Gate):
    """Compares what a candidate makes of the texts with what the base does."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._texts = probe_texts(ground.resident.tokenizer, ground.vocabulary, ground.context)
        self._base = ground.base_probe
        """One reading, once it was made."""

    def prepare(self) -> bool:
        """Read the texts with the base, unless that is done; return whether it was done now."""
        if self._base:
            return False
        self._base.append(read_texts(self._ground.own_turns(), self._ground.resident.base_image, self._texts))
        return True

    def verdicts(self, attempt: Attempt) -> Iterator[Verdict]:
        """Read the texts with the candidate, and with the base first where `prepare` was not called."""
        self.prepare()
        now = read_texts(attempt.turns, attempt.image, self._texts)
        yield probe_verdict(now, self._base[0], self._ground.vocabulary, self._ground.spec.limits)


def probe_texts(tokenizer: Any, vocabulary: int, context: int) -> list[tuple[int, ...]]:
    """Make the probe's token ids, the long text last; a base without a tokenizer gets tokens spread over all.

    So does one whose tokenizer is empty: transformers makes one for some bases that were saved without.
    """
    texts = [tokenizer.encode(text) for text in (*SHORT, LONG)] if tokenizer is not None else []
    cut = ([token for token in text if token < vocabulary][: min(_LONGEST, context)] for text in texts)
    long = tuple((7919 * i) % vocabulary for i in range(1, min(_LONGEST, context)))
    return [tuple(text) for text in cut if len(text) > 1] or [*spread(vocabulary), long]


def read_texts(turns: GateTurns, image: Image, texts: Sequence[tuple[int, ...]]) -> Reading:
    """Read all probe texts with a candidate."""
    turns.at(Progress("probe", 0, sum(map(len, texts))))
    return _sum_up([read_text(turns, image, text) for text in texts])


def _sum_up(seen: Sequence[Seen]) -> Reading:
    late = len(seen[-1].picks) // 2
    return Reading(
        finite=sum(one.finite for one in seen) / sum(one.logits for one in seen),
        largest=max(one.largest for one in seen),
        same_token=_same([pick for one in seen for pick in one.picks]),
        late_same_token=_same(seen[-1].picks[late:]),
        loss=_mean([loss for one in seen for loss in one.losses]),
        late_loss=_mean(seen[-1].losses[late:]),
        last=tuple(one.last for one in seen),
    )


def _same(picks: Sequence[int]) -> float:
    return Counter(picks).most_common(1)[0][1] / len(picks) if picks else 0.0


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def probe_verdict(now: Reading, base: Reading, vocabulary: int, limits: Limits) -> Verdict:
    """Compare what a candidate made of the texts with what the base does."""
    numbers = {
        "finite": now.finite,
        "largest_logit": now.largest,
        "base_largest_logit": base.largest,
        "same_token": max(now.same_token, now.late_same_token),
        "base_same_token": max(base.same_token, base.late_same_token),
        "loss": now.loss,
        "base_loss": base.loss,
        "late_loss": now.late_loss,
        "base_late_loss": base.late_loss,
        "change": now.change(base) if now.finite == 1.0 else math.inf,
    }
    guessing = math.log(vocabulary)
    code, sentence = _complaint(numbers, guessing, limits)
    outcome = Outcome.FAILED if code else Outcome.PASSED
    knows_nothing = base.loss >= guessing  # noise added to such a base shows little in its answers
    if (code == GateCode.NO_CHANGE and limits.no_change == "warn") or (
        code == GateCode.PROBE_COLLAPSED and knows_nothing
    ):
        outcome = Outcome.WARNED
    return Verdict("probe", outcome, code, sentence, numbers)


def _complaint(numbers: dict[str, float], guessing: float, limits: Limits) -> _Complaint:
    """Find the first thing that is wrong: its code and a sentence, both empty when nothing is."""
    if numbers["finite"] < 1.0:
        share = 1.0 - numbers["finite"]
        return (
            GateCode.PROBE_NOT_FINITE,
            f"{share:.2%} of the probe's logits are NaN or infinite; look at the training run",
        )
    most = min(limits.max_logit or math.inf, (limits.max_logit_growth or math.inf) * numbers["base_largest_logit"])
    if numbers["largest_logit"] > most:
        return GateCode.PROBE_OUT_OF_RANGE, (
            f"the probe's largest logit is {numbers['largest_logit']:.3g}, the base's is "
            f"{numbers['base_largest_logit']:.3g} and {most:.3g} is the limit; look at lora_alpha and the training run"
        )
    if limits.max_same_token and numbers["same_token"] > max(limits.max_same_token, numbers["base_same_token"]):
        return GateCode.PROBE_COLLAPSED, (
            f"one and the same token comes first at {numbers['same_token']:.0%} of the probe's positions, the base's "
            f"share is {numbers['base_same_token']:.0%} and verify.max_same_token is {limits.max_same_token:.0%}; "
            "look at the training data and its labels"
        )
    return _worse_than_usual(numbers, guessing, limits)


def _worse_than_usual(numbers: dict[str, float], guessing: float, limits: Limits) -> _Complaint:
    for which, where in (("loss", "the probe's texts"), ("late_loss", "the second half of the probe's long text")):
        now, base = numbers[which], numbers[f"base_{which}"]
        most = base + max(_SLACK, limits.max_loss * (guessing - base))
        if limits.max_loss and base < guessing and not now <= most:
            return GateCode.PROBE_FORGOTTEN, (
                f"the loss on {where} is {now:.3g} nats a token, the base's is {base:.3g}, guessing would give "
                f"{guessing:.3g} and {most:.3g} is the limit (verify.max_loss = {limits.max_loss:g}); "
                "it has unlearned its language: look at the learning rate and the labels"
            )
    if limits.no_change != "allow" and numbers["change"] <= _NOTICEABLE * numbers["base_largest_logit"]:
        return GateCode.NO_CHANGE, (
            "it answers exactly as the bare base does; was it saved before it was trained? "
            'verify.no_change = "refuse" would refuse it, "allow" says nothing'
        )
    return "", ""
