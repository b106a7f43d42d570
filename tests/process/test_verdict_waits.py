"""The watch condemns a generation while the ledger cannot be written: the daemon goes back first, and writes later."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kits.faults import goes_live
from kits.room import Room
from kits.stuck import SAID, TOKENS, ask, train_stuck

NO_GATE = "max_same_token = 1.0\nmax_loss = 0\nmax_update_ratio = 0\nmax_update_growth = 0\nmax_logit_growth = 0"


@pytest.fixture(scope="module")
def stuck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_stuck(tmp_path_factory.mktemp("stuck") / "adapter")


@contextmanager
def locked(room: Room, how: str) -> Iterator[None]:
    """Lock the ledger as another program does: a backup against writers, a check against everybody."""
    other = sqlite3.connect(room.state / "ledger.sqlite", isolation_level=None)
    other.execute(f"BEGIN {how}")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_locked_ledger_keeps_no_bad_generation_live(room: Room, stuck: Path, how: str) -> None:
    room.configure(**{"verify": NO_GATE, "verify.watch": "seconds = 3600\nmin_requests = 4"})
    room.ready()
    goes_live(room, room.drop("run-0"))
    bad = room.drop(str(stuck), "stuck")
    assert room.outcome(bad)["state"] == "LIVE"
    with locked(room, how):
        assert [ask(room, client) for client in range(1, 6)] == [(2, SAID * TOKENS)] * 5
        room.until(lambda: ask(room)[0] == 1, "it stays live while the ledger is locked")
        assert room.status()["live"]["generation"] == 1
    room.until(lambda: _row(room, bad)["state"] == "ROLLED_BACK", "it is never written")
    row = _row(room, bad)
    assert row["reason"] == "watch_degenerate"
    room.until(lambda: _row(room, bad)["verify"][-1]["gate"] == "watch", "the numbers are never written")
    room.process.kill()
    room.ready()
    assert room.status()["live"]["generation"] == 1


def _row(room: Room, uri: str) -> dict[str, Any]:
    return next(one for one in room.client.get("/history") if one["uri"] == uri)
