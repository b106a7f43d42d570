"""From a place (folder, S3 prefix, Hub revision) to an immutable directory on local disk."""

import inspect
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from .kinds import KINDS, Kind

if TYPE_CHECKING:
    from .source import Remote, Source
    from .uri import AdapterURI

__all__ = ["KINDS", "keys_of", "open_source", "table_alone"]


def open_source(settings: Any, max_bytes: int = 4 << 30) -> "Source":
    """Make the source that one ``[[source]]`` table describes; nothing is touched before its first scan.

    `settings` has the table's keys as attributes, `max_bytes` is the largest weights file taken. Only the
    client library of the kind at hand is imported. Raises ValueError for an unknown kind.
    """
    if settings.kind not in KINDS:
        raise ValueError(f"{settings.kind!r} is not a kind of source: write {', '.join(KINDS)}")
    keys = {key: getattr(settings, key) for key in keys_of(settings.kind)}
    return cast("Source", _class_of(KINDS[settings.kind])(**keys, max_bytes=max_bytes))


def keys_of(kind: str) -> tuple[str, ...]:
    """Return the keys of a kind's table: the parameters of its class that are not keyword-only."""
    parameters = inspect.signature(_class_of(KINDS[kind])).parameters.values()
    return tuple(parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD)


def table_alone(uri: "AdapterURI", configured: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the table of a source that is only the adapter at `uri`, an address that is not on this machine.

    `configured` are the tables that there are, of any kind: one of them may lend its region, endpoint or token.
    """
    name = next(name for name, kind in KINDS.items() if kind.scheme == uri.scheme)
    same_kind = [table for table in configured if table["kind"] == name]
    remote = cast("type[Remote]", _class_of(KINDS[name]))
    return {**remote.alone(uri, same_kind), "kind": name, "name": str(uri)}


def _class_of(kind: Kind) -> Any:
    return getattr(import_module(kind.module), kind.class_name)
