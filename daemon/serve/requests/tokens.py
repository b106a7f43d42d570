"""The bodies of ``/tokenize`` and ``/detokenize``, in vLLM's shapes."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .fields import SENTENCE, Only, says, wrong
from .message import Message

_TEMPLATE = "the tokenizer's own template is used as it is"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    model: Annotated[str | None, says("Any name of the base; all generations have its tokenizer.")] = None


class TokenizeBody(_Body):
    """``/tokenize``: a text, or a conversation."""

    prompt: Annotated[str | None, says("A text.")] = None
    messages: Annotated[
        Annotated[list[Message], Field(min_length=1, fail_fast=True)] | None, says("A conversation, for the template.")
    ] = None
    return_token_strs: Annotated[bool | None, says("Also give each token as the vocabulary has it.")] = None
    add_special_tokens: Annotated[
        bool | None, says("Usual for a text: those that the tokenizer puts around it. Never for a conversation.")
    ] = None
    add_generation_prompt: Annotated[object, Only(True, why="an answer begins a new message")] = None
    continue_final_message: Annotated[object, Only(False, why="an answer begins a new message")] = None
    chat_template: Annotated[object, Only(why=_TEMPLATE)] = None
    chat_template_kwargs: Annotated[object, Only({}, why=_TEMPLATE)] = None
    mm_processor_kwargs: Annotated[object, Only({}, why="prompts are text")] = None
    media_io_kwargs: Annotated[object, Only({}, why="prompts are text")] = None
    tools: Annotated[object, Only([], why="this server calls no tools")] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise wrong(SENTENCE, "send either prompt or messages", "prompt")
        if self.messages is not None and self.add_special_tokens:
            raise wrong(SENTENCE, "add_special_tokens is for a prompt: a template writes its own", "add_special_tokens")
        return self


class DetokenizeBody(_Body):
    """``/detokenize``: token ids."""

    tokens: Annotated[list[Annotated[int, Field(ge=0)]], Field(fail_fast=True), says("Token ids.")]
