"""What a client may ask of `/v1/completions` and `/v1/chat/completions`, checked before anything reaches the model."""

import json
from enum import Enum
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from hotswapd.daemon.errors import BadRequest, FaceError

MAX_BODY_BYTES = 8 << 20
_STOPS = 16
Zero = Annotated[float, Field(ge=0, le=0)]
One = Annotated[int, Field(ge=1, le=1)]
Text = Annotated[str, Field(min_length=1)]
Tokens = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class Beside(Enum):
    """Asked for as ``model@canary`` in place of a generation's number, whatever the canary's is."""

    CANARY = "canary"


class NoSuchModel(FaceError):
    """Another model, or another generation of it, was asked for than is here."""

    status = 404


def _wrong(sentence: str) -> PydanticCustomError:
    """Make the error that a validator raises: pydantic adds no words of its own to this one."""
    return PydanticCustomError("bad_value", "{sentence}", {"sentence": sentence})


class StreamOptions(BaseModel):
    """How a stream ends."""

    model_config = ConfigDict(extra="forbid", strict=True)
    include_usage: bool = False


class Body(BaseModel):
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
            raise _wrong(f"must be a text or at most {_STOPS} texts, none of them empty")
        return stops

    @model_validator(mode="after")
    def _options(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise _wrong("stream_options is for stream = true")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop sequences."""
        return tuple(self.stop or ())

    @property
    def limit(self) -> int | None:
        """The most tokens that the answer may have, None for as many as fit."""
        return self.max_tokens

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a chunk that counts tokens."""
        return self.stream_options is not None and self.stream_options.include_usage


class CompletionBody(Body):
    """``/v1/completions``: a text, or token ids."""

    prompt: Text | Tokens | Annotated[list[Text], Field(min_length=1, max_length=1)]
    echo: Literal[False] | None = None
    best_of: One | None = None
    logprobs: None = None
    suffix: Annotated[str, Field(max_length=0)] | None = None

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
    """One turn of a conversation. Which roles there are is the tokenizer's template's to say."""

    model_config = ConfigDict(extra="forbid", strict=True)
    role: Text
    content: str | list[TextPart]
    name: str | None = None

    def plain(self) -> dict[str, str]:
        """Say it as templates expect it."""
        joined = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": self.role, "content": joined}


class PlainFormat(BaseModel):
    """The only response format: text."""

    model_config = ConfigDict(extra="forbid", strict=True)
    type: Literal["text"]


class ChatBody(Body):
    """``/v1/chat/completions``: a conversation."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = None
    response_format: PlainFormat | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    store: Literal[False] | None = None

    @property
    def limit(self) -> int | None:
        """The newer name wins."""
        return self.max_completion_tokens or self.max_tokens


B = TypeVar("B", bound=Body)


def read_body(kind: type[B], body: bytes) -> B:
    """Read a request's JSON. Raises BadRequest that names every field at fault."""
    try:
        fields = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadRequest("not_json", "the body must be a JSON object") from None
    if not isinstance(fields, dict):
        raise BadRequest("not_json", "the body must be a JSON object")
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise _explain(error) from None


def which_generation(asked: str, model: str) -> int | Beside | None:
    """Read ``model``, ``model@g7`` or ``model@canary``; None is the live generation. Raises NoSuchModel."""
    if asked == model:
        return None
    if asked == f"{model}@canary":
        return Beside.CANARY
    name, _, number = asked.rpartition("@g")
    if name == model and number.isdecimal() and len(number) < 10:
        return int(number)
    sentence = f'there is no model "{asked[:200]}" here; there is "{model}", and "{model}@g<N>" for a generation'
    raise NoSuchModel("model_not_found", sentence)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


_CODES = {"extra_forbidden": "unknown_field", "missing": "missing_field", "literal_error": "unsupported_value"}


def _explain(error: ValidationError) -> BadRequest:
    """Say of each field at fault once what is wrong; a union complains once for each of its members."""
    wrong: dict[str, tuple[str, str]] = {}
    for one in error.errors(include_url=False, include_input=False):
        field = str(one["loc"][0]) if one["loc"] else "body"
        wrong.setdefault(field, (_CODES.get(one["type"], "bad_value"), _sentence(field, one["type"], one["msg"])))
    first = next(iter(wrong))
    return BadRequest(wrong[first][0], "; ".join(sentence for _, sentence in wrong.values()), first)


def _sentence(field: str, kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"there is no field {field[:100]} here"
    if kind == "missing":
        return f"{field} must be given"
    return f"{field}: {message[:1].lower()}{message[1:]}"
