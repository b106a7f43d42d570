"""What a client may ask of `/v1/completions`, checked before anything reaches the model."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .face import BadRequest, FaceError

MAX_BODY_BYTES = 8 << 20
_MAX_STOPS = 16
_DEFAULT_TOKENS = 16  # OpenAI's own
# Values with which a field asks for what is done anyway. Decoding is greedy, so a seed changes nothing.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "temperature": (0, None),
    "top_p": (1, None),
    "n": (1, None),
    "best_of": (1, None),
    "echo": (False, None),
    "stream": (False, None),
    "stream_options": (None,),
    "logprobs": (None,),
    "logit_bias": (None, {}),
    "suffix": (None, ""),
    "presence_penalty": (0, None),
    "frequency_penalty": (0, None),
}
_IGNORED = frozenset({"seed", "user"})
_OURS = frozenset({"model", "prompt", "max_tokens", "stop"})


class NoSuchModel(FaceError):
    """Another model was asked for than the one that is here."""

    status = 404


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A request that can be answered; `prompt` is text or token ids."""

    prompt: str | list[int]
    max_tokens: int
    stop: tuple[str, ...]


def read_request(body: bytes, model: str) -> CompletionRequest:
    """Read a request's JSON. Raises BadRequest that names the field, or NoSuchModel."""
    fields = _object(body)
    _refuse_unsupported(fields)
    _check_model(fields.get("model"), model)
    return CompletionRequest(_prompt(fields.get("prompt")), _max_tokens(fields.get("max_tokens")), _stop(fields))


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("not_json", "the body must be a JSON object") from None
    if not isinstance(fields, dict):
        raise BadRequest("not_json", "the body must be a JSON object")
    return fields


def _refuse_unsupported(fields: Mapping[str, Any]) -> None:
    unknown = [name for name in fields if name not in _OURS | _IGNORED and name not in _NEUTRAL]
    if unknown:
        raise BadRequest("unknown_field", f"there is no field {', '.join(sorted(unknown))}", sorted(unknown)[0])
    wrong = [name for name in _NEUTRAL if name in fields and not _is_neutral(name, fields[name])]
    if wrong:
        hint = ", ".join(f"{name} must be {json.dumps(_NEUTRAL[name][0])}" for name in wrong)
        raise BadRequest("unsupported_value", f"not supported here: {hint}; decoding is greedy", wrong[0])


def _is_neutral(name: str, value: Any) -> bool:
    # True == 1 in Python, and "n": true is not one completion.
    return any(value == good and isinstance(value, bool) == isinstance(good, bool) for good in _NEUTRAL[name])


def _check_model(asked: Any, model: str) -> None:
    if not isinstance(asked, str):
        raise BadRequest("missing_model", f'model must be given: the model here is "{model}"', "model")
    if asked != model:
        raise NoSuchModel("model_not_found", f'there is no model "{asked}" here; there is "{model}"')


def _prompt(value: Any) -> str | list[int]:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, list) and value and all(type(token) is int and token >= 0 for token in value):
        return value
    raise BadRequest("bad_prompt", "prompt must be one text or one list of token ids, and not empty", "prompt")


def _max_tokens(value: Any) -> int:
    if value is None:
        return _DEFAULT_TOKENS
    if type(value) is not int or value < 1:
        raise BadRequest("bad_max_tokens", "max_tokens must be a whole number of at least 1", "max_tokens")
    return value


def _stop(fields: Mapping[str, Any]) -> tuple[str, ...]:
    value = fields.get("stop")
    stops = [] if value is None else [value] if isinstance(value, str) else value
    fine = isinstance(stops, list) and len(stops) <= _MAX_STOPS and all(isinstance(s, str) and s for s in stops)
    if not fine:
        raise BadRequest("bad_stop", f"stop must be a text or a list of at most {_MAX_STOPS} texts, none empty", "stop")
    return tuple(stops)
