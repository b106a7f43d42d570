"""A ledger on a real disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswapd.daemon.ledger.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()
