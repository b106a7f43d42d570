"""Fetches: each way in which one ends, and that a fetch reports that it lives."""

import threading
from collections.abc import Callable

import pytest
from kits.folders import CONFIG, WEIGHTS
from kits.queues import Queue
from kits.sources import FakeSource

from hotswapd.daemon.config.policy import Policy
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.pipeline.fetcher import Fetcher
from hotswapd.loaders.errors import Gone, Refused, Unavailable
from hotswapd.loaders.source import Artifact, Sighting
from hotswapd.loaders.store.store import Store
from hotswapd.swap.codes import FilesCode

CODE = FilesCode.CONFIG_MISSING


class Scene:
    """One source with one sighted adapter, whose fetcher stops after the first fetch."""

    def __init__(self) -> None:
        self.queue, self.source = Queue(), FakeSource()
        self.stop = threading.Event()
        self.beats: list[tuple[str, float]] = []
        beat = lambda name, seconds: self.beats.append((name, seconds))  # noqa: E731 - one line
        self.fetcher = Fetcher(self.source, self.queue.inbox, self.queue.store, Policy("policy"), beat)
        self.uri = self.queue.place.put("a", b"1")
        self.queue.scan()

    def fetch(self, act: Callable[[Sighting, threading.Event], None]) -> Row:
        """Run the fetcher until it has called `act` once and dealt with how that ended."""

        def on_fetch(sighting: Sighting, store: Store, stop: threading.Event) -> Artifact:
            self.source.on_fetch = lambda *_: pytest.fail("it was fetched twice")
            act(sighting, stop)
            with store.stage() as stage:
                stage.write(CONFIG, [b"{}"], 100)
                stage.write(WEIGHTS, [b"1"], 100)
                return stage.commit()

        self.source.on_fetch = on_fetch
        self.queue.inbox.wait = lambda since, seconds: self.stop.set()  # type: ignore[method-assign] # nothing is left
        self.fetcher.run(self.stop)
        return self.queue.ledger.rows.history(1)[0]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def raising(error: Exception) -> Callable[[Sighting, threading.Event], None]:
    def act(sighting: Sighting, stop: threading.Event) -> None:
        raise error

    return act


def test_what_was_fetched_is_in_the_store(scene: Scene) -> None:
    """The source gets the revision that was sighted."""
    asked: list[Sighting] = []
    row = scene.fetch(lambda sighting, _: asked.append(sighting))
    assert (str(asked[0].uri), asked[0].revision) == (scene.uri, "s1")
    assert row.state == "FETCHED"
    assert scene.queue.store.find(row.digest) is not None
    assert row.seconds["fetch"] >= 0


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (Unavailable(CODE, "not now", 2.0), "WAITING", "config_missing"),
        (Gone(CODE, "deleted"), "GONE", "config_missing"),
        (Refused(CODE, "a pickle"), "REJECTED", "config_missing"),
        (ZeroDivisionError("division by zero"), "WAITING", "internal_error"),
    ],
)
def test_each_error_has_its_end(scene: Scene, error: Exception, state: str, reason: str) -> None:
    row = scene.fetch(raising(error))
    assert (row.state, row.reason) == (state, reason)
    assert row.tries == (state == "WAITING")


def test_a_refusal_is_known_for_this_policy(scene: Scene) -> None:
    """So another policy has it looked at again."""
    row = scene.fetch(raising(Refused(CODE, "a pickle")))
    assert [one.swap_id for one in scene.queue.ledger.reopen(lambda _: "another")] == [row.swap_id]


def test_a_fetch_that_the_end_cut_short_says_nothing(scene: Scene) -> None:
    """It is no trouble of the source, and the next process fetches it again."""

    def cut(sighting: Sighting, stop: threading.Event) -> None:
        scene.stop.set()
        raise Unavailable(CODE, "cut off")

    row = scene.fetch(cut)
    assert (row.state, row.tries) == ("SIGHTED", 0)


def test_each_piece_is_a_sign_of_life(scene: Scene) -> None:
    """A large file may take hours, a piece of it may not take five minutes."""
    name = threading.current_thread().name

    def pieces(sighting: Sighting, stop: threading.Event) -> None:
        scene.beats.clear()
        assert not stop.is_set()
        assert scene.beats == [(name, 300.0)]
        scene.stop.set()
        assert stop.is_set()
        assert scene.beats == [(name, 300.0)]

    scene.fetch(pieces)


def test_a_ledger_that_is_down_is_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second, in which the thread can be stopped."""
    waited: list[float | None] = []

    def down(_: str) -> Row | None:
        raise LedgerDown("the disk is full")

    def wait(seconds: float | None = None) -> bool:
        waited.append(seconds)
        scene.stop.set()
        return True

    monkeypatch.setattr(scene.queue.inbox, "next_fetch", down)
    monkeypatch.setattr(scene.stop, "wait", wait)
    scene.fetcher.run(scene.stop)
    assert waited == [1.0]
