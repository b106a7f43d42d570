"""`GET /status`: from a real ledger, and what is left of it without one."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from kits.queues import Queue
from kits.sources import FakeSource, make_sources

from hotswapd.daemon.control.part import Starting
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.control.status import status
from hotswapd.daemon.engines.protocol import Loaded
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.ledger.moment import moment
from hotswapd.daemon.pipeline.scanner import Health
from hotswapd.daemon.pipeline.sources import Sources


class Scene:
    """A daemon that is starting, with one source."""

    def __init__(self) -> None:
        self.queue = Queue()
        self.sources: Sources = make_sources(self.queue.inbox, self.queue.store, FakeSource())
        self.standing = Standing(Starting(self.queue.live))

    def status(self) -> Any:
        return dict(status(self.standing, self.queue.ledger, self.sources))


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_holds_and_queue_are_those_of_the_ledger(scene: Scene) -> None:
    scene.queue.ledger.flags.set("paused", value=True)
    uri = scene.queue.place.put("a", b"1")
    scene.queue.scan()
    found = scene.status()
    assert (found["paused"], found["pinned"], found["queue_depth"], found["trouble"]) == (True, False, 1, None)
    (entry,) = found["queue"]
    assert (entry["uri"], entry["state"]) == (uri, "SIGHTED")
    assert (found["ready"], found["phase"]) == (False, "the daemon is starting")


def test_what_waits_for_its_source_is_tried_at_the_next_scan(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a retry of its own has that time."""
    scene.queue.place.put("half", b"1", code="incomplete")
    scene.queue.place.put("whole", b"2")
    scene.queue.scan()
    row = scene.queue.inbox.next_fetch("s")
    assert row is not None
    scene.queue.inbox.wait_for_another_try(row, "changed", "it was written to", 600.0)
    scan = time.time() + 5.0
    monkeypatch.setattr(next(iter(scene.sources))._scanner, "health", Health(next_scan=scan))
    tries = {entry["uri"]: entry["next_try"] for entry in scene.status()["queue"]}
    assert tries["file:///s/half"] == moment(scan)
    assert tries["file:///s/whole"] == moment(scene.queue.ledger.rows.get(row.swap_id).next_try)


def test_without_a_ledger_the_rest_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is live is known without it."""

    def down(*_: object, **__: object) -> object:
        raise LedgerDown("the ledger cannot be read")

    monkeypatch.setattr(scene.queue.ledger.rows, "open", down)
    found = scene.status()
    assert (found["queue"], found["trouble"]) == ([], "the ledger cannot be read")
    assert found["live"] == scene.queue.live.live()
    (source,) = found["sources"]
    assert source == {"kind": "local", "name": "s", "ok": True, "last_scan": None, "error": None}


class Answering(Starting):
    """A daemon with three generations on the engine."""

    def loaded(self) -> Sequence[Loaded]:
        return [
            Loaded(0, "0" * 64, active=1, names=("default", "support"), use="live"),
            Loaded(4, "ab" * 32, waiting=2, berth=1, use="draining"),
            Loaded(-1, "cd" * 32, berth=2, use="candidate"),
        ]


def test_each_generation_has_its_berth_and_a_line_for_each_channel(scene: Scene) -> None:
    """The bare base needs no berth; what is live under no name has no channel."""
    scene.standing = Standing(Answering(scene.queue.live))
    told = [tuple(line.values()) for line in scene.status()["berths"]]
    assert told == [
        (None, "default", 0, "0" * 64, "live", 1, 0),
        (None, "support", 0, "0" * 64, "live", 1, 0),
        (1, None, 4, "ab" * 32, "draining", 0, 2),
        (2, None, -1, "cd" * 32, "candidate", 0, 0),
    ]
