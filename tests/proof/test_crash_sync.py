"""A power cut at any moment: what was told to a client is there after it, though all that was not synced is lost.

SIGKILL cannot show this, since the kernel keeps what a dead process has written. So the real daemon runs with a library
preloaded that writes down what each fsync has made durable, and each of those moments is replayed: the store, the
pointer and the ledger are opened from nothing but that, as the next start would.
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from kits.alone import start_alone
from kits.room import Room, make_room

from hotswapd.daemon.ledger.holds import Holds
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.rows import OPERATOR
from hotswapd.daemon.live.restore import pointed_at
from hotswapd.loaders.store.store import Store, digest_of

from .power_cut import cuts, syncs, watcher

_MEMORY = Path("/dev/shm")


@dataclass(slots=True)
class Told:
    """What the daemon said to a client, and behind which sync."""

    after: int
    live: int
    uris: tuple[str, ...]
    pinned: bool = False


@dataclass(slots=True)
class Story:
    """What happened before the power went: every `Told` in order, the first of them before anything."""

    room: Room
    out: Path
    told: list[Told] = field(default_factory=lambda: [Told(0, 0, ())])

    def tell(self, **changes: Any) -> None:
        """Note what has just been said; what is not named is as before."""
        last = self.told[-1]
        self.told.append(replace(last, after=len(syncs(self.out)), **changes))

    def add(self, name: str, spoilt: str = "") -> None:
        """Drop an adapter, and note its outcome."""
        uri = self.room.drop(name, f"{name}{spoilt}", spoilt)
        row = self.room.outcome(uri)
        assert row["state"] == ("REJECTED" if spoilt else "LIVE")
        self.tell(uris=(*self.told[-1].uris, uri), **({} if spoilt else {"live": row["generation"]}))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The real daemon on an empty disk: two adapters, a rollback and its pin, a bad one, a third, and an end."""
    with make_room(tmp_path_factory.mktemp("power")) as room:
        out, disk = room.root / "syncs", room.root / "disk"
        out.mkdir()
        disk.mkdir()
        preload = {"LD_PRELOAD": str(watcher(room.root)), "SYNCS_ROOT": str(disk), "SYNCS_OUT": str(out)}
        start_alone(room, HOTSWAPD_STATE__DIR=str(disk / "state"), **preload)
        told = Story(room, out)
        told.add("run-0")
        told.add("run-1")
        room.client.post("/rollback", {})
        told.tell(live=1, pinned=True)
        told.add("run-0", spoilt="nan")
        told.tell(pinned=False)  # from now on it may be either
        room.client.post("/unpin", {})
        told.add("run-2")
        room.process.signal(signal.SIGTERM)
        assert room.process.wait() == 0
        yield told


def known_at(story: Story, number: int) -> tuple[Told, Told]:
    """Return what was told last before this sync, and what came next."""
    before = [told for told in story.told if told.after <= number]
    return before[-1], [*story.told, story.told[-1]][len(before)]


def check(state: Path, known: Told, coming: Told, where: str) -> None:
    """Open a disk as the next start does: nothing is torn, and what was told is so."""
    if not state.exists():
        assert not known.uris, f"the state directory itself is lost {where}"
        return
    store, ledger = Store(state / "store"), Ledger(state / "ledger.sqlite")
    pointed = pointed_at(store)
    assert not ledger.was_lost, f"the ledger cannot be read {where}"
    assert (pointed.number if pointed else 0) in {known.live, coming.live}, f"the pointer is wrong {where}"
    if pointed is not None:
        copy = store.find(pointed.digest)
        assert copy is not None, f"the pointer names what is not there {where}"
        assert digest_of(copy.path) == pointed.digest, f"the pointer names a torn copy {where}"
        ledger.adopt(pointed, OPERATOR)
        live = ledger.rows.live()
        assert live is not None
        assert live.generation == pointed.number
    ledger.recover()
    rows = {row.uri for row in ledger.rows.history(100)}
    assert set(known.uris) <= rows, f"a row is lost {where}"
    if known.pinned:
        assert ledger.flags.pinned(), f"the pin is lost {where}"
        assert ("default", "pinned") in Holds(state / "ledger.sqlite").kept(), (
            f"the pin beside the ledger is lost {where}"
        )
    ledger.close()


@pytest.mark.slow
def test_after_a_power_cut_what_was_told_holds(story: Story) -> None:
    """Whether the file system keeps names that were not synced, or loses them."""
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as place:
        number, failures = 0, []
        for number, way, disk in cuts(story.out, Path(place) / "disk"):
            known, coming = known_at(story, number)
            try:
                check(disk / "state", known, coming, f"after sync {number}, when {way}")
            except AssertionError as error:
                failures.append(str(error).splitlines()[0])
    print(f"{number} syncs, {2 * number} power cuts")
    assert number > 50
    assert failures == []
