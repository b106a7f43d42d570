"""The gate of golden prompts: what the operator knows about good answers."""

import math
from collections.abc import Callable, Iterator, Sequence

from hotswapd.swap.berths.image import Image
from hotswapd.swap.codes import GateCode

from .gate import Attempt, Gate
from .reading import perplexity, read_text, write
from .spec import Golden, Outcome, Progress, Verdict
from .turns import GateTurns

Decode = Callable[[Sequence[int]], str]
_SHOWN = 120
"""Characters of an answer that a sentence quotes."""


class GoldenGate(Gate):
    """Asks the operator's prompts, one verdict each."""

    def verdicts(self, attempt: Attempt) -> Iterator[Verdict]:
        """Ask each prompt until one fails."""
        for golden in self._ground.spec.golden:
            yield golden_verdict(attempt.turns, attempt.image, golden, self._ground.decode, self._ground.ends)


def golden_verdict(turns: GateTurns, image: Image, golden: Golden, decode: Decode, ends: Sequence[int]) -> Verdict:
    """Ask one golden prompt, and check the answer against its conditions."""
    writes = golden.expect is not None or bool(golden.contains)
    turns.at(Progress(golden.key, 0, len(golden.answer) + (golden.max_tokens if writes else 0)))
    numbers: dict[str, float] = {}
    complaint = ""
    if golden.answer:
        numbers, complaint = _given_answer(turns, image, golden)
    if writes and not complaint:
        tokens = list(write(turns, image, golden.prompt, golden.max_tokens, ends))
        numbers |= {"tokens": float(len(tokens))}
        complaint = _wrong_text(golden, decode(tokens))
    outcome = Outcome.FAILED if complaint else Outcome.PASSED
    return Verdict(golden.key, outcome, GateCode.GOLDEN_PROMPT if complaint else "", complaint, numbers)


def _wrong_text(golden: Golden, text: str) -> str:
    shown = repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
    if golden.expect is not None and not golden.expect.search(text):
        return f"{golden.key}.expect = {golden.expect.pattern!r} is not in the answer {shown}"
    if golden.contains and golden.contains not in text:
        return f"{golden.key}.contains = {golden.contains!r} is not in the answer {shown}"
    return ""


def _given_answer(turns: GateTurns, image: Image, golden: Golden) -> tuple[dict[str, float], str]:
    seen = read_text(turns, image, (*golden.prompt, *golden.answer))
    losses = seen.losses[len(golden.prompt) - 1 :]
    numbers = {
        "perplexity": perplexity(math.fsum(losses), len(losses)),
        "lowest_logprob": -max((loss if math.isfinite(loss) else math.inf for loss in losses), default=math.inf),
    }
    if golden.max_perplexity and numbers["perplexity"] > golden.max_perplexity:
        return numbers, (
            f"the given answer's perplexity is {numbers['perplexity']:.4g}, and {golden.key}.max_perplexity is "
            f"{golden.max_perplexity:g}"
        )
    if golden.min_logprob is not None and numbers["lowest_logprob"] < golden.min_logprob:
        return numbers, (
            f"a token of the given answer has the log-probability {numbers['lowest_logprob']:.4g}, and "
            f"{golden.key}.min_logprob is {golden.min_logprob:g}"
        )
    return numbers, ""
