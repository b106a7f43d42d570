"""Adapters that change while the daemon copies them: it is stopped in the middle of its copy, and let go on after."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kits.folders import CONFIG, WEIGHTS
from kits.room import Room, home

from .corpus import GOOD
from .corpus_header import join

SIZE = 48 << 20
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Race:
    """One class: what happens to the adapter in mid-copy, and in which state and with which code it ends."""

    name: str
    act: Callable[[Path], object]
    state: str
    code: str

    def run(self, room: Room) -> tuple[str, str]:
        """Make it happen, and return how the adapter ended."""
        for number in range(_TRIES):
            place = room.root / "adapters" / f"{self.name}-{number}"
            with stopped_in_mid_copy(room, place) as caught:
                if caught:
                    self.act(place)
            if caught:
                row = room.outcome(place.as_uri()) if self.state != "WAITING" else _waits(room, place, self.code)
                shutil.rmtree(place, ignore_errors=True)
                return str(row["state"]), str(row["reason"])
            shutil.rmtree(place)
        raise AssertionError(f"the daemon was never caught in the middle of a copy in {_TRIES} tries")


@contextmanager
def stopped_in_mid_copy(room: Room, place: Path) -> Iterator[bool]:
    """Drop a large adapter and stop the daemon while it copies it; False when it was too fast."""
    stages = room.state / "store" / "stages"
    _make(place)
    room.until(lambda: _copied(stages) or room_has_row(room, place), "it is never copied")
    room.process.signal(signal.SIGSTOP)
    try:
        room.until(lambda: _is_stopped(room.process.pid), "it does not stop")
        yield 0 < _copied(stages) < SIZE
    finally:
        room.process.signal(signal.SIGCONT)


def room_has_row(room: Room, place: Path) -> bool:
    """Report whether the daemon has a verdict on what lies there, so that its copy is over."""
    rows = room.client.get("/history?limit=1")
    return bool(rows) and rows[0]["uri"] == place.as_uri() and rows[0]["state"] == "REJECTED"


def _make(place: Path) -> None:
    """Write an adapter of one large tensor that fits no slot: were it ever admitted, it would be refused."""
    part = place.parent / f".{place.name}.part"
    part.mkdir()
    (part / CONFIG).write_bytes((home() / GOOD / CONFIG).read_bytes())
    header = f'{{"x":{{"dtype":"U8","shape":[{SIZE}],"data_offsets":[0,{SIZE}]}}}}'.encode()
    (part / WEIGHTS).write_bytes(join(header, os.urandom(1 << 20) * (SIZE >> 20)))
    part.rename(place)


def _copied(stages: Path) -> int:
    """Return the bytes of weights that the copy under way has."""
    sizes = [0]
    for copy in stages.glob(f"*/{WEIGHTS}"):
        try:
            sizes.append(copy.stat().st_size)
        except FileNotFoundError:
            continue  # committed meanwhile
    return max(sizes)


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _waits(room: Room, place: Path, code: str) -> dict[str, object]:
    def row() -> dict[str, object] | None:
        queue = room.status()["queue"]
        return next((one for one in queue if one["uri"] == place.as_uri() and one["reason"] == code), None)

    room.until(row, f"{place.name} never waits with {code}")
    return row() or {}


def _grow(place: Path) -> None:
    with (place / WEIGHTS).open("ab") as file:
        file.write(b"more")
    _renew(place, CONFIG)


def _rewrite(place: Path) -> None:
    """Write other bytes over it, and set the times back to what they were."""
    before = (place / WEIGHTS).stat()
    with (place / WEIGHTS).open("r+b") as file:
        file.seek(SIZE // 2)
        file.write(b"other bytes")
    os.utime(place / WEIGHTS, ns=(before.st_atime_ns, before.st_mtime_ns))
    _renew(place, CONFIG)


def _replace(place: Path) -> None:
    """Put other files in the names' places, as a writer does that renames."""
    _renew(place, WEIGHTS)
    _renew(place, CONFIG)


def _renew(place: Path, name: str) -> None:
    """Put a copy in a file's place. Both are new whenever an adapter is: one new file alone waits for the other."""
    (place / "new").write_bytes((place / name).read_bytes())
    (place / "new").rename(place / name)


RACES = [
    Race("vanishes_in_mid_copy", shutil.rmtree, "GONE", "gone"),
    Race("weights_vanish_in_mid_copy", lambda place: (place / WEIGHTS).unlink(), "WAITING", "incomplete"),
    Race("cut_in_mid_copy", lambda place: os.truncate(place / WEIGHTS, 1000), "WAITING", "incomplete"),
    Race("grows_in_mid_copy", _grow, "REJECTED", "header_length"),
    Race("rewritten_in_mid_copy", _rewrite, "REJECTED", "unknown_target"),
    Race("replaced_in_mid_copy", _replace, "REJECTED", "unknown_target"),
]
"""Whatever it ends in, it must have been seen to change: the log says `changed` or `gone` before."""
