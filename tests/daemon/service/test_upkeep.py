"""Housekeeping: the store keeps what something needs, and what is live is judged each second."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kits.queues import Queue

from hotswapd.daemon.config.current import Current
from hotswapd.daemon.control.part import Starting
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.host.heartbeats import WORKER, Heartbeats
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.service.upkeep import Collector, Upkeep


def current(keep: int = 1, max_bytes: int = 0) -> Current:
    state, serve = SimpleNamespace(keep=keep, max_bytes=max_bytes), SimpleNamespace(max_drain=9.0)
    return Current(cast("Any", SimpleNamespace(state=state, serve=serve)))


class Garbage:
    """Three generations were live; a fourth adapter is held in the store."""

    def __init__(self) -> None:
        self.queue = Queue()
        for name in ("one", "two", "three"):
            self.queue.place.put(name, name.encode())
            self.queue.settle()
        self.queue.ledger.flags.set("pinned", value=True)
        self.queue.place.put("four", b"four")
        self.queue.settle()
        self.wanted = threading.Event()
        standing = Standing(Starting(self.queue.live))
        self.collector = Collector(self.queue.store, self.queue.ledger, standing, current(), self.wanted)

    def kept(self) -> list[str]:
        rows = {row.uri.rpartition("/")[2]: row.digest for row in self.queue.ledger.rows.history(9)}
        return sorted(name for name, digest in rows.items() if self.queue.store.find(digest) is not None)

    def collect(self) -> None:
        for _ in range(2):  # the store removes what was not needed twice in a row
            self.wanted.set()
            self.collector.collect()


@pytest.fixture
def garbage() -> Garbage:
    return Garbage()


def test_what_answers_or_waits_is_kept(garbage: Garbage) -> None:
    """The live generation, the newest `state.keep` of the others, and the candidates."""
    garbage.collect()
    assert {"three", "four"} <= set(garbage.kept())
    assert "one" not in garbage.kept()


def test_nothing_is_collected_unless_wanted(garbage: Garbage) -> None:
    for _ in range(3):
        garbage.collector.collect()
    assert garbage.kept() == ["four", "one", "three", "two"]


def test_a_lower_limit_of_the_store_takes_effect(garbage: Garbage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `state.keep` would keep goes then, but nothing that is needed."""
    needed = garbage.queue.ledger.rows.needed()
    limit = SimpleNamespace(bytes=lambda: 9, spare=lambda digests: [one for one in digests if one not in needed])
    monkeypatch.setattr(garbage.queue.store, "_limit", limit)
    garbage.collect()
    assert garbage.kept() == ["four", "three"]


def test_without_a_ledger_nothing_is_removed(garbage: Garbage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is needed is not known then."""

    def down() -> set[str]:
        raise LedgerDown("the ledger cannot be read")

    monkeypatch.setattr(garbage.queue.ledger.rows, "in_store", down)
    garbage.collect()
    assert garbage.kept() == ["four", "one", "three", "two"]


class Ticking:
    """An upkeep whose engine and channels write down that they were called."""

    def __init__(self) -> None:
        self.queue = Queue()
        self.called: list[object] = []
        channels = SimpleNamespace(poll=lambda: self.called.append("channels"))
        opened = SimpleNamespace(tick=self.called.append)
        self.beats = Heartbeats(60.0)
        parts: list[Any] = [opened, self.queue.ledger, channels, Metrics(), self.beats, current()]
        self.upkeep = Upkeep(*parts)


@pytest.fixture
def ticking() -> Ticking:
    return Ticking()


def test_a_tick_does_all_of_it(ticking: Ticking) -> None:
    """The engine first: what is judged afterwards may need a berth that it frees."""
    ticking.upkeep.tick()
    assert ticking.called == [9.0, "channels"]
    assert WORKER not in ticking.beats.late()


def test_a_ledger_that_is_down_ends_no_tick(ticking: Ticking, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is kept alive all the same."""

    def down() -> int:
        raise LedgerDown("the disk is full")

    monkeypatch.setattr(ticking.queue.ledger.rows, "open_count", down)
    ticking.upkeep.tick()
    assert 9.0 in ticking.called
    assert "channels" in ticking.called, "a bad canary would answer for as long as the ledger is down"
