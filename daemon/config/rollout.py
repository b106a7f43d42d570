"""``[rollout]``: how a verified candidate takes over from what is live."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .tables import Count, Limit, Number, Seconds, Table, wrong

Percent = Annotated[float, Number, Field(gt=0, le=100)]
Level = Annotated[float, Number, Field(gt=0, le=0.5)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")]
WHOLE = 100.0


class Rollout(Table):
    """``[rollout]``: at once, by a canary that is judged by what it does, or side by side until somebody decides.

    A limit of 0 is off. Weights and steps are percentages of new requests, `max_logprob_drop` is in nats a token.
    """

    mode: Literal["replace", "canary", "ab"] = "replace"
    weight: Percent = 5.0
    steps: tuple[Percent, ...] = ()
    min_requests: Count = 200
    min_seconds: Seconds = 300.0
    on_newer: Literal["supersede", "wait"] = "supersede"
    header: HeaderName = "X-Hotswapd-User"
    feedback: bool = False
    significance: Level = 0.01
    max_latency_ratio: Limit = 1.5
    max_length_ratio: Limit = 2.0
    max_logprob_drop: Limit = 0.5

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if any(after <= before for before, after in pairwise(self.steps)):
            raise wrong("steps must rise, as in [5, 25, 100]")
        if self.steps and self.steps[-1] != WHOLE:
            raise wrong("steps must end with 100, which is the promotion")
        if self.steps and self.steps[0] == WHOLE:
            raise wrong('steps must have one below 100; mode = "replace" does without')
        if not self.steps and self.mode == "canary" and self.weight == WHOLE:
            raise wrong("weight must be below 100: nothing would be left to compare with")
        return self

    @property
    def shares(self) -> tuple[float, ...]:
        """The percentages at which a candidate is compared before it gets everything."""
        if self.mode == "canary" and self.steps:
            return self.steps[:-1]
        return (self.weight,)
