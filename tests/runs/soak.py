"""A soak of the real daemon: open-loop load, adapters good and bad without end, and what it all came to.

``python -m runs.soak MINUTES [--drop-every S] [--rate R] [--out DIR]`` runs one and ends with 1 when anything
that must hold does not.
"""

import argparse
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from kits.alone import start_alone
from kits.room import ENDED, LIMIT, Room, folder, home
from kits.waiting import until

from hotswapd.daemon.control.client import Client
from runs.soak_load import OpenLoop, Tally
from runs.soak_stock import CHANNELS, TRIED, Drop, Stock
from runs.soak_watch import Sample, growth, watch

MEGABYTE = 1e6
_STEADY = 1800.0
"""Seconds from which on the growth of memory can be told from the noise of its warm-up."""
_POLL = 0.02
_BEHIND = 100
"""Drops that end while one of before is still a canary, at most."""
_CANARY = f"""
[[channel]]
name = "{TRIED}"
[channel.rollout]
mode = "canary"
steps = [50, 100]
min_requests = 2
min_seconds = 0
max_latency_ratio = 0
max_length_ratio = 0
max_logprob_drop = 0
"""
"""Decided after a few requests, and by nothing but errors: answers of noise may be as unlike as they like."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done: for how many seconds, or until so many drops (0: no end), how often, with which seed.

    `drop_every` is the mean number of seconds between two drops of a Poisson process that waits for nothing; 0 drops
    the next one as soon as the previous one has ended. `rate` is the mean number of requests a second.
    """

    seconds: float
    drops: int = 0
    drop_every: float = 2.0
    rate: float = 8.0
    bad_share: float = 0.3
    seed: int = 1
    sample_every: float = 5.0
    channels: tuple[str, ...] = CHANNELS


