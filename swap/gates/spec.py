"""What a candidate must show before it goes live, and what it has shown: plain values, no torch."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from hotswapd.swap.resident.texts import LARGEST_GROWTH, LARGEST_LOGIT

ADMISSION = "admission"
"""The name under which what admission warned of stands beside the gates' verdicts."""


class Outcome(StrEnum):
    """How a gate ended. A warning stops nothing."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate found: its numbers, and unless it passed a stable code and a sentence on what to do."""

    gate: str
    outcome: Outcome = Outcome.PASSED
    code: str = ""
    sentence: str = ""
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the configuration's [verify] table, which explains each. 0 turns a limit off."""

    timeout: float = 600.0
    turn_tokens: int = 128
    max_share: float = 0.08
    max_logit: float = LARGEST_LOGIT
    max_logit_growth: float = LARGEST_GROWTH
    max_same_token: float = 0.7
    max_loss: float = 0.5
    no_change: str = "warn"
    max_update_ratio: float = 50.0
    max_update_growth: float = 20.0
    outgrown: str = "warn"


@dataclass(frozen=True, slots=True)
class Golden:
    """A prompt of the operator's, and the conditions on its answer. `key` is where it was configured."""

    key: str
    prompt: tuple[int, ...]
    max_tokens: int = 64
    expect: re.Pattern[str] | None = None
    contains: str = ""
    answer: tuple[int, ...] = ()
    max_perplexity: float = 0.0
    min_logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A text to score: only the tokens after the first `given` count."""

    tokens: tuple[int, ...]
    given: int = 1


@dataclass(frozen=True, slots=True)
class Dataset:
    """The operator's examples, cut to the token budget, and how much worse than live and base a candidate may be."""

    examples: tuple[Example, ...]
    max_ratio: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """An answer of the live generation's, behind its prompt, and whose it is.

    What clients wrote is in no repr, and belongs in no log and no file.
    """

    example: Example = field(repr=False)
    client: str = ""


@dataclass(frozen=True, slots=True)
class Replay:
    """What becomes of a candidate that finds the live generation's answers unlikely: ``warn`` or ``refuse``.

    0 is the score of the live generation, 1 that of the base.
    """

    outcome: str = "warn"
    max_score: float = 0.7
    min_answers: int = 16


@dataclass(frozen=True, slots=True)
class Spec:
    """All gates that run on the model itself."""

    limits: Limits = field(default_factory=Limits)
    golden: tuple[Golden, ...] = ()
    dataset: Dataset | None = None
    replay: Replay | None = field(default_factory=Replay)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a gate is, in tokens."""

    gate: str
    done: int = 0
    total: int = 0


OnVerdict = Callable[[Verdict], None]
OnProgress = Callable[[Progress], None]
