"""How a request ended, in plain values: the daemon counts these without importing what answered."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ended:
    """How a request ended: `finish` is ``stop``, ``length``, ``error`` or ``cancelled``.

    `generation` is -1 for a candidate's own requests. `non_finite` tells whether a logit of one of its tokens was NaN
    or infinite. `seconds` is from its first token to its last, `first` from its arrival to its first token, 0 without
    one. `tag` is its request's. `logprob` is the mean log-probability of its tokens in nats, None unless each of them
    was scored.
    """

    generation: int
    token_ids: tuple[int, ...]
    finish: str
    non_finite: bool
    seconds: float
    first: float = 0.0
    tag: str = ""
    logprob: float | None = None
    channel: str = "default"
