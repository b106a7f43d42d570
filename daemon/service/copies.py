"""Copies in the store, for an engine that needs one again while it serves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotswapd.loaders.store.store import Store, digest_of
from hotswapd.swap.errors import BytesChanged


@contextmanager
def held_copy(store: Store, digest: str) -> Iterator[Path]:
    """Hold the copy of these bytes until the end of the body, compared with its digest. Legal on any thread.

    Raises BytesChanged if it is gone or damaged, OSError if it cannot be read.
    """
    with store.hold(digest) as artifact:
        if artifact is None:
            do = "put the adapter into its source again"
            raise BytesChanged(f"the copy of {digest[:12]} is not in the store any more; {do}")
        if digest_of(artifact.path) != digest:
            raise BytesChanged(f"the copy of {digest[:12]} in the store is damaged; look at the disk of state.dir")
        yield artifact.path
