"""Which pictures are shown, and that none costs a swap."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hotswapd.daemon.answers import PictureRecord
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.report.picture import Pictures

NORMS = {"m.layers.0.q": 1.0, "m.layers.1.q": 2.0}


def test_the_live_and_the_previous_generation_are_shown(tmp_path: Path) -> None:
    """A rollback shows the two the other way round; a restart shows the same."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    pictures = Pictures(ledger)
    for number, digest in ((1, "a"), (2, "b"), (3, "c"), (2, "b")):
        pictures.went_live(number, digest, lambda: NORMS)
    assert [one["generation"] for one in pictures.shown] == [2, 3]
    assert pictures.shown[0].keys() == PictureRecord.__annotations__.keys()
    assert Pictures(ledger).shown == pictures.shown
    ledger.close()


def test_the_same_bytes_are_measured_once(tmp_path: Path) -> None:
    """Measuring reads every slot of the adapter."""
    ledger, measured = Ledger(tmp_path / "ledger.sqlite"), []

    def measure() -> Mapping[str, float]:
        measured.append(1)
        return NORMS

    pictures = Pictures(ledger)
    for number in (1, 2):
        pictures.went_live(number, "a", measure)
    assert measured == [1]
    ledger.close()


def test_a_swap_does_not_fail_for_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither because it cannot be measured, nor because it cannot be written."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    pictures = Pictures(ledger)

    def fail() -> Mapping[str, float]:
        raise RuntimeError("the device is gone")

    def down(*_: object) -> None:
        raise LedgerDown("disk full")

    with capture_logs() as lines:
        pictures.went_live(1, "a", fail)
        monkeypatch.setattr(ledger.flags, "set", down)
        pictures.went_live(2, "b", lambda: NORMS)
    assert [line["event"] for line in lines] == ["not_pictured", "ledger_down"]
    assert [one["generation"] for one in pictures.shown] == [2]
    ledger.close()
