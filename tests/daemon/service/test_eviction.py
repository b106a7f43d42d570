"""`state.max_bytes`: what goes first, what never goes, and what becomes of a candidate for which there is no room."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from kits.queues import Queue

from hotswapd.daemon.config.current import Current
from hotswapd.daemon.control.part import Starting
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.engines.protocol import Loaded
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.pipeline.naming import Named
from hotswapd.daemon.service.eviction import Eviction


def limit(most: int) -> Current:
    return Current(cast("Any", SimpleNamespace(state=SimpleNamespace(max_bytes=most))))


class Full:
    """A daemon whose store has a limit that a test sets."""

    def __init__(self) -> None:
        self.queue = Queue(naming=lambda _: lambda uri: Named(uri.location.rsplit("/", 1)[1].partition("-")[0]))
        self.answering: list[Loaded] = []
        self.set_limit(0)

    def set_limit(self, most: int) -> None:
        part: Any = SimpleNamespace(loaded=lambda: self.answering, lives=self.queue.channels.lives)
        self.eviction = Eviction(self.queue.ledger, Standing(part), limit(most))
        self.queue.store._limit = self.eviction

    def bring(self, *names: str) -> None:
        """Bring adapters one after the other, each for the channel that its name begins with."""
        for name in names:
            self.queue.place.put(name, name.encode())
            self.queue.settle()

    def digests(self) -> dict[str, str]:
        return {row.uri.rpartition("/")[2]: row.digest for row in self.queue.ledger.rows.history(99)}

    def order(self) -> list[str]:
        """Name what may go, in its order."""
        names = {digest: name for name, digest in self.digests().items()}
        return [names.get(digest, digest) for digest in self.eviction.spare([*names, "unknown"])]


@pytest.fixture
def full() -> Full:
    return Full()


def test_the_order_is_what_is_missed_least_first(full: Full) -> None:
    """What nothing needs, older candidates, refused generations, old ones, and last what a rollback goes back to."""
    full.bring("a-1", "a-2", "a-3", "a-4", "b-1", "b-2")
    full.queue.ledger.generations.refuse(2)
    full.queue.ledger.flags.set("pinned", value=True, channel="a")
    full.bring("a-5", "a-6")
    assert full.order() == ["unknown", "a-5", "a-2", "a-1", "a-3", "b-1"]


def test_what_is_live_or_answering_or_newest_never_goes(full: Full) -> None:
    full.bring("a-1", "a-2", "b-1")
    assert full.order() == ["unknown", "a-1"]
    full.answering = [Loaded(1, full.digests()["a-1"], use="draining")]
    assert full.order() == ["unknown"]
    full.answering = [Loaded(1, full.digests()["a-1"], use="previous")]
    assert full.order() == ["unknown", "a-1"]


def test_nothing_goes_for_a_channel_that_still_has_it_live(full: Full) -> None:
    """The same bytes are an old generation of one channel and live in another."""
    full.bring("a-1", "a-2")
    full.queue.place.put("b-1", b"a-1")
    full.queue.settle()
    assert full.order() == ["unknown"]


def test_without_a_ledger_nothing_goes(full: Full, monkeypatch: pytest.MonkeyPatch) -> None:
    full.bring("a-1", "a-2")

    def down() -> set[str]:
        raise LedgerDown("the ledger cannot be read")

    monkeypatch.setattr(full.queue.ledger.rows, "needed", down)
    assert full.order() == []


def test_before_the_model_answers_the_ledger_tells_what_is_live(full: Full) -> None:
    full.bring("a-1", "a-2")
    standing = Standing(Starting(full.queue.live))
    eviction = Eviction(full.queue.ledger, standing, limit(9))
    assert eviction.bytes() == 9
    assert eviction.spare(full.digests().values()) == [full.digests()["a-1"]]


def test_the_newest_goes_live_in_a_full_store(full: Full) -> None:
    """Room for two: each new one takes the place of the oldest, and the previous one can be gone back to."""
    full.bring("a-1")
    size = full.queue.store.find(full.digests()["a-1"])
    assert size is not None
    full.set_limit(2 * size.size)
    for name in ("a-2", "a-3", "a-4"):
        full.queue.store.collect(full.digests().values())
        full.queue.store.require_free(size.size)
        full.bring(name)
    kept = [name for name, digest in full.digests().items() if full.queue.store.find(digest)]
    assert kept == ["a-4", "a-3"]
    assert full.queue.channels.of("a").rollback.target(None).number == 3
