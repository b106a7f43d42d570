"""What a client may ask of `/v1/completions` and `/v1/chat/completions`, checked before anything reaches the model."""

import json
from typing import Annotated, Literal, NoReturn, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from hotswapd.daemon.errors import BadRequest, ErrorCode

from .json_bounds import bounded_text, not_json, require_text

MAX_BODY_BYTES = 8 << 20
MOST_ITEMS = 1 << 16
"""Members of all lists and objects of a body together, where no context says otherwise."""
_STOPS = 16
_NAMED = 100
Zero = Annotated[float, Field(ge=0, le=0)]
One = Annotated[int, Field(ge=1, le=1)]
Text = Annotated[str, Field(min_length=1)]
Tokens = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, fail_fast=True)]


def _wrong(sentence: str) -> PydanticCustomError:
    """Make the error that a validator raises: pydantic adds no words of its own to this one."""
    return PydanticCustomError(ErrorCode.BAD_VALUE, "{sentence}", {"sentence": sentence})


class StreamOptions(BaseModel):
    """How a stream ends."""

    model_config = ConfigDict(extra="forbid", strict=True)
    include_usage: bool = False


class Common(BaseModel):
    """What both endpoints take. A field that would change the answer and is not supported is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    model: str
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: One | None = None
    user: str | None = None
    presence_penalty: Zero | None = None
    frequency_penalty: Zero | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None

    @field_validator("stop")
    @classmethod
    def _stops(cls, value: str | list[str] | None) -> list[str]:
        stops = [] if value is None else [value] if isinstance(value, str) else value
        if len(stops) > _STOPS or not all(stops):
            raise _wrong(f"must be a string or at most {_STOPS} strings, none of them empty")
        return stops

    @model_validator(mode="after")
    def _options(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise _wrong("stream_options is for stream = true")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop sequences, as texts."""
        return tuple(self.stop or ())

    @property
    def limit(self) -> int | None:
        """The largest number of tokens in the answer; None means as many as fit."""
        return self.max_tokens

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a chunk that counts the tokens."""
        return self.stream_options is not None and self.stream_options.include_usage


class CompletionBody(Common):
    """``/v1/completions``: a text, alone or in a list, or token ids."""

    prompt: Text | Tokens
    echo: Literal[False] | None = None
    best_of: One | None = None
    logprobs: None = None
    suffix: Annotated[str, Field(max_length=0)] | None = None

    @field_validator("prompt", mode="before")
    @classmethod
    def _one_text(cls, value: object) -> object:
        match value:
            case [str() as text] if text:
                return text
        return value

    @property
    def limit(self) -> int | None:
        """OpenAI's own default is 16."""
        return 16 if self.max_tokens is None else self.max_tokens


class TextPart(BaseModel):
    """A piece of a message."""

    model_config = ConfigDict(extra="forbid", strict=True)
    type: Literal["text"]
    text: str


class Message(BaseModel):
    """One turn of a conversation. The tokenizer's template decides which roles there are."""

    model_config = ConfigDict(extra="forbid", strict=True)
    role: Text
    content: str | Annotated[list[TextPart], Field(fail_fast=True)]
    name: str | None = None

    def plain(self) -> dict[str, str]:
        """Return the message as templates expect it."""
        joined = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": self.role, "content": joined}


class PlainFormat(BaseModel):
    """The only response format: text."""

    model_config = ConfigDict(extra="forbid", strict=True)
    type: Literal["text"]


class ChatBody(Common):
    """``/v1/chat/completions``: a conversation."""

    messages: Annotated[list[Message], Field(min_length=1, fail_fast=True)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = None
    response_format: PlainFormat | None = None
    tools: Annotated[list[object], Field(max_length=0)] | None = None
    store: Literal[False] | None = None

    @property
    def limit(self) -> int | None:
        """The newer name wins."""
        return self.max_completion_tokens or self.max_tokens


Body = CompletionBody | ChatBody
B = TypeVar("B", bound=Common)


def read_body(kind: type[B], body: bytes | bytearray, most_items: int = MOST_ITEMS) -> B:
    """Parse a request's JSON. Raises a BadRequest that names every field at fault."""
    try:
        fields = json.loads(bounded_text(body, most_items), parse_constant=_no_constant)
    except ValueError:
        raise not_json() from None
    if not isinstance(fields, dict):
        raise not_json()
    require_text(fields, body)
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise _explain(error) from None


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


_CODES = {
    "extra_forbidden": ErrorCode.UNKNOWN_FIELD,
    "missing": ErrorCode.MISSING_FIELD,
    "literal_error": ErrorCode.UNSUPPORTED_VALUE,
}


def _explain(error: ValidationError) -> BadRequest:
    """Report each field at fault once; a union complains once for each of its members."""
    if error.error_count() > _NAMED:  # to name them takes longer than to find them, and holds everybody up
        return BadRequest(ErrorCode.BAD_VALUE, f"more than {_NAMED} things are wrong with the body")
    wrong: dict[str, tuple[ErrorCode, str]] = {}
    for one in error.errors(include_url=False, include_input=False):
        field = str(one["loc"][0]) if one["loc"] else "body"
        wrong.setdefault(
            field, (_CODES.get(one["type"], ErrorCode.BAD_VALUE), _sentence(field, one["type"], one["msg"]))
        )
    first = next(iter(wrong))
    return BadRequest(wrong[first][0], "; ".join(sentence for _, sentence in wrong.values()), first)


def _sentence(field: str, kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"the field {field[:100]} does not exist"
    if kind == "missing":
        return f"{field} must be given"
    return f"{field}: {message[:1].lower()}{message[1:]}"
