"""What a request asks of the engine, and the refusal of one that the loop may not see. No torch."""

from dataclasses import dataclass, field

from hotswapd.swap.request_codes import AskCode

from .candidate import Candidate
from .sampling import Sampling

DEFAULT = "default"
"""The served name that always exists."""
MOST_LOGPROBS = 20
"""Log-probabilities of a position at most, besides that of its own token."""


class BadAsk(ValueError):
    """A request that the loop may not see. `param` names the field."""

    def __init__(self, code: AskCode, param: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.param = param


@dataclass(frozen=True, slots=True)
class Ask:
    """What one request wants; `generation` None is what is live under `name`. `key` and `tag` are the caller's own.

    `key` names whose request it is: requests of different keys take turns. `tag` comes back with
    how the request ended. `logprobs` None asks for none, 0 for those of the tokens themselves, k for the k likeliest
    tokens of each position too; `prompt_logprobs` the same for the prompt. With `max_tokens` 0 only the prompt is read.
    A prompt's cache is shared by requests that have the same `cache_salt`. `client` is who sent it, as the server knows
    that: a key's name and an address, with a space between; `key` may be what the client says of itself. The last
    `given` tokens of the prompt are the beginning of the answer, made elsewhere: draws and penalties go on from there.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    stop: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    generation: int | Candidate | None = None
    key: str = ""
    tag: str = ""
    name: str = DEFAULT
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    cache_salt: str = ""
    client: str = ""
    given: int = 0


def check(ask: Ask, vocabulary: int, context: int) -> None:
    """Refuse what the loop cannot answer. Raises BadAsk.

    `vocabulary` is the number of tokens there are, `context` how many prompt and answer may have together.
    """
    if not ask.prompt:
        raise BadAsk(AskCode.EMPTY_PROMPT, "prompt", "the prompt is empty: send at least one token")
    if not all(0 <= token < vocabulary for token in ask.prompt):
        raise BadAsk(AskCode.BAD_TOKEN, "prompt", f"a token id is outside the vocabulary of {vocabulary}")
    if not all(0 <= token < vocabulary for token, _ in ask.sampling.logit_bias):
        raise BadAsk(AskCode.BAD_TOKEN, "logit_bias", f"a token id is outside the vocabulary of {vocabulary}")
    if not all(0 <= token < vocabulary for token in ask.stop_token_ids):
        raise BadAsk(AskCode.BAD_TOKEN, "stop_token_ids", f"a token id is outside the vocabulary of {vocabulary}")
    if ask.max_tokens < (0 if ask.prompt_logprobs is not None else 1):
        raise BadAsk(AskCode.BAD_MAX_TOKENS, "max_tokens", "max_tokens must be at least 1")
    if len(ask.prompt) + ask.max_tokens > context:
        sentence = (
            f"the prompt has {len(ask.prompt)} tokens and max_tokens is {ask.max_tokens}; "
            f"together at most {context} fit"
        )
        raise BadAsk(AskCode.CONTEXT_LENGTH_EXCEEDED, "prompt", sentence)
