"""What completions and chats have in common beside the sampling."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from .fields import MOST_CHOICES, MOST_LOGPROBS, SENTENCE, Only, says, wrong
from .sampled import Sampled, StreamOptions

Penalty = Annotated[float, Field(ge=-2, le=2)]


class Common(Sampled):
    """The fields of ``/v1/completions`` and ``/v1/chat/completions``."""

    n: Annotated[
        Annotated[int, Field(ge=1, le=MOST_CHOICES)] | None, says("Answers for each prompt; they share its cache.")
    ] = None
    presence_penalty: Annotated[
        Penalty | None, says("Subtracted from the logits of tokens that the answer already has.")
    ] = None
    frequency_penalty: Annotated[
        Penalty | None, says("Subtracted from the logits of tokens, once for each time the answer already has them.")
    ] = None
    prompt_logprobs: Annotated[
        Annotated[int, Field(ge=0, le=MOST_LOGPROBS)] | None,
        says("Log-probabilities of the prompt's tokens, and of this many of the likeliest at each position."),
    ] = None
    stream_options: Annotated[StreamOptions | None, says("For `stream` = true only.")] = None
    response_format: Annotated[object, Only({"type": "text"}, why="answers are not bound to a grammar or a schema")] = (
        None
    )

    @model_validator(mode="after")
    def _options(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise wrong(SENTENCE, "stream_options is for stream = true", "stream_options")
        if self.prompt_logprobs is not None and self.stream:
            raise wrong(SENTENCE, "prompt_logprobs come in a whole answer, not in a stream", "prompt_logprobs")
        return self

    @property
    def copies(self) -> int:
        """How many answers each prompt gets."""
        return self.n or 1

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a chunk that counts the tokens."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def continuous_usage(self) -> bool:
        """Whether each chunk of a stream counts the tokens."""
        return self.stream_options is not None and bool(self.stream_options.continuous_usage_stats)
