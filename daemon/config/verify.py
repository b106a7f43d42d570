"""``[verify]`` and its tables: what a candidate must show before it goes live, and for a while afterwards."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from .tables import AbsolutePath, Count, Limit, Name, Number, Positive, Seconds, Table, wrong

Share = Annotated[float, Number, Field(ge=0, le=1)]
LogProbability = Annotated[float, Number, Field(le=0)]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise wrong(f"must be a regular expression ({error})") from None
    return text


class ProbeMessage(Table):
    """One turn of a golden conversation."""

    role: Name
    content: str


class Probe(Table):
    """``[[verify.probe]]``: a golden prompt, and what must hold of its answer."""

    prompt: str = ""
    messages: tuple[ProbeMessage, ...] = ()
    max_tokens: Count = 64
    expect: Annotated[str, AfterValidator(_pattern)] = ""
    contains: str = ""
    answer: str = ""
    max_perplexity: Limit = 0.0
    min_logprob: LogProbability | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if bool(self.prompt) == bool(self.messages):
            raise wrong("must have either prompt or messages")
        scored = bool(self.max_perplexity) or self.min_logprob is not None
        if not (self.expect or self.contains or scored):
            raise wrong("must have one of expect, contains, max_perplexity and min_logprob")
        if scored != bool(self.answer):
            raise wrong("must have an answer where it has max_perplexity or min_logprob, and only there")
        return self


class Dataset(Table):
    """``[verify.dataset]``: JSON lines of texts or of prompts with answers, for perplexity."""

    file: AbsolutePath
    max_tokens: Count = 20_000
    max_ratio: Positive = 1.1


class Replay(Table):
    """``[verify.replay]``: how likely a candidate must find what the live generation has just answered.

    0 is as likely as the live generation does, 1 as the bare base. The answers are kept in memory only.
    """

    outcome: Literal["warn", "refuse", "off"] = "warn"
    max_score: Positive = 0.7
    min_answers: Count = 16


class Command(Table):
    """``[verify.command]``: a program that judges the candidate, in a berth that serves it to nobody else."""

    argv: Annotated[tuple[Name, ...], Field(min_length=1)]
    timeout: Positive = 300.0
    pass_env: tuple[Name, ...] = ()


class Watch(Table):
    """``[verify.watch]``: what the requests of the live generation may look like; 0 seconds watches nothing.

    A share above its limit brings the last good generation back: a limit of 0 allows none, and 1 is off.
    """

    seconds: Seconds = 600.0
    min_requests: Count = 20
    max_non_finite: Share = 0.0
    max_degenerate: Share = 0.5
    max_errors: Share = 0.2
    max_latency_ratio: Limit = 5.0


class Verify(Table):
    """``[verify]``: the built-in gates, and those that the operator adds; times in seconds. A limit of 0 is off.

    `max_logit` is an absolute value, `max_loss` is in nats a token above the base, growth and ratio are factors.
    """

    timeout: Positive = 600.0
    turn_tokens: Count = 128
    max_share: Annotated[float, Number, Field(gt=0, le=1)] = 0.08
    max_logit: Limit = 1e4
    max_logit_growth: Limit = 100.0
    max_same_token: Share = 0.7
    max_loss: Limit = 0.5
    no_change: Literal["warn", "refuse", "allow"] = "warn"
    max_update_ratio: Limit = 50.0
    max_update_growth: Limit = 20.0
    outgrown: Literal["warn", "refuse"] = "warn"
    probe: tuple[Probe, ...] = ()
    dataset: Dataset | None = None
    replay: Replay = Replay()
    command: Command | None = None
    watch: Watch = Watch()
