"""What the tests of sets share: a queue whose adapters have the channels of their directories, and sets of them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from hotswapd.daemon.channels.channel import Channel
from hotswapd.daemon.pipeline.naming import Named
from hotswapd.loaders.together import dump_members
from hotswapd.loaders.uri import AdapterURI
from kits.queues import Queue, sure

MEMBERS = ("a", "b", "c")


def named(uri: AdapterURI) -> Named:
    """Name the channel after the first directory of the source."""
    return Named(uri.location.removeprefix("/s/").partition("/")[0])


def digest_of(content: bytes) -> str:
    """Return the digest that a queue's store gives these weights."""
    return hashlib.sha256(b"{}" + content).hexdigest()


class Sets:
    """A queue in which three channels have a generation each, and sets that come to it."""

    def __init__(self, *, first: bool = True, directory: Path | None = None) -> None:
        self.queue = Queue(naming=lambda _: named, directory=directory)
        if first:
            for name in MEMBERS:
                self.queue.place.put(f"{name}/first", f"{name}1".encode())
            self.queue.settle()

    def bring(self, members: Mapping[str, bytes], only: str = "", at: str = "set") -> None:
        """Write the members of a set, or only these of them."""
        together = dump_members({name: digest_of(content) for name, content in members.items()})
        for name, content in members.items():
            if not only or name in only:
                self.queue.place.put(f"{name}/{at}", content, together=together)

    def channel(self, name: str) -> Channel:
        return sure(self.queue.channels.find(name))

    def served(self) -> dict[str, str]:
        """Return what each channel serves by what the engine routes, the ledger and the pointer say: one digest."""
        return {name: self._served(name) for name in MEMBERS}

    def _served(self, name: str) -> str:
        live = self.channel(name).live.now
        row, pointer = self.queue.ledger.rows.live(name), self.queue.store.pointer(name)
        routed = [one.digest for one in self.queue.engine.loaded() if name in one.names]
        said = {live.digest, sure(row).digest, sure(pointer)["digest"], *routed}
        assert len(said) == 1, f"{name} is told apart: {said}"
        return str(said.pop())

    def states(self, at: str = "set") -> dict[str, str]:
        return {name: state for name in MEMBERS if (state := self.queue.states().get(f"file:///s/{name}/{at}"))}


def contents(number: int, **others: bytes) -> dict[str, bytes]:
    """Return what the members of a set are, but for `others`."""
    return {name: f"{name}{number}".encode() for name in MEMBERS} | others


def digests(number: int) -> dict[str, str]:
    """Return the digests of `contents`."""
    return {name: digest_of(content) for name, content in contents(number).items()}
