"""The line in `systemctl status`: what is worst comes first."""

from typing import Any, cast

import pytest
from kits.queues import Queue
from kits.sources import FakeSource, make_sources

from hotswapd.daemon.control.headline import headline
from hotswapd.daemon.control.part import Starting, Working
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.pipeline.scanner import Health


class Scene:
    """A daemon that works, with one source."""

    def __init__(self) -> None:
        self.queue = Queue()
        self.sources = make_sources(self.queue.inbox, self.queue.store, FakeSource())
        rest = cast("Any", [None] * 4)
        self.standing = Standing(Working(cast("Any", None), self.queue.channels, *rest))

    def line(self, *late: str) -> str:
        return headline(self.standing, self.queue.ledger, self.sources, late)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_it_names_what_is_live(scene: Scene) -> None:
    assert scene.line() == "the bare base model is live"
    uri = scene.queue.place.put("a", b"1")
    scene.queue.settle()
    assert scene.line() == f"generation 1 is live, {uri}"


def test_it_counts_what_waits_and_names_the_holds(scene: Scene) -> None:
    scene.queue.ledger.flags.set("pinned", value=True)
    scene.queue.ledger.flags.set("paused", value=True)
    scene.queue.place.put("a", b"1")
    scene.queue.scan()
    assert scene.line() == "the bare base model is live; 1 waiting; pinned; paused"


def test_a_start_tells_only_what_it_does(scene: Scene) -> None:
    scene.standing = Standing(Starting(scene.queue.live))
    assert scene.line() == "the daemon is starting"


def test_a_thread_that_hangs_comes_first(scene: Scene) -> None:
    assert scene.line("gpu worker", "servers").startswith(
        "STUCK: gpu worker, servers has not reported in time; the bare"
    )


def test_a_source_that_is_down_and_a_refused_reload_come_last(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(next(iter(scene.sources))._scanner, "health", Health(False, "config_missing", "denied"))
    scene.standing.reload_refused = "model.base cannot change"
    scene.standing.base_changed = "generation 3 was verified elsewhere"
    assert scene.line() == (
        "the bare base model is live; source down: s (hotswapd status says why); "
        "the last reload was refused: model.base cannot change; "
        "the base has changed: generation 3 was verified elsewhere"
    )


def test_trouble_with_the_ledger_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> int:
        raise LedgerDown("the disk is full")

    monkeypatch.setattr(scene.queue.ledger.rows, "open_count", down)
    assert scene.line() == "the bare base model is live; the disk is full"
