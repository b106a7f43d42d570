"""How a request ended, in plain values: the daemon counts these without importing what answered."""

from dataclasses import dataclass, field

from .paces import Load


@dataclass(frozen=True, slots=True)
class Ended:
    """How a request ended: `finish` is ``stop``, ``length``, ``error`` or ``cancelled``.

    `generation` is -1 for a candidate's own requests. `non_finite` tells whether a logit of one of its tokens was NaN
    or infinite. `seconds` is from its first token to its last, `first` from its arrival to its first token, 0 without
    one. `tag` is its request's. `logprob` is the mean log-probability of its tokens in nats, None unless each of them
    was scored. `client` is who asked, see `Ask`; `usual` whether the answer is the model's own, see `Sampling`. What
    clients wrote is in no repr. `paces` are the mean seconds of its steps, by what was in them. `delayed` tells whether
    the process waited for a processor meanwhile, so that none of these times says anything of the generation.
    """

    generation: int
    token_ids: tuple[int, ...] = field(repr=False)
    finish: str
    non_finite: bool
    seconds: float
    first: float = 0.0
    tag: str = ""
    logprob: float | None = None
    channel: str = "default"
    prompt: tuple[int, ...] = field(default=(), repr=False)
    client: str = ""
    usual: bool = True
    paces: tuple[tuple[Load, float], ...] = ()
    delayed: bool = False
