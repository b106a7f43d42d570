"""From a place (folder, S3 prefix, Hub revision) to an immutable directory on local disk."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .source import Source

__all__ = ["open_source"]


def open_source(settings: Any, max_bytes: int = 4 << 30) -> "Source":
    """Make the source that one ``[[source]]`` table describes; nothing is touched before its first scan.

    `settings` has the table's keys as attributes, `max_bytes` is the largest weights file taken. Only the
    client library of the kind at hand is imported. Raises ValueError for an unknown kind.
    """
    if settings.kind == "local":
        from .local import LocalSource

        return LocalSource(settings.name, settings.path, settings.settle, settings.rescan, settings.marker, max_bytes)
    raise ValueError(f"{settings.kind!r} is no kind of source: write local, s3 or hub")
