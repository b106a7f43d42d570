"""Whoever follows what is live is told of each change, and a pause is counted only when there was one."""

from kits.queues import Queue
from kits.sightings import first_directory

from hotswapd.daemon.config.verify import Watch
from hotswapd.daemon.engines.protocol import Staged
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.live.watch import LiveWatch
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.report.picture import Pictures
from hotswapd.daemon.service.announcer import Announcer


def test_a_change_reaches_watch_metrics_and_pictures() -> None:
    queue = Queue(kind="fake")
    metrics, watch, pictures = Metrics(), LiveWatch(Watch(), clock=lambda: 100.0), Pictures(queue.ledger)
    announcer = Announcer(queue.engine, metrics, watch, pictures)
    live = Generation(7, "file:///s/a", "r", "ab" * 32, 99.0)
    announcer.went_live(live, Staged(live.digest, 7), None)
    text = metrics.text().decode()
    assert "hotswapd_pause_seconds_count 0.0" in text
    status = watch.status()
    assert status is not None
    assert status["generation"] == 7
    announcer.went_live(live, Staged(live.digest, 7), 0.002)
    assert "hotswapd_pause_seconds_count 1.0" in metrics.text().decode()
    assert live.digest[:12] in text


def test_pictures_are_of_the_default_channel() -> None:
    """The page shows what that changes beside what it changed before: another channel's generation is neither."""
    queue = Queue(kind="fake", naming=first_directory)
    pictures = Pictures(queue.ledger)
    announcer = Announcer(queue.engine, Metrics(), LiveWatch(Watch(), clock=lambda: 100.0), pictures)
    for number, channel in ((1, "default"), (2, "default"), (3, "support"), (4, "support")):
        live = Generation(number, "file:///s/a", "r", f"{number:064x}", 99.0, channel=channel)
        announcer.went_live(live, Staged(live.digest, number), None)
    assert [one["generation"] for one in pictures.shown] == [2, 1]
