"""On which base a generation was verified: kept across restarts, and unknown where nobody wrote it."""

from pathlib import Path

import pytest

from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.swap.adapter.fingerprints import make_fingerprint

OLD, NEW = (make_fingerprint("llama", "t", weights) for weights in ("old", "new"))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger in which generation 1 was verified on an older base, and generation 2 on nobody knows which."""
    path = tmp_path / "ledger.sqlite"
    before = Ledger(path)
    before.bases.note(2)
    before.bases.serve(OLD)
    before.bases.note(1)
    before.close()
    return Ledger(path)


def test_another_base_is_elsewhere(ledger: Ledger) -> None:
    ledger.bases.serve(NEW)
    assert [ledger.bases.elsewhere(number) for number in (1, 2, 3)] == ["its weights", "", ""]


def test_verified_again_it_is_here(ledger: Ledger) -> None:
    ledger.bases.serve(NEW)
    ledger.bases.note(1)
    assert ledger.bases.elsewhere(1) == ""
    ledger.bases.serve(OLD)
    assert ledger.bases.elsewhere(1) == "its weights"


def test_where_any_is_taken_none_is_elsewhere(ledger: Ledger) -> None:
    ledger.bases.serve(NEW, take_any=True)
    assert (ledger.bases.elsewhere(1), ledger.bases.other(1)) == ("", "its weights")


@pytest.mark.parametrize("served", [OLD, ""])
def test_the_same_base_or_an_unknown_one_is_not_elsewhere(ledger: Ledger, served: str) -> None:
    ledger.bases.serve(served)
    assert ledger.bases.elsewhere(1) == ""
