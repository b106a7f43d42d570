"""Types of a request's fields: what is heeded, what changes nothing here, and what is refused by name."""

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MOST_STOPS = 16
MOST_CHOICES = 128
"""Answers that one request may ask for, over all its prompts."""
MOST_LOGPROBS = 20
MOST_BIASES = 1024

SENTENCE = "sentence"
"""Type of an error whose message is all that is said behind the field's place."""
WANTED = "wanted"
"""Type of an error whose message is what the field must be."""
UNSUPPORTED = "unsupported"
"""Type of an error like `SENTENCE`, with the code of a value that is not supported."""


def wrong(kind: str, sentence: str, param: str = "") -> PydanticCustomError:
    """Make the error that a validator raises; `kind` is one of the three above.

    `param` is the field at fault where the error is that of a whole body.
    """
    context = {"sentence": sentence, "param": param}
    return PydanticCustomError(kind, "{sentence}", context)


class Only:
    """A field that is not supported: null and the values that change nothing are taken, the rest is refused."""

    def __init__(self, *neutral: object, why: str) -> None:
        """`why` is a short main clause, such as "this server calls no tools"."""
        self.neutral = neutral
        self.why = why

    @property
    def description(self) -> str:
        """What the documentation says of it."""
        shown = " or ".join(f"`{json.dumps(value)}`" for value in (*self.neutral, None))
        return f"Only {shown}: {self.why}."

    def check(self, value: object) -> object:
        """Return a value that changes nothing. Raises PydanticCustomError."""
        if value is None or any(_same(value, one) for one in self.neutral):
            return value
        others = "".join(f" or send {json.dumps(one)}" for one in self.neutral[:1])
        raise wrong(UNSUPPORTED, f"{self.why}; leave it out{others}")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the value with `check`."""
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe it as the list of its values."""
        return {"enum": [None, *self.neutral], "description": self.description}


class Ignored:
    """A field that is taken whatever it holds, because it changes nothing of an answer here."""

    def __init__(self, why: str) -> None:
        """`why` completes "Taken and ignored: "."""
        self.description = f"Taken and ignored: {why}."

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take anything."""
        return core_schema.any_schema()

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe it without a type."""
        return {"description": self.description}


def _same(value: object, neutral: object) -> bool:
    """Compare as JSON does: true is not 1, and 1 is 1.0."""
    return isinstance(value, bool) == isinstance(neutral, bool) and value == neutral


def says(text: str, **limits: Any) -> Any:
    """Describe a field that is heeded, for the documentation."""
    return Field(description=text, **limits)


def _listed(value: object) -> object:
    if not isinstance(value, str | list | None):
        raise wrong(WANTED, "a string or a list of strings")
    return [value] if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1)]
Tokens = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, fail_fast=True)]
Stops = Annotated[
    Annotated[list[Text], Field(max_length=MOST_STOPS)] | None,
    BeforeValidator(_listed),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": MOST_STOPS},
                {"type": "null"},
            ]
        }
    ),
]
Biases = Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=MOST_BIASES)]
