"""Finds the rank and alpha patterns of an adapter that have an effect.

PEFT tries every pattern on every module, and compiles each again once there are more than the standard library's
cache holds: 2,000 patterns on 448 modules take 23 s. So it is given only those that win for some module.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

_Value = TypeVar("_Value")
PART = 200
"""Modules that PEFT is asked about at once: with one rank and one alpha pattern each, all fit into the cache of 512."""


def winning(patterns: Mapping[str, _Value], modules: Sequence[str]) -> dict[str, _Value]:
    """Keep the literal patterns that are the first to match one of the modules, in their order."""
    text, longest = "\n".join(modules), max(map(len, modules), default=0)
    claimed: set[str] = set()
    kept = {}
    for key, value in patterns.items():
        literal = key.removeprefix("^")
        # The dots of a literal stand for any character, as in PEFT, so only what is between them must be there.
        if len(literal) <= longest and all(piece in text for piece in literal.split(".")):
            new = set(_matching(literal, text, anchored=literal != key)) - claimed
            if new:
                claimed |= new
                kept[key] = value
    return kept


def _matching(literal: str, text: str, *, anchored: bool) -> Iterator[str]:
    start = "^" if anchored else r"(?:^|\.)"
    for match in re.finditer(f"{start}{literal}$", text, re.MULTILINE):
        yield text[text.rfind("\n", 0, match.start()) + 1 : match.end()]


def in_parts(modules: Sequence[str], patterns: int) -> Iterator[Sequence[str]]:
    """Split the modules so that PEFT's cost stays linear; all at once when there are few patterns."""
    size = PART if patterns > 2 * PART else max(len(modules), 1)
    for first in range(0, len(modules), size):
        yield modules[first : first + size]


def relevant_names(names: Iterable[str], modules: Iterable[str]) -> frozenset[str]:
    """Keep the names that are a module's name or the end of one behind a dot."""
    ends = {name for module in modules for name in _ends(module)}
    return frozenset(ends.intersection(names))


def _ends(module: str) -> Iterator[str]:
    yield module
    for place, character in enumerate(module):
        if character == ".":
            yield module[place + 1 :]
