"""The real daemon whose process, memory or device fails: what is live answers, or the process ends as designed."""

import urllib.error

from kits.faults import (
    NO_ANSWER,
    Clients,
    asked_all_the_while,
    goes_live,
    late_threads,
    only_in_full,
    serve_first,
    until_reason,
)
from kits.room import Room


def ask_until_it_ends(room: Room) -> int:
    """Ask until the process has ended: each answer is right, or says that there is none; return its exit status."""
    clients, process = Clients(room), room.process

    def ended() -> bool:
        try:
            clients.ask()
        except urllib.error.HTTPError as error:
            assert error.code == 503
        except NO_ANSWER:
            return process.ended() is not None
        return False

    room.until(ended, "it does not end")
    return process.wait()


def serves_again(room: Room) -> None:
    """Start it again: what was live answers rightly, and a new one goes live."""
    room.ready()
    with asked_all_the_while(room) as clients:
        assert clients.ask() >= 1
        goes_live(room, room.drop("run-2"))  # run-1 may wait to be tried again, and go live meanwhile


@only_in_full
def test_out_of_memory_in_staging_holds_the_candidate(room: Room) -> None:
    """HELD `out_of_memory`, tried again by itself, and live; the previous one answers meanwhile."""
    now = room.arm("stage", "memory")
    serve_first(room)
    with asked_all_the_while(room) as clients:
        now.touch()
        uri = room.drop("run-1")
        until_reason(room, uri, "HELD", "out_of_memory")
        assert clients.ask() == 1
        goes_live(room, uri)


def test_out_of_memory_in_a_gate_names_what_to_lower(room: Room) -> None:
    """ROLLED_BACK `out_of_memory`: the device is too small for it as configured; the next adapter goes live."""
    now = room.arm("verify", "memory")
    serve_first(room)
    with asked_all_the_while(room):
        now.touch()
        row = room.outcome(room.drop("run-1"))
        assert (row["state"], row["reason"]) == ("ROLLED_BACK", "out_of_memory")
        assert "lower serve.cache_tokens" in row["detail"]
        goes_live(room, room.drop("run-2"))


def test_a_hanging_worker_stops_no_answer_before_the_watchdog(room: Room) -> None:
    """Requests are answered; status, log and missing pings say who hangs, and the next start serves what was live."""
    now = room.arm("tick", "hang")
    serve_first(room, WATCHDOG_USEC="1500000", WATCHDOG_PID="")
    with asked_all_the_while(room) as clients:
        now.touch()
        room.until(lambda: "gpu worker" in late_threads(room), "the worker is never late")
        room.expect("STATUS", lambda said: said.startswith("STUCK: gpu worker"))
        assert clients.ask() == 1
    room.process.kill()
    serves_again(room)


def test_a_worker_that_dies_ends_the_process_with_70(room: Room) -> None:
    """Nobody else may touch the model: 503 from then on, `resident_lost` in the log, and a restart serves it again."""
    now = room.arm("tick", "memory")
    serve_first(room)
    now.touch()
    assert ask_until_it_ends(room) == 70
    assert room.events("worker_failed")
    assert room.events("resident_lost")
    serves_again(room)


def test_a_device_that_fails_for_good_ends_the_process_with_70(room: Room) -> None:
    """The first CUDA error that sticks: no wrong answer, 503, status 70, and a restart serves what was live."""
    now = room.arm("verify", "cuda_error")
    serve_first(room)
    now.touch()
    room.drop("run-1")
    assert ask_until_it_ends(room) == 70
    assert "device" in room.until_logged("resident_lost")["detail"]
    serves_again(room)
