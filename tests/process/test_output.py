"""The daemon's output is not read: it swaps, answers and rolls back all the same, and reports what it dropped."""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kits.faults import Clients, goes_live
from kits.room import Room
from kits.waiting import until

_PAGE = 4096


class Pipe:
    """A pipe as small as the kernel has them, with the daemon at one end, and nobody at the other unless `read`."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, _PAGE)
        self._said = b""

    def events(self) -> list[dict[str, Any]]:
        """Read what is in the pipe, and return every event so far."""
        try:
            while True:
                self._said += os.read(self._fd, 65536)
        except BlockingIOError:
            lines = self._said.decode().splitlines()[: self._said.count(b"\n")]
            return [json.loads(line) for line in lines if line.startswith("{")]

    def has(self, event: str) -> bool:
        return any(one["event"] == event for one in self.events())

    def is_full(self) -> bool:
        """Report whether another page does not fit."""
        left = bytearray(4)
        fcntl.ioctl(self._fd, 0x541B, left)  # FIONREAD
        return int.from_bytes(left, "little") > _PAGE // 2

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def pipe(room: Room) -> Iterator[Pipe]:
    room.output = room.root / "pipe"
    made = Pipe(room.output)
    yield made
    room.close()
    made.close()


def test_an_output_that_nobody_reads_stops_nothing(room: Room, pipe: Pipe) -> None:
    """With the pipe full, adapters go live, requests are answered, a rollback is done; then the drops are reported."""
    room.configure(log='level = "debug"')
    room.start()
    until(lambda: pipe.has("ready"), "it is never ready", 90)
    swaps = 0
    while swaps < 3 or not room.status()["log_dropped"]:
        goes_live(room, room.drop(f"run-{swaps % 3}", f"swap-{swaps}"))
        swaps += 1
        assert swaps < 2000, "nothing is ever dropped"
    room.client.post("/rollback", {"follow": True})
    assert room.live() == swaps - 1 or room.live() < swaps
    assert Clients(room).ask()
    dropped = room.status()["log_dropped"]
    until(lambda: pipe.has("log_dropped"), "the drops are never reported")
    (told,) = [one for one in pipe.events() if one["event"] == "log_dropped"]
    assert told["lines"] >= dropped > 0
