"""Mutants of good adapters, made of their bytes: most of them keep enough of the shape to get far into the parsers."""

import json
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kits.adapters import make_adapter
from kits.folders import CONFIG, WEIGHTS


@dataclass(frozen=True, slots=True)
class Pair:
    """An adapter's two files."""

    config: bytes
    weights: bytes

    @property
    def header(self) -> bytes:
        return self.weights[8 : 8 + int.from_bytes(self.weights[:8], "little")]

    @property
    def data(self) -> bytes:
        return self.weights[8 + len(self.header) :]

    def with_header(self, header: bytes) -> "Pair":
        """Replace the header, with its true length."""
        return Pair(self.config, struct.pack("<Q", len(header)) + header + self.data)


_SEEDS: tuple[dict[str, Any], ...] = (
    {"targets": ["q_proj", "v_proj"]},
    {"rank": 8, "alpha": 16, "use_rslora": True},
    {"targets": ["q_proj", "k_proj", "down_proj"], "rank_pattern": {"q_proj": 2}, "alpha_pattern": {"down_proj": 3}},
    {"targets": ["v_proj"], "layers_to_transform": [1], "layers_pattern": "layers", "lora_dropout": 0.1},
    {"targets": r".*self_attn\.[ov]_proj", "rank": 3},
)


def seeds(base: Path, room: Path) -> list[Pair]:
    """Make good adapters of this base that differ in what a configuration can say, in float32 and in float16."""
    import torch

    made = []
    for number, fields in enumerate(_SEEDS):
        dtype = torch.float16 if number % 2 else torch.float32
        place = make_adapter(base, room / f"seed-{number}", seed=number, dtype=dtype, **fields)
        made.append(Pair((place / CONFIG).read_bytes(), (place / WEIGHTS).read_bytes()))
    return made


def mutant(pairs: list[Pair], chance: random.Random) -> Pair:
    """Spoil one of the pairs in one to four places of one of its parts."""
    pair, other = chance.choice(pairs), chance.choice(pairs)
    part = chance.choices(("config", "header", "weights", "data", "pairing"), (36, 36, 20, 4, 4))[0]
    if part == "config":
        return Pair(_spoil(pair.config, other.config, chance), pair.weights)
    if part == "header":
        return pair.with_header(_spoil(pair.header, other.header, chance))
    if part == "weights":  # with its length, which then may not be true
        near = 8 + len(pair.header) + 64
        return Pair(pair.config, _spoil(pair.weights[:near], other.weights[:near], chance) + pair.weights[near:])
    if part == "data":
        return Pair(pair.config, pair.weights[: -len(pair.data)] + _spoil(pair.data, other.data, chance))
    return Pair(other.config, pair.weights)


def _spoil(content: bytes, other: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        content = chance.choice(_WAYS)(content, other, chance)
    return content


def _flip(content: bytes, _: bytes, chance: random.Random) -> bytes:
    if not content:
        return content
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def _insert(content: bytes, _: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(content))
    return content[:at] + chance.choice(_WORDS) + content[at:]


def _overwrite(content: bytes, _: bytes, chance: random.Random) -> bytes:
    at, word = chance.randint(0, len(content)), chance.choice(_WORDS)
    return content[:at] + word + content[at + len(word) :]


def _delete(content: bytes, _: bytes, chance: random.Random) -> bytes:
    at, length = chance.randint(0, len(content)), chance.randint(1, 40)
    return content[:at] + content[at + length :]


def _repeat(content: bytes, _: bytes, chance: random.Random) -> bytes:
    at, length = chance.randint(0, len(content)), chance.randint(1, 200)
    return content[: at + length] + content[at:]


def _splice(content: bytes, other: bytes, chance: random.Random) -> bytes:
    at, there = chance.randint(0, len(content)), chance.randint(0, len(other))
    return content[:at] + other[there : there + chance.randint(1, 300)] + content[at:]


def _cut(content: bytes, _: bytes, chance: random.Random) -> bytes:
    return content[: chance.randint(0, len(content))]


def _value(content: bytes, _: bytes, chance: random.Random) -> bytes:
    """Put another value in the place of one that stands after a colon, a bracket or a comma."""
    starts = [at + 1 for at, byte in enumerate(content) if byte in b":[,"]
    if not starts:
        return content
    begin = chance.choice(starts)
    end = next((at for at in range(begin, len(content)) if content[at] in b",]}"), len(content))
    return content[:begin] + chance.choice(_VALUES) + content[end:]


def _number(content: bytes, _: bytes, chance: random.Random) -> bytes:
    """Put another digit in the place of one."""
    digits = [at for at, byte in enumerate(content) if byte in b"0123456789"]
    if not digits:
        return content
    at = chance.choice(digits)
    return content[:at] + chance.choice(_NUMBERS) + content[at + 1 :]


def _exchange(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Take one field or entry of the JSON object from the other one."""
    try:
        ours, theirs = json.loads(content), json.loads(other)
        name = chance.choice(sorted(theirs))
        ours[name] = theirs[name]
    except (ValueError, TypeError, IndexError):
        return content
    return json.dumps(ours).encode()


_NUMBERS = (b"0", b"1", b"2", b"8", b"9", b"00", b"-1", b"1e3", b"1.5", b"99999999999", b"1e999", b"")
_VALUES = tuple(
    b'null true false 0 1 -1 2 4 1.0 1e400 NaN 18446744073709551616 "" "F16" "BF16" "I8" "LORA" "all" [] {} [0] [0,0] '
    b'{"q_proj":4} {"^model":4} {".*":4} ["q_proj"] ["v_proj","q_proj"] "q_proj" "all-linear" "gaussian" "CAUSAL_LM" '
    b'"SEQ_CLS" "eva" {"a":{"b":[null]}} [[0,2]] "layers" "\\ud800" "\\u0000" 0.5'.split()
)
_WORDS = (
    *_VALUES,
    *_NUMBERS[:-1],
    *b'{ } [ ] : , " \\ .default. lora_A lora_B .weight base_model.model. layers.0. layers.1. __metadata__'.split(),
    *(b" ", b"\n", b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x80", b"\x7f\xff\xff\xff", b"\xff" * 8),
)
_WAYS: tuple[Callable[[bytes, bytes, random.Random], bytes], ...] = (
    *(_flip, _insert, _overwrite, _delete, _repeat, _splice, _cut),
    *(_value, _value, _value, _number, _number, _exchange, _exchange),
)
