"""The daemon's output is not read: it swaps, answers and rolls back all the same, and reports what it dropped."""

import fcntl
import itertools
import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kits.faults import goes_live
from kits.room import Room

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
    room.start()
    room.until(lambda: pipe.has("ready"), "it is never ready")
    url = next(one["http"] for one in pipe.events() if one["event"] == "listening")
    for swap in range(1, 31):
        goes_live(room, room.drop(f"run-{swap % 3}", f"swap-{swap}"))
    room.until(pipe.is_full, "thirty swaps do not fill it")
    room.client.post("/rollback", {"generation": 29, "follow": True})
    assert room.live() == 29
    with urllib.request.urlopen(f"http://{url}/v1/models", timeout=60) as got:
        assert got.status == 200
    rounds, right = itertools.count(), room.config.read_text()
    room.until(lambda: _refused(room, right, next(rounds))["log_dropped"], "nothing is ever dropped")
    goes_live(room, room.drop("run-0", "while-lines-are-lost"))
    dropped = room.status()["log_dropped"]
    room.until(lambda: pipe.has("log_dropped"), "the drops are never reported")
    assert sum(one["lines"] for one in pipe.events() if one["event"] == "log_dropped") >= dropped > 0


def _refused(room: Room, right: str, number: int) -> dict[str, Any]:
    """Have the daemon refuse its configuration, which takes a log line for each of many long keys, all new."""
    room.config.write_text(f"{right}\n" + "".join(f"k{number}-{key}-{'x' * 9_000} = 1\n" for key in range(100)))
    room.process.signal(signal.SIGHUP)
    room.until(lambda: f"k{number}-" in (room.status()["reload_refused"] or ""), "it is not refused")
    return room.status()
