"""``/openapi.json``: what this server takes and gives, made from the models that read and write it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from .errors import ErrorBody
from .models import Model, ModelList
from .requests.chat import ChatBody
from .requests.completion import CompletionBody
from .requests.responses import ResponsesBody
from .requests.tokens import DetokenizeBody, TokenizeBody
from .shapes.chat import ChatAnswer
from .shapes.completion import CompletionAnswer
from .shapes.responses import ResponseAnswer
from .tokenizing import Detokenized, Tokenized

_REF = "#/components/schemas/{model}"
_ERROR = "Error"
_STATUSES: Mapping[int, str] = {
    400: "The body makes no sense, or asks for what is not supported; `param` names the place.",
    401: "The API key is missing or wrong.",
    403: "A page of another site may not call.",
    404: "No such model, or no such generation of it.",
    408: "The body did not come in time.",
    413: "The body is larger than any prompt.",
    415: "The body does not say `Content-Type: application/json`.",
    421: "The `Host` does not name this server.",
    429: "Too many requests; try again after `Retry-After` seconds.",
    503: "The model does not answer now.",
}
_OF_A_BODY = tuple(status for status in _STATUSES if status != 408)
_EVENT: Mapping[str, Any] = {
    "type": "object",
    "description": "One event; `data` is JSON, and of chats and completions at the end `[DONE]`.",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}
_OF_A_LOOK = (401, 403, 421, 503)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path; `answer` None is an answer without a body."""

    method: str
    path: str
    summary: str
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    statuses: tuple[int, ...] = _OF_A_LOOK
    streams: bool = False
    keyed: bool = True


OPERATIONS = (
    Operation("post", "/v1/chat/completions", "Continue a conversation", ChatBody, ChatAnswer, _OF_A_BODY, True),
    Operation("post", "/v1/completions", "Continue texts", CompletionBody, CompletionAnswer, _OF_A_BODY, True),
    Operation("post", "/v1/responses", "Answer an input", ResponsesBody, ResponseAnswer, _OF_A_BODY, True),
    Operation("get", "/v1/models", "List the names that can be asked for", None, ModelList),
    Operation("get", "/v1/models/{name}", "Show one name", None, Model, (401, 403, 404, 421, 503)),
    Operation("post", "/tokenize", "Show the tokens of a text", TokenizeBody, Tokenized, _OF_A_BODY),
    Operation("post", "/detokenize", "Show the text of tokens", DetokenizeBody, Detokenized, _OF_A_BODY),
    Operation("get", "/health", "Tell whether requests are answered", statuses=(403, 421, 503), keyed=False),
)


def document(*, keyed: bool) -> dict[str, Any]:
    """Make the document. `keyed` says whether requests need an API key."""
    _, definitions = models_json_schema(list(_models()), ref_template=_REF)
    schemas = {**definitions["$defs"], _ERROR: TypeAdapter(ErrorBody).json_schema(ref_template=_REF)}
    schemas |= schemas[_ERROR].pop("$defs", {})
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method] = _described(one, keyed=keyed)
    components: dict[str, Any] = {"schemas": schemas}
    if keyed:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    title = {"title": "hotswapd", "version": version("hotswapd")}
    return {"openapi": "3.1.0", "info": title, "paths": paths, "components": components}


def _models() -> Iterator[tuple[type[BaseModel], Any]]:
    for one in OPERATIONS:
        if one.body is not None:
            yield one.body, "validation"
        if one.answer is not None:
            yield one.answer, "serialization"


def _described(one: Operation, *, keyed: bool) -> dict[str, Any]:
    described: dict[str, Any] = {"summary": one.summary, "responses": _answers(one)}
    if one.body is not None:
        described["requestBody"] = {"required": True, "content": _json(one.body.__name__)}
    if "{name}" in one.path:
        described["parameters"] = [
            {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        ]
    if keyed and one.keyed:
        described["security"] = [{"key": []}]
    return described


def _answers(one: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {} if one.answer is None else _json(one.answer.__name__)
    if one.streams:
        content["text/event-stream"] = {"schema": _EVENT}
    whole: dict[str, Any] = {"description": "The answer."} | ({"content": content} if content else {})
    errors = {str(status): {"description": _STATUSES[status], "content": _json(_ERROR)} for status in one.statuses}
    return {"200": whole} | errors


def _json(model: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(model=model)}}}