@dataclass(slots=True)
class Soaked:
    """What it came to."""

    plan: Plan
    seconds: float
    tally: Tally
    drops: list[Drop]
    samples: list[Sample]

    def faults(self) -> list[str]:
        """Name everything that is wrong with the answers and with what became of the drops."""
        return [*self.tally.failed, *self.tally.wrong, *self.wrong_ends()]

    def wrong_ends(self) -> list[str]:
        """Name every drop that came to another end than it must."""
        return [fault for drop in self.drops if (fault := drop.fault())]

    def growing(self) -> list[str]:
        """Name what grows after the warm-up: threads and descriptors, and memory where the time is enough to tell."""
        grown, is_long = growth(self.samples), self.plan.seconds >= _STEADY
        hourly = grown["anonymous_bytes_per_hour"] / MEGABYTE
        found = [f"memory grows by {hourly:.2f} MB an hour"] if hourly >= 1 and is_long else []
        allowed = 2 if is_long else 6  # operators come and go, and a few seconds have few samples
        return found + [
            f"{grown[name]:g} more {name}" for name in ("threads", "files", "sockets") if grown[name] > allowed
        ]

    @property
    def swaps(self) -> int:
        return sum(drop.went_live for drop in self.drops)

    def record(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        latencies = sorted(self.tally.latencies)
        ends = Counter(f"{drop.row.get('state')} {drop.row.get('reason')}".strip() for drop in self.drops)
        return {
            "plan": {name: getattr(self.plan, name) for name in self.plan.__slots__},
            "seconds": round(self.seconds, 1),
            "requests": self.tally.sent,
            "answered": self.tally.answered,
            "asked_for": dict(sorted(self.tally.asked_for.items())),
            "not_served": self.tally.not_served,
            "generations_at_once": self.tally.most_at_once(),
            "failed": self.tally.failed,
            "wrong": self.tally.wrong,
            "generations_answered": len(self.tally.digest_of),
            "latency": {f"p{p}": latencies[min(len(latencies) - 1, len(latencies) * p // 100)] for p in (50, 95, 99)},
            "drops": len(self.drops),
            "bad_drops": sum(drop.index is None for drop in self.drops),
            "swaps": self.swaps,
            "ends": dict(sorted(ends.items())),
            "wrong_ends": self.wrong_ends(),
            "growth": growth(self.samples),
            "samples": [sample.record() for sample in self.samples],
        }


@contextmanager
def settled(room: Room) -> Iterator[Room]:
    """Configure a room for many quick swaps in channels, of which one tries each adapter as a canary first."""
    room.configure(
        source=f'{folder(settle=0.02, rescan=5.0)}\nchannel = "{{{{1}}}}"\n{_CANARY}',
        serve="berths = 5",
        verify="max_update_ratio = 1000.0\nmax_update_growth = 1000.0",  # what is far apart is far from the base
    )
    yield room


class Soak:
    """One soak of a daemon that is ready. `run` is called once."""

    def __init__(self, room: Room, plan: Plan) -> None:
        self.room = room
        self.plan = plan
        self.stock = Stock(room.root / "adapters", plan.seed, plan.bad_share)
        self._chance = random.Random(plan.seed + 1)
        self._client = Client(room.client.path, LIMIT)  # it has longer than `hotswapd status`: the machine may be busy
        self._open: dict[str, Drop] = {}
        self._began = time.monotonic()

    def run(self) -> Soaked:
        """Drop one into each channel; load and drop until the time or the drops are over and each drop has its end."""
        for channel in self.plan.channels:
            self._place(channel)
        self.room.until(self._all_known, "a channel never appears")
        port = int(self.room.until_logged("listening")["http"].rpartition(":")[2])
        self._began = time.monotonic()
        self._end = self._began + self.plan.seconds
        names = {channel: channel for channel in self.plan.channels} | {CHANNELS[0]: str(home() / "base")}
        load, over = OpenLoop(port, names, self.stock, self.plan.rate, self.plan.seed), threading.Event()
        samples: list[Sample] = []
        threads = [
            threading.Thread(target=lambda: load.run(over), name="load"),
            threading.Thread(target=lambda: samples.extend(self._watch(load, over, port)), name="watch"),
        ]
        for thread in threads:
            thread.start()
        try:
            self._drop_until_the_end()
            self._await_ends()  # while requests go on: a canary is decided by them
        finally:
            over.set()
            for thread in threads:
                thread.join()
        return Soaked(self.plan, time.monotonic() - self._began, load.tally, self.stock.drops, samples)

    def _watch(self, load: OpenLoop, over: threading.Event, port: int) -> list[Sample]:
        swaps, requests = lambda: self.swaps, lambda: load.tally.answered
        return watch(self.room.process.pid, self.plan.sample_every, swaps, requests, over, port)

    @property
    def swaps(self) -> int:
        return sum(drop.went_live for drop in self.stock.drops)

    def _drop_until_the_end(self) -> None:
        at = time.monotonic()
        while (now := time.monotonic()) < self._end and not self._enough():
            self._look()
            if self._open if self.plan.drop_every == 0 else now < at:
                time.sleep(_POLL)
                continue
            at = now + self._chance.expovariate(1 / self.plan.drop_every) if self.plan.drop_every else now
            self._place(self._chance.choice(self.plan.channels))

    def _enough(self) -> bool:
        return 0 < self.plan.drops <= len(self.stock.drops)

    def _all_known(self) -> bool:
        """Tell whether clients may ask for each channel: a busy machine's daemon finds the first adapters later."""
        shown = {one["name"] for one in self._client.get("/status")["channels"]}
        return shown.issuperset(self.plan.channels)

    def _place(self, channel: str) -> None:
        drop = self.stock.drop(channel)
        self._open[drop.uri] = drop

    def _look(self) -> None:
        """Find out what has become of the drops that are open, and take away those that have come to an end."""
        if not self._open:
            return
        for row in self._client.get(f"/history?limit={_BEHIND + len(self._open)}"):
            if row["uri"] in self._open and row["state"] in ENDED:
                drop = self._open.pop(row["uri"])
                drop.row = row
                self.stock.clear(drop)

    def _await_ends(self) -> None:
        def ended() -> bool:
            self._look()
            return not self._open

        until(ended, f"these come to no end: {list(self._open)[:5]}", LIMIT)


def main() -> int:
    """Run a soak as a program, write its figures and its plot, and say in one line what it came to."""
    from runs.soak_plot import draw

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float)
    parser.add_argument("--drops", type=int, default=0)
    parser.add_argument("--drop-every", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=8.0)
    parser.add_argument("--out", type=Path, default=Path("build/soak"))
    asked = parser.parse_args()
    plan = Plan(60 * asked.minutes, asked.drops, asked.drop_every, asked.rate)
    room = Room(Path(mkdtemp(prefix="hs-")))
    room.prepare()
    try:
        with settled(room):
            start_alone(room)
            soaked = Soak(room, plan).run()
    finally:
        room.close()
    record = soaked.record()
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "soak.json").write_text(json.dumps(record, indent=1) + "\n")
    draw(record, asked.out / "soak.svg")
    print(json.dumps({name: value for name, value in record.items() if name != "samples"}, indent=1))
    bad = [*soaked.faults(), *soaked.growing()]
    print("\n".join(bad[:20]) if bad else "all holds")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
