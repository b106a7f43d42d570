"""The real daemon on a CUDA device: each answer is its generation's own, and a device that fails for good ends it."""

import time

import pytest
from kits.faults import asked_all_the_while, goes_live, offer, serve_first
from kits.room import Room

pytestmark = pytest.mark.gpu
SWAPS = 12


@pytest.fixture
def room(room: Room) -> Room:
    """Have the daemon use the device."""
    room.environ |= {"HOTSWAPD_MODEL__DEVICE": "cuda", "HOTSWAPD_MODEL__DTYPE": "float32"}
    return room


def test_every_answer_through_swaps_and_a_kill_is_pefts(room: Room) -> None:
    """The model is compiled, nothing is compiled again, and after a SIGKILL what was live is live."""
    serve_first(room)
    with asked_all_the_while(room) as clients:
        for _ in range(SWAPS):
            goes_live(room, offer(room))
        assert room.outcome(room.drop("run-1", "spoilt", spoilt="nan"))["state"] == "REJECTED"
        assert clients.metric("hotswapd_recompiles_total") == 0
    assert len(set(clients.heard)) > 1
    live = room.live()
    room.process.kill()
    room.ready()
    with asked_all_the_while(room):
        assert room.live() == live


def test_a_device_side_assert_ends_the_process(room: Room) -> None:
    """A kernel of this process fails, and with it every call after: status 70, the reason, and no wrong answer."""
    now = room.arm("verify", "device_assert")
    serve_first(room)
    now.touch()
    offer(room)
    began = time.monotonic()
    assert room.process.wait() == 70
    assert "device" in room.until_logged("resident_lost")["detail"]
    print(f"from the drop to the end: {time.monotonic() - began:.1f} s")
    room.ready()
    assert room.live() == 1
    with asked_all_the_while(room) as clients:
        pass
    assert set(clients.heard) == {1}
