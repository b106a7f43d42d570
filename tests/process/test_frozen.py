"""The process is frozen for a while, as by a cgroup freezer or a paused machine: nobody's adapter is blamed for it."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from kits.faults import Clients, goes_live
from kits.room import Room

_FROZEN = 6.0
"""Seconds, many times what a token of the tiny model takes and what the watch allows."""


def test_a_freeze_is_no_evidence_against_what_is_live(room: Room) -> None:
    """Requests that were under way over it look slow to their clients only: the watch passes what is live."""
    room.configure(**{"verify.watch": "seconds = 3600\nmin_requests = 4\nmax_latency_ratio = 5.0"})
    room.ready()
    goes_live(room, room.drop("run-0"))
    clients = Clients(room)
    for _ in range(6):
        clients.ask()
    good = room.drop("run-1")
    goes_live(room, good)
    stop = threading.Event()

    def ask_on() -> None:
        while not stop.is_set():
            clients.ask()

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask_on) for _ in range(8)]
        try:
            room.until(lambda: room.status()["watch"]["requests"] >= 1, "nobody is answered")
            for _ in range(3):
                room.process.signal(signal.SIGSTOP)
                time.sleep(_FROZEN / 3)
                room.process.signal(signal.SIGCONT)
            before = room.status()["watch"]["requests"]
            room.until(lambda: room.status()["watch"]["requests"] >= before + 8, "nobody is answered")
        finally:
            room.process.signal(signal.SIGCONT)
            stop.set()
        assert all(one.exception(90) is None for one in asking)
    assert room.live() == 2
    watched = room.status()["watch"]
    assert watched.get("seconds_a_token", 0.0) < 1.0  # only steps at a load that the generation before had too count
    assert room.until_logged("process_stalled")["seconds"] > 1.0
    assert not room.events("thread_late")
