"""Writes the page of all fields from the models: ``python -m hotswapd.daemon.serve.requests.table > docs/api.md``."""

import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .chat import ChatBody
from .completion import CompletionBody
from .fields import Ignored, Only
from .head import HEAD
from .message import Message
from .responses import Item, ResponsesBody
from .sampled import Sampled, StreamOptions
from .tokens import DetokenizeBody, TokenizeBody

_SECTIONS: tuple[tuple[str, type[BaseModel], type[BaseModel] | None], ...] = (
    ("Fields of every request for an answer", Sampled, None),
    ("`/v1/chat/completions`", ChatBody, Sampled),
    ("A message of a chat", Message, None),
    ("`/v1/completions`", CompletionBody, Sampled),
    ("`stream_options` of both", StreamOptions, None),
    ("`/v1/responses`", ResponsesBody, Sampled),
    ("A message of `input`", Item, None),
    ("`/tokenize`", TokenizeBody, None),
    ("`/detokenize`", DetokenizeBody, None),
)


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(_section(title, kind, without) for title, kind, without in _SECTIONS)


def _section(title: str, kind: type[BaseModel], without: type[BaseModel] | None) -> str:
    known = set(without.model_fields) if without is not None else set()
    fields = {name: field for name, field in kind.model_fields.items() if name not in known}
    heeded, others = _parted(fields)
    tables = "".join((_table("heeded", heeded), _table("not heeded", others)))
    more = "" if without is None else "\nBeside the fields of every request:\n"
    return f"\n## {title}\n{more}{tables}"


def _parted(fields: dict[str, FieldInfo]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what is said of the fields that are heeded, and of the others."""
    heeded = {name: str(field.description or "") for name, field in fields.items() if _note(field) is None}
    others = {name: note for name, field in fields.items() if (note := _note(field)) is not None}
    return heeded, others


def _note(field: FieldInfo) -> str | None:
    return next((one.description for one in _marks(field) if isinstance(one, Only | Ignored)), None)


def _marks(field: FieldInfo) -> Iterator[Any]:
    yield from field.metadata


def _table(title: str, rows: dict[str, str]) -> str:
    if not rows:
        return ""
    lines = "".join(f"| `{name}` | {text} |\n" for name, text in rows.items())
    return f"\n| {title} | |\n| --- | --- |\n{lines}"


if __name__ == "__main__":
    sys.stdout.write(page())
