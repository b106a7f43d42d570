"""One real daemon that meets every class of the corpus, one after the other, and what it was seen to do with each."""

import json
import os
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kits.alone import start_alone
from kits.residents import opened
from kits.room import Room, folder, home
from kits.waiting import until

from .corpus import GOOD, Bad
from .corpus_racing import Race
from .corpus_remote import Cloud, Remote
from .process_memory import ProcessMemory

LIVE = "run-0"
MAX_RANK, DTYPE = 8, "bfloat16"
HANG = 60.0
"""Seconds after which a class that nothing became of has failed; each is to take less than five."""
GROWTH = 256 << 20
"""Bytes that the daemon may grow by for any one of them."""
SOURCE = folder(settle=0.02)
_ENDS = ("LIVE", "RETIRED", "REJECTED", "ROLLED_BACK", "QUARANTINED", "SUPERSEDED", "GONE")
_BODY = {"prompt": "Once upon a time", "max_tokens": 24, "temperature": 0}


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one class. `seconds` are by the clock, `cpu` are of a processor, `growth` is in bytes."""

    state: str
    code: str
    same_answer: bool
    same_berth: bool
    seconds: float
    cpu: float
    growth: int


@dataclass(slots=True)
class Bench:
    """A running daemon with an adapter live, whose answer and berth are known."""

    room: Room
    memory: ProcessMemory
    berth: int
    image: bytes
    answer: str
    seen: dict[str, Seen] = field(default_factory=dict)

    @contextmanager
    def watched(self, name: str) -> Iterator[list[str]]:
        """Measure what the body costs, and look at the answer and the berth afterwards; it gives state and code."""
        before, began, used = self.memory.forget_peak(), time.monotonic(), self.memory.seconds()
        ended: list[str] = []
        yield ended
        seconds, cpu = time.monotonic() - began, self.memory.seconds() - used
        growth = max(0, self.memory.peak() - before)
        same_berth = self.memory.read(self.berth, len(self.image)) == self.image
        state, code = ended
        self.seen[name] = Seen(state, code, ask(self.room) == self.answer, same_berth, seconds, cpu, growth)

    def meet(self, bad: Bad) -> None:
        """Drop one class, wait for what becomes of it, and take it away."""
        part = self.room.root / "adapters" / f".{bad.name}.part"
        place = part.with_name(bad.name)
        shutil.copytree(home() / GOOD, part)
        bad.spoil(part)
        with self.watched(bad.name) as ended:
            part.rename(place)
            ended.extend(verdict(self.room, place.as_uri().__eq__))
        take_away(place)

    def meet_race(self, race: Race) -> None:
        """Change an adapter while it is copied."""
        with self.watched(race.name) as ended:
            ended.extend(race.run(self.room))

    def meet_remote(self, cloud: Cloud, remote: Remote) -> None:
        """Upload one class, wait for what it must come to, and take it away."""
        with self.watched(remote.name) as ended:
            remote.appear(cloud)
            ended.extend(verdict(self.room, remote.is_here, remote.code))
        cloud.take_away(remote)


def goes_on(bench: Bench) -> bool:
    """Report whether the same process still takes a good adapter and answers with it."""
    room, before = bench.room, bench.room.live()
    state = room.outcome(room.drop(GOOD))["state"]
    return state == "LIVE" and room.live() > before and ask(room) != bench.answer


def verdict(room: Room, is_it: Callable[[str], bool], code: str = "") -> tuple[str, str]:
    """Wait until an adapter has ended, or waits for more than time to pass; return its state and its code.

    Of one that waits, `code` is the reason that is waited for: an upload is half there for a moment.
    """
    found: list[tuple[str, str]] = []

    def look() -> bool:
        time.sleep(0.01)  # the daemon is to have the processor, not this question
        rows = room.client.get("/history?limit=3")
        ended = (row for row in rows if is_it(row["uri"]) and _is_final(row, code))
        found.extend((row["state"], row["reason"]) for row in ended)
        return bool(found)

    until(look, f"nothing becomes of it:\n{room.tail()}", HANG)
    return found[0]


def _is_final(row: dict[str, Any], code: str) -> bool:
    if row["state"] == "WAITING":
        return bool(row["reason"] == code if code else row["reason"] != "settling")
    return row["state"] in _ENDS


def take_away(place: Path) -> None:
    """Delete whatever lies there."""
    if place.is_symlink():
        place.unlink()
        return
    place.chmod(0o700)
    shutil.rmtree(place)


def ask(room: Room) -> str:
    """Ask for a greedy completion, and return its words and whose they are."""
    body = json.dumps(_BODY | {"model": str(home() / "base")}).encode()
    address = room.events("listening")[-1]["http"]
    request = urllib.request.Request(f"http://{address}/v1/completions", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as got:
        answer = json.load(got)
    return json.dumps([answer["system_fingerprint"], answer["choices"]])


def image_of(adapter: str) -> bytes:
    """Lay an adapter out as the daemon does, in this process."""
    with opened(home() / "base", max_rank=MAX_RANK, dtype=DTYPE, berths=1) as resident:
        return resident.stage(resident.admit(home() / adapter)).buffer.numpy().tobytes()


def open_bench(room: Room) -> Bench:
    """Start the daemon and find the live berth: the one place in its memory that holds the adapter as laid out."""
    start_alone(room, *without_override())
    memory = ProcessMemory(room.process.pid)
    image = image_of(LIVE)
    assert room.outcome(room.drop(LIVE))["state"] == "LIVE"
    (berth,) = memory.find(image)
    return Bench(room, memory, berth, image, ask(room))


def without_override() -> list[str]:
    """Return the command before the daemon's that takes root's right to read every file, where this is root."""
    dropped = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={dropped}", f"--inh-caps={dropped}"] if os.geteuid() == 0 else []
