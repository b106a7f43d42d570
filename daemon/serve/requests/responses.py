"""The body of ``/v1/responses``."""

import json
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from .fields import MOST_LOGPROBS, UNSUPPORTED, WANTED, Ignored, Only, Text, says, wrong
from .message import Content, joined
from .sampled import Sampled

_KEPT = "no answer is kept here: send the whole conversation as input"
_TEXT_FORMAT = {"type": "text"}
_SCORES = "message.output_text.logprobs"


class Item(BaseModel):
    """A message of the input, written by a client or given back from an answer."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    role: Text
    content: Content
    type: Annotated[Literal["message"] | None, says("The only kind there is.")] = None
    id: Annotated[object, Ignored("an item is read for its content")] = None
    status: Annotated[object, Ignored("an item is read for its content")] = None
    phase: Annotated[object, Ignored("an item is read for its content")] = None

    def plain(self) -> dict[str, str]:
        """Return the message as templates expect it."""
        return {"role": self.role, "content": joined(self.content)}


class TextOptions(BaseModel):
    """How the text of an answer is written."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Annotated[object, Only(_TEXT_FORMAT, why="answers are not bound to a grammar or a schema")] = None
    verbosity: Annotated[object, Ignored("a model has no such switch")] = None


def _a_message(value: object) -> object:
    """Refuse other kinds of items by their names, and not by all the fields that messages do not have."""
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "item_reference":
        raise wrong(UNSUPPORTED, _KEPT)
    if kind not in (None, "message"):
        raise wrong(UNSUPPORTED, f"only messages are read, not {json.dumps(kind)[:40]}")
    return value


def _input_kind(value: object) -> str | None:
    match value:
        case str():
            return "text"
        case list():
            return "items"
    return None


Input = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[list[Annotated[Item, BeforeValidator(_a_message)]], Field(min_length=1, fail_fast=True), Tag("items")],
    Discriminator(_input_kind, custom_error_type=WANTED, custom_error_message="a text or a list of messages"),
]


class ResponsesBody(Sampled):
    """``/v1/responses``: a text or a conversation."""

    input: Annotated[Input, says("A text, or a list of messages.")]
    instructions: Annotated[str | None, says("A system message before the input.")] = None
    max_output_tokens: Annotated[Annotated[int, Field(ge=1)] | None, says("As many as fit if left out.")] = None
    top_logprobs: Annotated[
        Annotated[int, Field(ge=0, le=MOST_LOGPROBS)] | None,
        says(f"This many of the likeliest tokens at each position, if `include` has `{_SCORES}`."),
    ] = None
    include: Annotated[
        Annotated[list[str], Field(fail_fast=True)] | None,
        says(f"`{_SCORES}` is given; what an answer here never has is left out."),
    ] = None
    text: Annotated[TextOptions | None, says("Its format can only be plain text.")] = None

    reasoning: Annotated[object, Ignored("the template decides how a model reasons")] = None
    max_tool_calls: Annotated[object, Ignored("this server calls no tools")] = None
    stream_options: Annotated[object, Ignored("a stream's last event counts the tokens")] = None
    enable_response_messages: Annotated[object, Only(False, why="`/tokenize` shows what a prompt becomes")] = None
    previous_response_id: Annotated[object, Only(why=_KEPT)] = None
    previous_response: Annotated[object, Only(why=_KEPT)] = None
    previous_input_messages: Annotated[object, Only([], why=_KEPT)] = None
    conversation: Annotated[object, Only(why=_KEPT)] = None
    background: Annotated[object, Only(False, why="an answer is sent to the client that waits for it")] = None
    background_options: Annotated[object, Only(why="an answer is sent to the client that waits for it")] = None
    prompt: Annotated[object, Only(why="prompts are not kept here: send the text as input")] = None
    truncation: Annotated[object, Only("disabled", why="an input that is too long is refused")] = None
    context_management: Annotated[object, Only([], why="an input that is too long is refused")] = None
    image: Annotated[object, Only(why="answers are text")] = None
    access_programs: Annotated[object, Only(why="there are no access programs")] = None

    @property
    def limit(self) -> int | None:
        """It has a name of its own here."""
        return self.max_output_tokens

    @property
    def scored(self) -> int | None:
        """Log-probabilities are asked for in a list."""
        return (self.top_logprobs or 0) if _SCORES in (self.include or ()) else None

    def turns(self) -> list[dict[str, str]]:
        """Return the conversation as templates expect it."""
        first = [{"role": "system", "content": self.instructions}] if self.instructions else []
        if isinstance(self.input, str):
            return [*first, {"role": "user", "content": self.input}]
        return [*first, *(item.plain() for item in self.input)]
