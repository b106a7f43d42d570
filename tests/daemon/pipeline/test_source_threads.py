"""What a source's thread says of its source, whatever else is broken."""

from pathlib import Path
from typing import Any, cast

from kits.waiting import until

from hotswapd.daemon.config.policy import Policy
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.pipeline.queue import Inbox
from hotswapd.daemon.pipeline.source_threads import Making
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.loaders.local.source import LocalSource
from hotswapd.loaders.store.store import Store


class _FullDisk:
    """An inbox whose ledger cannot be written."""

    def scanned(self, _: str, scan: Any) -> None:
        if scan is not None:
            raise LedgerDown("the disk is full")

    def changes(self) -> int:
        return 0

    def next_fetch(self, _: str) -> None:
        return None

    def wait(self, *_: Any) -> None:
        raise LedgerDown("the disk is full")

    def notify(self) -> None:
        return None


def test_a_source_that_is_back_is_up_without_a_ledger(tmp_path: Path) -> None:
    """It was down with its reason; once it is there it is up, and the ledger's trouble is not made its own."""
    folder = tmp_path / "adapters"
    source = LocalSource("a", folder, rescan=0.05)
    watch = Making(cast("Inbox", _FullDisk()), Store(tmp_path / "store"), Metrics(), Policy()).watch(source)
    watch.start()
    try:
        until(lambda: not watch.health.ok, "nobody misses the folder")
        assert str(folder) in str(watch.status()["error"])
        folder.mkdir()
        until(lambda: watch.health.ok, "nobody sees the folder")
        assert watch.status()["error"] is None
    finally:
        assert watch.stop()
