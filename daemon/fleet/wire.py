"""What goes from one process of a fleet to another, in a form that another version of this program can read.

While a fleet is upgraded, processes of two versions talk to each other. So a message is plain values by the names of
its fields, and no object of a class that the other may lack: a reader leaves out the names that it does not know, and
takes the usual value of those that are missing. Hence the rules for whoever changes a message: a new field has a
default that means what was meant without it; a field never changes its meaning; and where that cannot be, VERSION
rises, and LEAST with it once older readers would read something wrong.
"""

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from hotswapd.daemon.errors import FleetCode

VERSION = 1
LEAST = 1
"""The version in which this program speaks, and the lowest one that it reads, and whose readers read it."""
T = TypeVar("T")
Packed = dict[str, Any]
Read = Callable[[Any], Any]
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


class OtherVersion(Exception):
    """The other process speaks a version that this one does not read: it is left alone until it is replaced."""

    code = FleetCode.OTHER_VERSION

    def __init__(self, sender: str, why: str) -> None:
        self.sender = sender
        super().__init__(f"{sender or 'another process'} cannot be understood: {why}; upgrade all of the fleet")


def packed(message: object, sender: str = "") -> Packed:
    """Make plain values of a message, for `unpacked` elsewhere; `sender` is who says it."""
    return {"version": VERSION, "least": LEAST, "sender": sender, "said": _plain(message)}


def unpacked(kind: type[T], content: object) -> T:
    """Read a message of this kind; one that never left this process is returned as it is. Raises OtherVersion."""
    if isinstance(content, kind):
        return content
    if not isinstance(content, Mapping) or "said" not in content:
        raise OtherVersion("", f"it sends {type(content).__name__}, of a version before {LEAST}")
    version, least, sender = content.get("version", 0), content.get("least", 0), str(content.get("sender", ""))
    if version < LEAST or least > VERSION:
        raise OtherVersion(sender, f"it speaks version {version}, and this process versions {LEAST} to {VERSION}")
    try:
        hint: Any = kind
        made: T = _reader(hint)(content["said"])
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise OtherVersion(sender, f"its {kind.__name__} cannot be read ({error})") from None
    return made


def _plain(value: Any) -> Any:
    kind: type = type(value)
    if kind in _PLAIN:
        return value
    if _is_message(kind):
        return {name: _plain(getattr(value, name)) for name in _names(value.__class__)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return value


def _is_message(kind: Any) -> bool:
    return isinstance(kind, type) and is_dataclass(kind)


@lru_cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


@lru_cache
def _reader(hint: Any) -> Read:
    """Return what makes a value of this type of plain ones."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _optional(inner)
    if _is_message(hint):
        return _message(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint if len(hint) else _same  # a base of codes has no members: whoever reads one knows what it means
    if origin is tuple and inner[1:] != (Ellipsis,):
        return _several([_reader(one) for one in inner])
    if not isinstance(origin, type):
        return _same
    if issubclass(origin, Mapping):
        return _mapping(*map(_reader, inner))
    of = _reader(inner[0])
    made = frozenset if origin is frozenset else tuple
    return lambda value: made(of(one) for one in value)


def _same(value: Any) -> Any:
    return value


def _mapping(key: Read, value: Read) -> Read:
    return lambda found: {key(name): value(one) for name, one in found.items()}


def _several(readers: Sequence[Read]) -> Read:
    return lambda value: tuple(read(one) for read, one in zip(readers, value, strict=False))


def _optional(kinds: Sequence[Any]) -> Read:
    """Of several types a message's is the one of a mapping; anything else is plain."""
    messages = [_reader(one) for one in kinds if _is_message(one)]
    others = [_reader(one) for one in kinds if one is not type(None) and not _is_message(one)]

    def read(value: Any) -> Any:
        if value is None:
            return None
        of_message = messages and (isinstance(value, Mapping) or not others)
        return (messages if of_message else others)[0](value)

    return read


def _message(kind: type) -> Read:
    hints = get_type_hints(kind)
    readers = [(one.name, _reader(hints[one.name])) for one in fields(kind)]
    needed = {one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING}

    def read(value: Mapping[str, Any]) -> Any:
        if missing := needed - value.keys():
            raise ValueError(f"it lacks {min(missing)}")
        return kind(**{name: of(value[name]) for name, of in readers if name in value})

    return read
