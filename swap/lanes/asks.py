"""What a request asks of the engine, and the refusal of one that no lane may see."""

from dataclasses import dataclass, field

from hotswapd.swap.codes import AskCode

from .candidate import Candidate
from .sampling import Sampling


class BadAsk(ValueError):
    """A request that no lane may see. `param` names the field."""

    def __init__(self, code: AskCode, param: str, sentence: str) -> None:
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


def check(ask: Ask, vocabulary: int, context: int) -> None:
    """Refuse what would kill the lane's thread, and with it every request in the lane. Raises BadAsk.

    `vocabulary` is the number of tokens there are, `context` how many prompt and answer may have together.
    """
    if not ask.prompt:
        raise BadAsk(AskCode.EMPTY_PROMPT, "prompt", "the prompt is empty: send at least one token")
    if not all(0 <= token < vocabulary for token in ask.prompt):
        raise BadAsk(AskCode.BAD_TOKEN, "prompt", f"a token id is outside the vocabulary of {vocabulary}")
    if ask.max_tokens < 1:
        raise BadAsk(AskCode.BAD_MAX_TOKENS, "max_tokens", "max_tokens must be at least 1")
    if len(ask.prompt) + ask.max_tokens > context:
        sentence = (
            f"the prompt has {len(ask.prompt)} tokens and max_tokens is {ask.max_tokens}; "
            f"together at most {context} fit"
        )
        raise BadAsk(AskCode.CONTEXT_LENGTH_EXCEEDED, "prompt", sentence)
