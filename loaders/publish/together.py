"""Publish a set: adapters of several channels, which a daemon makes live at one moment or not at all."""

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from hotswapd.loaders.digests import MAX_MANIFEST_BYTES
from hotswapd.loaders.files import MANIFEST
from hotswapd.loaders.store.store import digest_of
from hotswapd.loaders.together import dump_members, is_channel

from .sending import Check, Progress, Published, destination, send
from .snapshot import Snapshot, snapshot

if TYPE_CHECKING:
    from hotswapd.loaders.s3.session import S3Access

_NAMED = 12
"""Letters of the set's own digest that name its members' directories."""


def publish_together(
    members: Mapping[str, Path],
    dest: str,
    *,
    check: Check | None = None,
    progress: Progress | None = None,
    access: "S3Access | None" = None,
    base_fingerprint: str = "",
) -> list[Published]:
    """Publish directories by channel, each to ``dest/<channel>/set-<set>``, where ``channel = "{1}"`` finds it.

    All of them are copied and checked before anything is written, and each is sent with a manifest that names all: so
    nothing of the set goes live before all of it has arrived, and a second call completes one that was interrupted.
    The other parameters and the errors are those of `publish`. Raises ValueError also for fewer than two members, for a
    name that no channel can have, and for more members than a manifest can name.
    """
    for name in members:
        if not is_channel(name) or name.startswith("."):
            rule = "use 1 to 64 letters, digits, dots, dashes and underscores, and no dot first"
            raise ValueError(f"{name!r} cannot be a channel here: {rule}")
    if len(members) < 2:
        raise ValueError("a set has at least two members: publish one adapter without --together")
    with ExitStack() as kept:
        copies = {name: kept.enter_context(snapshot(members[name])) for name in sorted(members)}
        together = _join(copies, base_fingerprint)
        for copy in copies.values():
            if check is not None:
                check(copy.path)
        places = {name: destination(f"{dest.rstrip('/')}/{name}/{directory_of(together)}") for name in copies}
        return [send(copies[name], places[name], progress, access) for name in copies]


def directory_of(together: Mapping[str, str]) -> str:
    """Name the directory that each member of a set gets: another set never writes over it."""
    return f"set-{hashlib.sha256(dump_members(together).encode()).hexdigest()[:_NAMED]}"


def _join(copies: Mapping[str, Snapshot], base_fingerprint: str) -> dict[str, str]:
    """Let the manifest of each copy name all of them."""
    together = {name: digest_of(copy.path) for name, copy in copies.items()}
    for copy in copies.values():
        copy.write_manifest(base_fingerprint, together)
        if copy.files[MANIFEST].size > MAX_MANIFEST_BYTES:
            raise ValueError(f"{len(copies)} members are more than a manifest can name: publish smaller sets")
    return together
