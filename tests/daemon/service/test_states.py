"""The real daemon, told to end, to reload, or killed, in each of its states; and what a restart makes of it."""

import os
import signal

import pytest
from kits.faults import late_threads
from kits.room import Room


def start_until(room: Room, said: str) -> None:
    """Start it, and wait until it says what it is at."""
    room.start()
    room.expect("STATUS", lambda status: status.startswith(said))


@pytest.mark.parametrize("said", ["reading the configuration", "loading the base", "warming up"])
def test_told_to_end_while_it_starts_it_ends_at_once(room: Room, said: str) -> None:
    """Nothing could be lost, so nothing is waited for, and the status is 0."""
    start_until(room, said)
    assert room.process is not None
    room.process.signal(signal.SIGTERM)
    assert room.process.wait() == 0
    assert any("STOPPING" in note for note in room.hear())


def test_a_reload_that_comes_during_the_start_is_done_after_it(room: Room) -> None:
    """SIGHUP neither ends the process nor is forgotten: it is answered once the model is."""
    start_until(room, "reading the configuration")
    assert room.process is not None
    room.process.signal(signal.SIGHUP)
    room.expect("READY")
    room.until_logged("reloaded")
    notes = room.hear()
    first_ready = next(index for index, note in enumerate(notes) if "READY" in note)
    reloading = next(index for index, note in enumerate(notes) if "RELOADING" in note)
    assert first_ready <= reloading or "READY" in notes[-1]
    assert room.status()["ready"]


@pytest.mark.parametrize("place", ["admit", "stage", "verify", "commit"])
def test_killed_during_a_swap_it_serves_what_was_live(room: Room, place: str) -> None:
    """The candidate was not live when the process died; what was is, before ready, and the candidate gets its turn."""
    now = room.arm(place, "kill")
    process = room.ready()
    assert room.outcome(room.drop("run-0"))["state"] == "LIVE"
    now.touch()
    uri = room.drop("run-1")
    assert process.wait() == -signal.SIGKILL
    room.ready()
    ready = room.expect("READY")
    assert ready["STATUS"].startswith("generation 1 is live")
    assert room.outcome(uri)["state"] == "LIVE"
    assert room.live() == 2


def test_told_to_end_during_a_swap_it_loses_nothing(room: Room) -> None:
    """A worker that hangs in a candidate is left behind after the drain; the next start serves what was live."""
    now = room.arm("verify", "hang")
    process = room.ready()
    assert room.outcome(room.drop("run-0"))["state"] == "LIVE"
    now.touch()
    uri = room.drop("run-1")
    room.until(lambda: not now.exists(), "the candidate is never verified")
    process.signal(signal.SIGHUP)  # the main thread still listens
    room.until_logged("reloaded")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    room.ready()
    assert room.outcome(uri)["state"] == "LIVE"


def test_an_adapter_that_kills_the_process_twice_is_quarantined(room: Room) -> None:
    """Two deaths on one digest, and the third start serves what was live and does not touch it again."""
    now = room.arm("verify", "kill")
    room.ready()
    assert room.outcome(room.drop("run-0"))["state"] == "LIVE"
    now.touch()
    uri = room.drop("run-1")
    assert room.process is not None
    assert room.process.wait() == -signal.SIGKILL
    now.touch()
    assert room.start().wait() == -signal.SIGKILL
    now.touch()
    room.ready()
    row = room.outcome(uri)
    assert (row["state"], row["reason"]) == ("QUARANTINED", "process_died")
    assert room.live() == 1


def test_a_generation_that_kills_the_start_is_passed_over(room: Room) -> None:
    """After three deaths with the last good one the one before is served, after three more the base."""
    now = room.arm("restore", "kill")
    process = room.ready()
    for number in (1, 2):
        row = room.outcome(room.drop(f"run-{number - 1}"))
        assert (row["state"], row["generation"]) == ("LIVE", number)
    for served in (1, 0):
        process.kill()
        for _ in range(3):
            now.touch()
            assert room.start().wait() == -signal.SIGKILL
        process = room.ready()
        assert room.events("restore_skipped")
        assert room.live() == served


def test_a_device_that_fails_for_good_ends_the_process(room: Room) -> None:
    """The status is 70 at once, the ledger knows why, and the next start serves what was live."""
    now = room.arm("verify", "cuda_error")
    process = room.ready()
    assert room.outcome(room.drop("run-0"))["state"] == "LIVE"
    now.touch()
    room.drop("run-1")
    assert process.wait() == 70
    lost = room.until_logged("resident_lost")
    assert "device" in lost["detail"]
    room.ready()
    assert room.live() >= 1


def test_missing_cuda_is_told_and_tried_again_later(room: Room) -> None:
    """The status is 75, never a silent CPU."""
    assert room.start(CUDA_VISIBLE_DEVICES="", HOTSWAPD_MODEL__DEVICE="cuda:7").wait() == 75
    assert "cuda:7" in room.until_logged("cannot_start")["detail"]
    assert any("cuda:7" in note.get("STATUS", "") for note in room.hear())


def test_the_watchdog_hears_nothing_while_the_worker_hangs(room: Room) -> None:
    """It is pinged while all is well; a worker that hangs is named in the log and the status, and the pings stop."""
    now = room.arm("tick", "hang")
    process = room.ready(WATCHDOG_USEC="1500000", WATCHDOG_PID="")
    room.expect("WATCHDOG")
    now.touch()
    room.until(lambda: "gpu worker" in late_threads(room), "the worker is never late")
    room.expect("STATUS", lambda said: said.startswith("STUCK: gpu worker"))
    heard = sum("WATCHDOG" in note for note in room.hear())
    rounds = late_threads(room).count("gpu worker")
    os.kill(process.pid, signal.SIGHUP)  # the main thread goes its rounds all the time
    room.until_logged("reloaded")
    assert sum("WATCHDOG" in note for note in room.hear()) == heard
    assert rounds == 1
    # faulthandler reads the stacks of threads that run on; one that begins or ends meanwhile can crash it.
    room.until(room.at_rest, "it never comes to rest after the reload")
    process.signal(signal.SIGABRT)
    assert process.wait() == -signal.SIGABRT
    assert "in _hang" in room.log.read_text()
