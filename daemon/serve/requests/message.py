"""One turn of a conversation, as chats and responses have it."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from .fields import WANTED, Ignored, Only, Text, says

_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)


class TextPart(BaseModel):
    """A piece of text."""

    model_config = _STRICT

    type: Literal["text", "input_text", "output_text"]
    text: str
    annotations: Annotated[object, Ignored("a template shows none")] = None
    logprobs: Annotated[object, Ignored("a template shows none")] = None
    cache_control: Annotated[object, Ignored("prompts are cached by what they hold")] = None
    prompt_cache_breakpoint: Annotated[object, Ignored("prompts are cached by what they hold")] = None


class RefusalPart(BaseModel):
    """What an assistant said instead of an answer."""

    model_config = _STRICT

    type: Literal["refusal"]
    refusal: str

    @property
    def text(self) -> str:
        """It is read as what was said."""
        return self.refusal


def content_kind(value: object) -> str | None:
    """Tell whether a content is text, parts or nothing."""
    match value:
        case str():
            return "text"
        case list():
            return "parts"
        case None:
            return "nothing"
    return None


Part = Annotated[TextPart | RefusalPart, Field(discriminator="type")]
Content = Annotated[
    Annotated[str, Tag("text")]
    | Annotated[list[Part], Field(fail_fast=True), Tag("parts")]
    | Annotated[None, Tag("nothing")],
    Discriminator(content_kind, custom_error_type=WANTED, custom_error_message="a string, a list of parts, or null"),
]


def joined(content: str | list[TextPart | RefusalPart] | None) -> str:
    """Return the text of a content: parts are lines, and null is an empty text."""
    match content:
        case None:
            return ""
        case str():
            return content
    return "\n".join(part.text for part in content)


class Message(BaseModel):
    """One turn of a conversation. The tokenizer's template decides which roles there are."""

    model_config = _STRICT

    role: Annotated[Text, says("Any that the template knows; `developer` is `system` to one that does not know it.")]
    content: Annotated[Content, says("A text, a list of parts of type `text`, which are joined as lines, or null.")] = (
        None
    )
    name: Annotated[str | None, says("Given to the template.")] = None
    tool_call_id: Annotated[str | None, says("Given to the template.")] = None
    refusal: Annotated[str | None, says("Read as the content where that is empty.")] = None
    annotations: Annotated[object, Ignored("a template shows none")] = None
    provider_specific_fields: Annotated[object, Ignored("LiteLLM puts them into its messages")] = None
    audio: Annotated[object, Only(why="messages are text")] = None
    tool_calls: Annotated[object, Only([], why="this server calls no tools")] = None
    function_call: Annotated[object, Only(why="this server calls no tools")] = None
    reasoning: Annotated[object, Only("", why="earlier reasoning is not given to the template")] = None
    reasoning_content: Annotated[object, Only("", why="earlier reasoning is not given to the template")] = None

    @model_validator(mode="after")
    def _said(self) -> Self:
        """Only what an assistant said may be left out, as OpenAI's own answers have it."""
        if self.content is None and self.role != "assistant" and "content" not in self.model_fields_set:
            raise PydanticCustomError("missing_content", "content")
        return self

    def plain(self) -> dict[str, str]:
        """Return the message as templates expect it."""
        plain = {"role": self.role, "content": joined(self.content) or self.refusal or ""}
        if self.name is not None:
            plain["name"] = self.name
        if self.tool_call_id is not None:
            plain["tool_call_id"] = self.tool_call_id
        return plain
