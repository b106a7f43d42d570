"""What is wrong with a configuration: a key and a sentence for each mistake, never a stack trace."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from hotswapd.loaders import KINDS

_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One key, dotted and with its index (``source[1].uri``), and what is wrong with it."""

    key: str
    sentence: str

    def __str__(self) -> str:
        """Write it in one line."""
        return f"{self.key}: {self.sentence}"


class ConfigError(Exception):
    """The configuration cannot be used: exit with status 78. `key` and `sentence` are the first problem's."""

    def __init__(self, key: str, sentence: str, *more: Problem) -> None:
        self.problems = (Problem(key, sentence), *more)
        super().__init__("; ".join(map(str, self.problems)))

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> "ConfigError":
        """Make an error of at least one problem."""
        return cls(problems[0].key, problems[0].sentence, *problems[1:])

    @property
    def key(self) -> str:
        """The first key that is wrong."""
        return self.problems[0].key

    @property
    def sentence(self) -> str:
        """What is wrong with it."""
        return self.problems[0].sentence


def problems_of(error: ValidationError, root: type[BaseModel]) -> list[Problem]:
    """Put the findings of pydantic into our words, in its order."""
    return [Problem(_key(entry["loc"]), _sentence(entry, root)) for entry in error.errors(include_url=False)]


def _key(loc: Iterable[Any]) -> str:
    key, after_index = "", False
    for part in loc:
        if isinstance(part, int):
            key += f"[{part}]"
        elif not (after_index and part in KINDS):  # the kind of a source is not part of its key
            key += f".{part}" if key else str(part)
        after_index = isinstance(part, int)
    return key


def _sentence(entry: Any, root: type[BaseModel]) -> str:
    match entry["type"]:
        case "missing":
            return "is required and missing"
        case "extra_forbidden":
            return _unknown(entry["loc"], root)
        case "union_tag_invalid" | "union_tag_not_found":
            return f"kind must be one of {', '.join(KINDS)}"
        case "model_type" | "model_attributes_type":
            return f"must be a table, not {_shown(entry['input'])}"
        case "tuple_type" | "list_type":
            return f"must be a list, not {_shown(entry['input'])}"
    said = str(entry["msg"]).replace("Input should be", "must be")
    return f"{said}, not {_shown(entry['input'])}"


def _shown(value: Any) -> str:
    text = repr(str(value)) if not isinstance(value, (int, float, list, dict)) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _unknown(loc: Sequence[Any], root: type[BaseModel]) -> str:
    known = _fields_at(loc[:-1], root)
    near = difflib.get_close_matches(str(loc[-1]), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or 'none'}"
    return f"there is no such key; {hint}"


def _fields_at(loc: Sequence[Any], root: type[BaseModel]) -> list[str]:
    """List the keys of the table at `loc`, whose parts are field names, indexes and source kinds."""
    here = root
    for part in loc:
        if part in here.model_fields:
            here = _table_in(here.model_fields[part].annotation) or here
        elif part in KINDS:
            here = next(table for table in _tables(root) if part in get_args(table.model_fields["kind"].annotation))
    return list(here.model_fields)


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """Find the table in ``X``, ``X | None`` or ``tuple[X, ...]``."""
    for found in (annotation, *get_args(annotation)):
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return None


def _tables(root: type[BaseModel]) -> list[type[BaseModel]]:
    """List the source tables inside ``tuple[Annotated[A | B | C, ...], ...]``."""
    union = get_args(get_args(root.model_fields["source"].annotation)[0])[0]
    return list(get_args(union))
