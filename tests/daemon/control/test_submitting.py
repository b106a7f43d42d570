"""`hotswapd submit`: which addresses it takes, that it wakes the source, and how long it waits."""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from kits.queues import BAD, Queue
from kits.sources import FakeSource, make_sources
from kits.waiting import until

from hotswapd.daemon.control import submitting
from hotswapd.daemon.control.submitting import Submitting
from hotswapd.daemon.errors import BadRequest, Conflict
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.pipeline.naming import Named
from hotswapd.loaders.errors import SourceDown
from hotswapd.swap.codes import FilesCode


class Scene:
    """A queue with generation 1 live, and the source that it came from."""

    def __init__(self) -> None:
        self.queue, self.source = Queue(), FakeSource()
        self.sources = make_sources(self.queue.inbox, self.queue.store, self.source)
        self.submitting = Submitting(self.queue.ledger, self.queue.inbox, self.sources)
        self.one = self.queue.place.put("one", b"one")
        self.queue.settle()

    def on_wake(self, act: Callable[[], None]) -> None:
        """Do this when the source is woken, as its thread would."""
        self.source.wake = act  # type: ignore[method-assign]

    def waits(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
        """Write down each wait for a change, and end it at once as if the time were over."""
        found: list[tuple[int, float]] = []
        clock = [1000.0]

        def wait(since: int, seconds: float) -> None:
            found.append((since, seconds))
            clock[0] += seconds

        monkeypatch.setattr(self.queue.inbox, "wait", wait)
        monkeypatch.setattr(submitting, "time", SimpleNamespace(monotonic=lambda: clock[0]))
        return found


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_new_one_is_there_after_one_scan(scene: Scene) -> None:
    """The source is woken, so that nobody waits for its next scan."""
    uri = scene.queue.place.put("two", b"two")
    scene.on_wake(scene.queue.scan)
    row = scene.submitting.submit(uri, "default", again=False)
    assert (row.uri, row.state) == (uri, "SIGHTED")
    assert scene.queue.inbox.sightings.asked(uri) is None


def test_the_source_is_woken_after_it_was_asked(scene: Scene) -> None:
    """A scan before that would not know that the address counts as new."""
    asked: list[str | None] = []

    def wake() -> None:
        asked.append(scene.queue.inbox.sightings.asked(scene.one))
        scene.queue.scan()

    scene.on_wake(wake)
    scene.submitting.submit(scene.one, "default", again=True)
    assert asked == [""]


def test_a_scan_that_sees_nothing_is_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifteen seconds since the last change that it knows of, and not in a busy loop."""
    waits = scene.waits(monkeypatch)
    since = scene.queue.inbox.changes()
    with pytest.raises(Conflict, match=r"write adapter_config\.json and adapter_model\.safetensors there") as caught:
        scene.submitting.submit("file:///s/two", "default", again=False)
    assert caught.value.code == "not_there"
    assert waits == [(since, 15.0)]
    assert scene.source.woken == 1
    assert scene.queue.inbox.sightings.asked("file:///s/two") is None


def test_the_trouble_of_its_source_is_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.waits(monkeypatch)
    scene.source.scan_result = SourceDown(FilesCode.CONFIG_MISSING, "the folder does not exist")
    scene.sources.start()
    try:
        until(lambda: not next(iter(scene.sources)).health.ok, "nobody misses the folder")
    finally:
        assert scene.sources.stop(5.0)
    with pytest.raises(Conflict, match="within 15 s: the folder does not exist"):
        scene.submitting.submit("file:///s/two", "default", again=False)


def test_a_change_ends_the_wait(scene: Scene) -> None:
    """A real one: the scan is on another thread, as it is in the daemon."""
    uri = scene.queue.place.put("two", b"two")
    threads = [threading.Timer(0.05, scene.queue.scan)]
    scene.on_wake(threads[0].start)
    began = time.monotonic()
    assert scene.submitting.submit(uri, "default", again=False).uri == uri
    assert time.monotonic() - began < 14.0
    threads[0].join()


def test_one_that_waits_is_hurried(scene: Scene) -> None:
    """Its next try is due at once; the source need not scan."""
    uri = scene.queue.place.put("two", b"two")
    scene.queue.scan()
    row = scene.queue.inbox.next_fetch("s")
    assert row is not None
    scene.queue.inbox.wait_for_another_try(row, "changed", "it was written to", 600.0)
    assert scene.queue.inbox.next_fetch("s") is None
    assert scene.submitting.submit(uri, "default", again=False).swap_id == row.swap_id
    due = scene.queue.inbox.next_fetch("s")
    assert due is not None
    assert (due.swap_id, scene.source.woken) == (row.swap_id, 0)


def test_what_is_live_is_no_news(scene: Scene) -> None:
    with pytest.raises(Conflict, match="is live as generation 1; --again makes it a new one") as caught:
        scene.submitting.submit(scene.one, "default", again=False)
    assert caught.value.code == "already_live"


def test_what_was_refused_says_why(scene: Scene) -> None:
    """With `again` it is tried once more."""
    uri = scene.queue.place.put("bad", BAD)
    scene.queue.settle()
    with pytest.raises(Conflict, match=r"it was refused \(REJECTED, rank_too_high: .*--again tries") as caught:
        scene.submitting.submit(uri, "default", again=False)
    assert caught.value.code == "rank_too_high"
    scene.on_wake(scene.queue.scan)
    row: Row = scene.submitting.submit(uri, "default", again=True)
    assert (row.state, row.forced) == ("SIGHTED", True)


@pytest.mark.parametrize(
    ("uri", "code", "said"),
    [("nonsense://", "bad_uri", ""), ("file:///t/two", "outside_sources", "the sources are: s")],
)
def test_a_wrong_address_is_refused(scene: Scene, uri: str, code: str, said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        scene.submitting.submit(uri, "default", again=False)
    assert (caught.value.code, caught.value.param) == (code, "uri")
    assert said in caught.value.sentence


def test_an_adapter_is_submitted_to_its_own_channel(scene: Scene) -> None:
    """To another, the sentence says whose it is."""
    naming = lambda source: lambda uri: Named("support")  # noqa: E731 - what a table would say
    submitting = Submitting(scene.queue.ledger, scene.queue.inbox, scene.sources, naming)
    with pytest.raises(
        BadRequest, match="is for the channel support, not for default: name it with --channel"
    ) as caught:
        submitting.submit(scene.one, "default", again=True)
    assert (caught.value.code, caught.value.param) == ("other_channel", "channel")
