"""Whether two names mean the same base: a Hub name, a copy of it under another name, or a directory."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

Names = Literal["family", "exact"]
"""How names are compared: ``exact`` takes a name only as it is configured, ``family`` as `kinship` does."""

MAX_BASE_NAME = 1024
_COPY = re.compile(
    r"[-_.](?:unsloth|bnb|gptq|awq|exl2|gguf|mlx|fp8|fp16|bf16|fp4|nf4|nvfp4|mxfp4|hqq|aqlm|int[48]|w[48]a(?:8|16)"
    r"|[48][-_]?bits?|q[48]|quantized|dynamic|hf)$"
)
"""An ending that a quantised or republished copy adds to the name of its original."""
_HUB_CACHE = re.compile(r"(?:^|/)models--([^/]+)--([^/]+)/snapshots/[^/]+$")
_PIECE = re.compile(r"\d+(?:\.\d+)*(?:x\d+(?:\.\d+)*)?[a-z]*|[^\W\d_]+")
"""A number with the letters behind it (``3.1``, ``8b``, ``8x7b``), or a word."""


class Kinship(IntEnum):
    """What two names have to do with one another, from nothing to everything."""

    OTHER = 0
    RELATED = 1
    SAME = 2


@dataclass(frozen=True, slots=True)
class _Name:
    publisher: frozenset[str]
    words: frozenset[str]
    numbers: tuple[str, ...]


def closest(name: str, accepted: Iterable[str]) -> Kinship:
    """Compare a name with every accepted one, and return the closest kinship."""
    return max((kinship(name, one) for one in accepted), default=Kinship.OTHER)


def kinship(one: str, other: str) -> Kinship:
    """Compare the last parts of two names, without case and without what copies add to them.

    Names are of one family if the words of one are all among those of the other, apart from a publisher's, and their
    numbers are the same in the same order; a version may differ behind its first dot. SAME are those whose versions are
    equal and that have no further words: one such as ``instruct`` makes another model of the same shape. Names without
    any number, such as ``base`` or ``final``, are not enough for SAME.
    """
    if one == other:
        return Kinship.SAME
    left, right = _read(one), _read(other)
    publishers = left.publisher | right.publisher
    here, there = left.words - right.words - publishers, right.words - left.words - publishers
    if not left.words & right.words or (here and there):
        return Kinship.OTHER
    if tuple(map(_generation, left.numbers)) != tuple(map(_generation, right.numbers)):
        return Kinship.OTHER
    is_same = left.numbers and left.numbers == right.numbers and not here | there
    return Kinship.SAME if is_same else Kinship.RELATED


def _read(name: str) -> _Name:
    path = name[:MAX_BASE_NAME].lower().replace("\\", "/").rstrip("/")
    cached = _HUB_CACHE.search(path)
    before, _, last = (cached.expand(r"\1/\2") if cached else path).rpartition("/")
    while bare := _COPY.sub("", last):
        if bare == last:
            break
        last = bare
    pieces = _PIECE.findall(last)
    publisher = frozenset(_PIECE.findall(before)) if before.count("/") == 0 else frozenset()
    return _Name(
        publisher,
        frozenset(piece for piece in pieces if not piece[0].isdigit()),
        tuple(piece for piece in pieces if piece[0].isdigit()),
    )


def _generation(number: str) -> str:
    """Return a version without what is behind its dot; a size such as ``1.5b`` as it is."""
    return number if number[-1].isalpha() else number.partition(".")[0]
