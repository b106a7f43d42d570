"""From a place (folder, S3 prefix, Hub revision) to an immutable directory on local disk."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from .source import Source

__all__ = ["KINDS", "open_source"]

# The kind of a source: its module, its class, and the keys of its table in the order of its arguments.
KINDS = {
    "local": ("local.source", "LocalSource", ("name", "path", "settle", "rescan", "marker")),
    "s3": (
        "s3.source",
        "S3Source",
        ("name", "uri", "poll", "marker", "region", "endpoint_url", "expected_bucket_owner", "queue_url"),
    ),
    "hub": (
        "hub.source",
        "HubSource",
        ("name", "repo", "subfolder", "revision", "poll", "token_file", "endpoint"),
    ),
}


def open_source(settings: Any, max_bytes: int = 4 << 30) -> "Source":
    """Make the source that one ``[[source]]`` table describes; nothing is touched before its first scan.

    `settings` has the table's keys as attributes, `max_bytes` is the largest weights file taken. Only the
    client library of the kind at hand is imported. Raises ValueError for an unknown kind.
    """
    if settings.kind not in KINDS:
        raise ValueError(f"{settings.kind!r} is no kind of source: write {', '.join(KINDS)}")
    module, name, keys = KINDS[settings.kind]
    make = getattr(import_module(f".{module}", __name__), name)
    return cast("Source", make(**{key: getattr(settings, key) for key in keys}, max_bytes=max_bytes))
