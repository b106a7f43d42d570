"""The body of ``/v1/chat/completions``."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from .common import Common
from .fields import MOST_LOGPROBS, SENTENCE, Ignored, Only, says, wrong
from .message import Message

_TEMPLATE = "the tokenizer's own template is used as it is"
_NO_TOOLS = "this server calls no tools"
Limit = Annotated[int, Field(ge=1)]


class ChatBody(Common):
    """``/v1/chat/completions``: a conversation."""

    messages: Annotated[
        list[Message],
        Field(min_length=1, fail_fast=True),
        says("The conversation, for the tokenizer's template."),
    ]
    max_tokens: Annotated[Limit | None, says("As many as fit if left out.")] = None
    max_completion_tokens: Annotated[Limit | None, says("The newer name of `max_tokens`, which it wins over.")] = None
    logprobs: Annotated[bool | None, says("Log-probabilities in the model's own distribution.")] = None
    top_logprobs: Annotated[
        Annotated[int, Field(ge=0, le=MOST_LOGPROBS)] | None,
        says("Also those of this many of the likeliest tokens at each position."),
    ] = None

    reasoning_effort: Annotated[object, Ignored("the template decides how a model reasons")] = None
    verbosity: Annotated[object, Ignored("a model has no such switch")] = None
    include_reasoning: Annotated[object, Ignored("reasoning is part of the text")] = None
    functions: Annotated[object, Only([], why=_NO_TOOLS)] = None
    function_call: Annotated[object, Only("none", "auto", why=_NO_TOOLS)] = None
    web_search_options: Annotated[object, Only(why="this server searches nothing")] = None
    modalities: Annotated[object, Only(["text"], why="answers are text")] = None
    audio: Annotated[object, Only(why="answers are text")] = None
    prediction: Annotated[object, Only(why="predicted text is not used")] = None
    echo: Annotated[object, Only(False, why="an answer begins a new message")] = None
    add_generation_prompt: Annotated[object, Only(True, why="an answer begins a new message")] = None
    continue_final_message: Annotated[object, Only(False, why="an answer begins a new message")] = None
    add_special_tokens: Annotated[object, Only(False, why=_TEMPLATE)] = None
    documents: Annotated[object, Only([], why=_TEMPLATE)] = None
    chat_template: Annotated[object, Only(why=_TEMPLATE)] = None
    chat_template_kwargs: Annotated[object, Only({}, why=_TEMPLATE)] = None
    media_io_kwargs: Annotated[object, Only({}, why="prompts are text")] = None

    @model_validator(mode="after")
    def _listed_are_scored(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise wrong(SENTENCE, "top_logprobs is for logprobs = true", "top_logprobs")
        return self

    @property
    def limit(self) -> int | None:
        """The newer name wins."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def scored(self) -> int | None:
        """Log-probabilities are asked for by a switch."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def prompt_scored(self) -> int | None:
        """Asked for by a field of its own."""
        return self.prompt_logprobs

    def turns(self) -> list[dict[str, str]]:
        """Return the messages as templates expect them."""
        return [message.plain() for message in self.messages]
