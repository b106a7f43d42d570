"""The watch window in the real program: what passes every gate and turns bad with its requests goes back by itself."""

import signal
from pathlib import Path
from typing import Any

import pytest
from kits.adapters import digest_of, greedy, oracle_model
from kits.faults import goes_live
from kits.models import byte_tokenizer, text_of
from kits.room import Room, home
from kits.stuck import PROMPT, SAID, TOKENS, ask, train_stuck

from hotswapd.daemon.cli import main

NO_GATE = "max_same_token = 1.0\nmax_loss = 0\nmax_update_ratio = 0\nmax_update_growth = 0\nmax_logit_growth = 0"


@pytest.fixture(scope="module")
def stuck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_stuck(tmp_path_factory.mktemp("stuck") / "adapter")


def row_of(room: Room, uri: str) -> dict[str, Any]:
    return next(one for one in room.client.get("/history") if one["uri"] == uri)


def refused(room: Room, stuck: Path, name: str) -> str:
    """Drop the bytes under a new name, and check that they are refused with why they were rolled back."""
    uri = room.drop(str(stuck), name)
    row = room.outcome(uri)
    assert (row["state"], row["reason"]) == ("ROLLED_BACK", "watch_degenerate")
    assert "submit --again" in row["detail"]
    assert room.live() == 1
    return uri


def test_what_the_watch_takes_back_stays_out_until_asked_for(room: Room, stuck: Path) -> None:
    """The generation before answers as PEFT does; a new name or a restart changes nothing, `submit --again` does."""
    room.configure(**{"verify": NO_GATE, "verify.watch": "seconds = 3600\nmin_requests = 4"})
    room.ready()
    goes_live(room, room.drop("run-0"))
    before = text_of(greedy(oracle_model(home() / "base", home() / "run-0"), byte_tokenizer().encode(PROMPT), TOKENS))
    assert ask(room) == (1, before)
    bad = room.drop(str(stuck), "stuck")
    assert room.outcome(bad)["state"] == "LIVE"
    for _ in range(4):  # one client alone decides nothing
        assert ask(room) == (2, SAID * TOKENS)
    assert {ask(room, client)[1] for client in range(2, 6)} == {SAID * TOKENS}
    room.until(lambda: room.live() == 1, "it stays live")
    room.until(lambda: row_of(room, bad)["verify"][-1]["gate"] == "watch", "the verdict is not written")
    row = row_of(room, bad)
    assert (row["state"], row["reason"]) == ("ROLLED_BACK", "watch_degenerate")
    assert row["verify"][-1]["numbers"]["degenerate"] == 1
    assert ask(room) == (1, before)
    live = room.status()["live"]
    assert live["digest"] == digest_of(home() / "run-0")
    assert not room.status()["pinned"]
    refused(room, stuck, "another-name")
    room.process.signal(signal.SIGTERM)
    assert room.process.wait() == 0
    room.ready()
    uri = refused(room, stuck, "a-third-name")
    assert main(["submit", uri, "--again", "--socket", str(room.root / "control.sock")]) == 0
    room.until(lambda: room.status()["live"]["digest"] == digest_of(stuck), "it is not taken again")
    assert ask(room) == (room.live(), SAID * TOKENS)
