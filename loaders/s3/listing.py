"""Which adapters a listing of keys shows. A key never becomes the name of a file on this machine."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hotswapd.loaders.files import CONFIG, MANIFEST, MAX_DEPTH, PICKLE, WEIGHTS
from hotswapd.loaders.ignored import ignored_sentence

from .objects import Object

# A listing is read page by page; about 2 kB of it are kept for each adapter.
MAX_ADAPTERS = 200_000


class TooMany(Exception):
    """There are more adapters than are kept in memory."""


@dataclass(slots=True)
class Keyed:
    """An adapter, or what may become one: the objects whose keys begin with one directory.

    `below` is the directory's path below the source's prefix, "" for the prefix itself.
    """

    below: str
    objects: dict[str, Object] = field(default_factory=dict)

    @property
    def config(self) -> Object | None:
        """The config, or None if it is missing."""
        return self.objects.get(CONFIG)

    @property
    def weights(self) -> Object | None:
        """The weights, or None if they are missing."""
        return self.objects.get(WEIGHTS)

    @property
    def stamp(self) -> float:
        """When the later of both files arrived, by the server's clock, in seconds since the epoch."""
        return max(there.modified for there in (self.config, self.weights) if there is not None)

    @property
    def ignored(self) -> str:
        """Why nothing is ever taken from this directory; empty if that is not so."""
        return ignored_sentence([part for part in self.below.split("/") if part not in {".", ".."}])

    @property
    def odd(self) -> bool:
        """Whether the directory's name is not a plain path, so that its address would be another directory's."""
        return self.below != "" and not {"", ".", ".."}.isdisjoint(self.below.split("/"))


def adapters(keys: Iterable[tuple[str, Object]], prefix: str, marker: str = "") -> list[Keyed]:
    """Gather the directories below `prefix`, at most four deep, that hold a config or weights. Raises TooMany."""
    ours = {CONFIG, WEIGHTS, MANIFEST, PICKLE, marker} - {""}
    found: dict[str, Keyed] = {}
    for key, there in keys:
        below, slash, name = key[len(prefix) :].rpartition("/")
        if name not in ours or not _within(below, bool(slash)):
            continue
        # "/x" and "x" are different keys, so their directories "" and the prefix itself differ, too.
        directory = below if below or not slash else "/"
        found.setdefault(directory, Keyed(directory)).objects[name] = there
        if len(found) > MAX_ADAPTERS:
            raise TooMany
    return [keyed for keyed in found.values() if keyed.config is not None or keyed.weights is not None]


def _within(below: str, nested: bool) -> bool:
    return not nested or below.count("/") < MAX_DEPTH
