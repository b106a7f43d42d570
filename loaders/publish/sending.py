"""Send an adapter in an order in which a watching daemon never sees half of it.

The weights come first, then the manifest with the digests, and the config last: without a config the place does not
hold an adapter yet. No state in between shows the config of one adapter beside the weights of another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hotswapd.loaders.digests import Listed
from hotswapd.loaders.files import CONFIG, MANIFEST, WEIGHTS
from hotswapd.loaders.uri import AdapterURI, is_bucket

from .snapshot import Snapshot, snapshot

if TYPE_CHECKING:
    from hotswapd.loaders.s3.session import S3Access

Progress = Callable[[int, int], None]
Check = Callable[[Path], object]


class Place(Protocol):
    """Where an adapter is published to; each method raises Unavailable."""

    def listed(self, name: str) -> Listed | None:
        """Return the digest and size of a file in this place, or None if it does not exist."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file."""
        ...

    def put(self, source: Path, listed: Listed, sent: Callable[[int], None]) -> None:
        """Put a file under its own name in one step; `sent` is called with the size of each piece."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """Where it is, the names of the files that were sent, and the size of both adapter files in bytes."""

    uri: AdapterURI
    sent: tuple[str, ...]
    size: int


def publish(
    directory: Path | str,
    dest: str,
    *,
    check: Check | None = None,
    progress: Progress | None = None,
    access: "S3Access | None" = None,
    base_fingerprint: str = "",
) -> Published:
    """Publish the adapter in `directory` to ``s3://bucket/prefix/name`` or to an absolute local path.

    `check` is called with a private copy before anything is written, and raises to refuse it. `progress` is called
    with the bytes just sent and the bytes to send, on any thread. Files that are already in place are not sent again,
    so a second call completes one that was interrupted. `base_fingerprint` is that of the base that it was trained on:
    a daemon with another base refuses it.

    Raises ValueError for a `dest` that is neither, Refused if `directory` does not hold a whole adapter,
    Unavailable if it or the destination cannot be reached, and what `check` raises.
    """
    uri = destination(dest)
    with snapshot(Path(directory), base_fingerprint) as copy:
        if check is not None:
            check(copy.path)
        return send(copy, uri, progress, access)


def destination(dest: str) -> AdapterURI:
    """Parse where to publish to. Raises ValueError, with a sentence, for what `publish` would not take."""
    uri = AdapterURI.parse(dest)
    if uri.location.encode(errors="replace").decode() != uri.location:
        raise ValueError(f"{dest!r} is not valid UTF-8, so a daemon would not take it: use another name")
    if uri.scheme == "hf":
        raise ValueError(f"{dest!r}: push to a Hub with its own client; publish takes s3://bucket/prefix or a folder")
    if uri.scheme == "s3" and any(part in {"", ".", ".."} for part in uri.location.split("/")):
        raise ValueError(f"{dest!r} must be s3://bucket/prefix/name, without empty parts or dots")
    if uri.scheme == "s3" and not is_bucket(uri.location.partition("/")[0]):
        raise ValueError(
            f"{dest!r} does not name a bucket: 3 to 63 of a-z, 0-9, dot and hyphen, "
            "not beginning or ending with the last two"
        )
    return uri


def _place(uri: AdapterURI, access: "S3Access | None") -> Place:
    if uri.scheme == "s3":
        from hotswapd.loaders.s3.session import S3Access

        from .to_bucket import S3Place

        return S3Place(uri, access or S3Access())
    from .to_folder import LocalPlace

    return LocalPlace(Path(uri.location))


def send(copy: Snapshot, uri: AdapterURI, progress: Progress | None, access: "S3Access | None") -> Published:
    """Send a copy to a destination. Raises Unavailable."""
    sent = _send(copy, _place(uri, access), progress)
    return Published(uri, sent, copy.files[CONFIG].size + copy.files[WEIGHTS].size)


def _send(copy: Snapshot, place: Place, progress: Progress | None) -> tuple[str, ...]:
    there = {name: place.listed(name) for name in (WEIGHTS, MANIFEST, CONFIG)}
    names = tuple(name for name in there if there[name] != copy.files[name])
    total = sum(copy.files[name].size for name in names)
    if there[CONFIG] is not None and WEIGHTS in names and CONFIG in names:
        # The old config must never stand beside the new weights.
        place.remove(CONFIG)
    for name in names:
        place.put(copy.path / name, copy.files[name], lambda size: progress(size, total) if progress else None)
    return names
