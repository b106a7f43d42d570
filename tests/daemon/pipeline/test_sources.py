"""All watched sources: what a reload ends, keeps and begins, and that one which hangs holds up no other."""

import threading
from collections.abc import Iterator

import pytest
from kits.queues import Queue
from kits.sources import FakeSource, make_sources, sighting
from kits.waiting import until

from hotswapd.daemon.pipeline.sources import Sources
from hotswapd.loaders.source import Scan


class Scene:
    """Sources a and b, watched."""

    def __init__(self) -> None:
        self.queue = Queue("a", "b")
        self.a, self.b = FakeSource("a"), FakeSource("b")
        self.sources = make_sources(self.queue.inbox, self.queue.store, self.a, self.b)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    made.sources.start()
    yield made
    assert made.sources.stop(5.0)


def names(sources: Sources) -> list[str]:
    return [watch.source.name for watch in sources]


def running() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_each_source_has_two_threads(scene: Scene) -> None:
    expected = {"scan a", "fetch a", "scan b", "fetch b"}
    assert scene.sources.thread_names == expected
    assert expected <= running()


def test_a_renewal_ends_what_is_not_wanted(scene: Scene) -> None:
    """What it saw and nobody has fetched is given up; the others do not notice."""
    scene.queue.places["a"].put("x", b"1")
    scene.queue.scan("a")
    b = list(scene.sources)[1]
    assert scene.sources.renew(["b"], []) == ["scan a", "fetch a"]
    assert (names(scene.sources), scene.a.closed, scene.b.closed) == (["b"], True, False)
    assert list(scene.sources) == [b]
    assert not running() & {"scan a", "fetch a"}
    assert scene.queue.states() == {"file:///a/x": "GONE source_removed"}


def test_a_renewal_replaces_what_is_described_otherwise(scene: Scene) -> None:
    """The new watch of the same name scans at once, and what waits at its address stays."""
    scene.queue.places["a"].put("x", b"1")
    scene.queue.scan("a")
    fresh = FakeSource("a", scan_result=Scan((sighting("file:///a/x"), sighting("file:///a/y")), 3600.0))
    assert scene.sources.renew(["a", "b"], [fresh]) == ["scan a", "fetch a"]
    assert sorted(names(scene.sources)) == ["a", "b"]
    assert (scene.a.closed, fresh.closed) == (True, False)
    until(lambda: "file:///a/y" in scene.queue.states(), "the fresh source was not scanned")
    assert "GONE source_removed" not in scene.queue.states().values()


def test_a_renewal_begins_what_is_new(scene: Scene) -> None:
    fresh = FakeSource("c")
    assert scene.sources.renew(["a", "b", "c"], [fresh]) == []
    assert names(scene.sources) == ["a", "b", "c"]
    assert {"scan c", "fetch c"} <= running()


def test_one_that_hangs_is_left_behind() -> None:
    """The others are stopped all the same."""
    release = threading.Event()
    scene = Scene()

    def hang(seconds: float) -> None:
        release.wait(30.0)

    scene.a.wait = hang  # type: ignore[method-assign]
    scene.sources.start()
    try:
        assert scene.sources.stop(0.2) is False
        assert scene.b.closed
    finally:
        release.set()
    assert scene.sources.stop(5.0)
