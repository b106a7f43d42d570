"""Scans: what becomes of one, of a source that is down, and of a ledger that is."""

import threading
from typing import Any

import pytest
from kits.queues import Queue
from kits.sources import FakeSource, sighting
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.pipeline.scanner import Health, Scanner
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.loaders.errors import SourceDown
from hotswapd.loaders.source import Scan
from hotswapd.swap.codes import FilesCode


class Scene:
    """One source, and the scanner of a queue that knows no other."""

    def __init__(self) -> None:
        self.queue = Queue()
        self.source, self.metrics = FakeSource(), Metrics()
        self.beats: list[tuple[str, float]] = []
        self.scanner = Scanner(
            self.source, self.queue.inbox, self.metrics, lambda name, seconds: self.beats.append((name, seconds))
        )

    def down(self, sentence: str = "access denied", after: float | None = None) -> None:
        self.source.scan_result = SourceDown(FilesCode.CONFIG_MISSING, sentence, after)

    def metric(self) -> float:
        families = text_string_to_metric_families(self.metrics.text().decode())
        return next(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == "hotswapd_source_up" and sample.labels["source"] == "s"
        )


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_scan_becomes_rows(scene: Scene) -> None:
    """The next one is when the source says."""
    scene.source.scan_result = Scan((sighting("file:///s/a"),), 7.0, "inotify is out of watches")
    assert scene.scanner.scan() == 7.0
    assert scene.queue.states() == {"file:///s/a": "SIGHTED"}
    health = scene.scanner.health
    assert (health.ok, health.sentence) == (True, "inotify is out of watches")
    assert health.last_scan is not None
    assert health.next_scan == pytest.approx(health.last_scan + 7.0)
    assert scene.metric() == 1.0


def test_a_source_that_is_down_keeps_its_last_scan(scene: Scene) -> None:
    """And its reason is shown; what it asks for is when it is scanned again."""
    scene.scanner.scan()
    last = scene.scanner.health.last_scan
    scene.down(after=90.0)
    assert scene.scanner.scan() == 90.0
    health = scene.scanner.health
    assert (health.ok, health.code, health.sentence) == (False, "config_missing", "access denied")
    assert health.last_scan == last is not None
    assert scene.metric() == 0.0
    scene.source.scan_result = Scan((), 1.0)
    scene.scanner.scan()
    assert scene.scanner.health.ok


def test_scans_of_a_source_that_stays_down_grow_rarer(scene: Scene) -> None:
    """Up to once a minute."""
    scene.down()
    waits = [scene.scanner.scan() for _ in range(12)]
    assert waits[0] <= 1.0
    assert 30.0 <= waits[-1] <= 60.0
    scene.source.scan_result = Scan((), 1.0)
    scene.scanner.scan()
    scene.down()
    assert scene.scanner.scan() <= 1.0


def test_a_source_that_is_down_counts_as_looked_at(scene: Scene) -> None:
    """The start does not wait for it."""
    queue = Queue(open_now=False)
    scanner = Scanner(scene.source, queue.inbox, scene.metrics, lambda *_: None)
    assert not queue.inbox.sightings.all_scanned()
    scene.down()
    scanner.scan()
    assert queue.inbox.sightings.all_scanned()


def test_a_defect_of_a_source_is_its_trouble(scene: Scene) -> None:
    """The thread goes on, and scans again."""
    scene.source.scan_result = ZeroDivisionError("division by zero")
    scene.scanner.scan()
    health = scene.scanner.health
    assert (health.ok, health.code) == (False, "internal_error")
    assert "ZeroDivisionError: division by zero" in health.sentence


def test_a_ledger_that_is_down_is_not_the_sources_fault(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is scanned again in a second, and `last_scan` stays: nothing of this scan was kept."""

    def down(*_: Any) -> None:
        raise LedgerDown("the disk is full")

    monkeypatch.setattr(scene.queue.inbox, "scanned", down)
    scene.source.scan_result = Scan((sighting("file:///s/a"),), 7.0)
    assert scene.scanner.scan() == 1.0
    health = scene.scanner.health
    assert (health.ok, health.sentence, health.last_scan) == (True, "", None)
    monkeypatch.undo()
    assert scene.scanner.scan() == 7.0
    assert scene.queue.states() == {"file:///s/a": "SIGHTED"}


def told(scene: Scene, times: int = 2) -> list[str]:
    """Scan so often, and return what was logged."""
    with capture_logs() as logged:
        for _ in range(times):
            scene.scanner.scan()
    return [one["event"] for one in logged]


def test_each_change_is_logged_once(scene: Scene) -> None:
    """People match on these lines: one when it goes down, one for each other reason, one when it is back."""
    assert told(scene) == []
    scene.down()
    assert told(scene) == ["source_down"]
    scene.down("no such bucket")
    assert told(scene) == ["source_down"]
    scene.source.scan_result = Scan((), 1.0)
    assert told(scene) == ["source_up"]
    scene.source.scan_result = ZeroDivisionError("division by zero")
    assert told(scene) == ["scan_failed", "source_down", "scan_failed"]
    scene.source.scan_result = Scan((), 1.0, "inotify is out of watches")
    assert told(scene) == ["source_up"]


def test_a_ledger_that_comes_back_is_logged_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each reason, and the source is not said to have been down."""
    reasons = iter(["the disk is full", "the disk is full", "it is locked"])

    def down(*_: Any) -> None:
        raise LedgerDown(next(reasons))

    with monkeypatch.context() as patch:
        patch.setattr(scene.queue.inbox, "scanned", down)
        assert told(scene, 3) == ["ledger_down", "ledger_down"]
    assert told(scene) == ["ledger_up"]


def test_before_the_first_scan_all_is_well(scene: Scene) -> None:
    assert scene.scanner.health == Health()


def test_its_thread_reports_how_long_it_may_be_silent(scene: Scene) -> None:
    """Five minutes while it scans, and a little more than the wait between two scans."""
    stop, name = threading.Event(), threading.current_thread().name
    scene.source.scan_result = Scan((), 0.0)
    wait = scene.source.wait

    def stopped(seconds: float) -> None:
        wait(seconds)
        stop.set()

    scene.source.wait = stopped  # type: ignore[method-assign]
    scene.scanner.run(stop)
    assert scene.beats == [(name, 300.0), (name, 5.0)]
    assert scene.source.waits == [0.0]
