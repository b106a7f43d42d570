"""Adapters' bytes, by digest, where every replica reaches them."""

from dataclasses import dataclass

from hotswapd.daemon.errors import FleetCode
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.files import CONFIG, WEIGHTS
from hotswapd.loaders.store.artifact import Artifact
from hotswapd.loaders.store.store import Store

from .place import Place

_FOLDER = "adapters"


@dataclass(frozen=True, slots=True)
class SharedCopies:
    """The adapters in a place. Every method is legal on any thread, and raises Unavailable."""

    place: Place

    def send(self, artifact: Artifact) -> None:
        """Put an adapter's files there, unless they are there; the configuration last."""
        for name in (WEIGHTS, CONFIG):
            self.place.send(f"{_FOLDER}/{artifact.digest}/{name}", artifact.path / name)

    def fetch(self, digest: str, store: Store, most: int) -> Artifact:
        """Copy an adapter into a store of this machine, unless it is there, and compare it with its digest.

        `most` is how many bytes a file may have. Raises Refused above that.
        """
        found = store.find(digest)
        if found is not None:
            return found
        with store.stage() as stage:
            for name in (CONFIG, WEIGHTS):
                stage.write(name, self.place.chunks(f"{_FOLDER}/{digest}/{name}"), most)
            came = stage.commit()
        if came.digest != digest:
            sentence = f"{self.place} has other bytes under {digest[:12]}: remove {_FOLDER}/{digest} there"
            raise Unavailable(FleetCode.NOT_SHARED, sentence)
        return came

    def digests(self) -> dict[str, bool]:
        """List the adapters of which something is there, each with whether all of it is."""
        names = self.place.names(_FOLDER)  # of a directory these are the digests, of a bucket the files
        files = {name for name in names if "/" in name}
        digests = {name.partition("/")[0] for name in names}
        return {one: f"{one}/{CONFIG}" in files if files else self.has(one) for one in digests}

    def has(self, digest: str) -> bool:
        """Tell whether all of an adapter is there: its configuration comes last, and goes first."""
        return self.place.has(f"{_FOLDER}/{digest}/{CONFIG}")

    def remove(self, digest: str) -> None:
        """Remove an adapter, the configuration first."""
        for name in (CONFIG, WEIGHTS):
            self.place.remove(f"{_FOLDER}/{digest}/{name}")
