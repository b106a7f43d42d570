"""What a request asks of the engine, and the refusal of one that no lane may see."""

from dataclasses import dataclass, field

from .candidate import Candidate
from .sampling import Sampling


class BadAsk(ValueError):
    """A request that no lane may see. `param` names the field, `code` is stable."""

    def __init__(self, code: str, param: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.param = param


@dataclass(frozen=True, slots=True)
class Ask:
    """What one request wants; `generation` None is the live one. `key` and `tag` are the caller's own.

    `tag` comes back with how the request ended.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    stop: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    generation: int | Candidate | None = None
    key: str = ""
    tag: str = ""
