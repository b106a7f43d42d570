"""Many channels of the real daemon: clients at random over them, adapters replaced all the time, and deaths.

``python -m runs.channels MINUTES [--channels N] [--berths N] [--clients N] [--kills N]`` runs it, and ends with 1 when
an answer is not that of the adapter that it names, or of another channel, or none comes although the daemon is up.
"""

import argparse
import json
import random
import shutil
import sys
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from kits.faults import GENERATION, NO_ANSWER, question, truth
from kits.folders import CONFIG
from kits.room import LIMIT, Room, folder, home, make_room
from kits.waiting import until

from hotswapd.loaders.store.store import digest_of

CHANNEL = "X-Hotswapd-Channel"
_ADAPTERS = 3
_BETWEEN = 0.02
"""Seconds between two questions of a client, and between two adapters at least: the machine is to do the rest too."""


@dataclass(slots=True)
class Many:
    """A daemon with many channels, and everything that was ever dropped for them."""

    room: Room
    names: list[str]
    of: dict[str, int] = field(default_factory=dict)
    """By the digest of what was dropped: the adapter of `home()` that answers as it does."""
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    up: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    seconds: list[float] = field(default_factory=list)

    def drop(self, channel: str, rng: random.Random) -> None:
        """Rename an adapter into the channel's folder whose bytes nobody has seen before."""
        number, index = self.counts["dropped"], rng.randrange(_ADAPTERS)
        place = self.room.root / "adapters" / channel / f"drop-{number:05}"
        part = self.room.root / f"part-{number}"
        shutil.copytree(home() / f"run-{index}", part)
        config = json.loads((part / CONFIG).read_text())
        config["lora_dropout"] = (number + 1) * 1e-7  # means nothing when it answers
        (part / CONFIG).write_text(json.dumps(config))
        self.of[digest_of(part)[:12]] = index
        place.parent.mkdir(exist_ok=True)
        part.rename(place)
        self.counts["dropped"] += 1

    def ask(self, channel: str) -> None:
        """Ask once; a wrong answer is written down."""
        url = f"http://{self.room.events('listening')[-1]['http']}/v1/completions"
        body = json.dumps(json.loads(question()) | {"model": channel}).encode()
        began = time.monotonic()
        with urllib.request.urlopen(
            urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=LIMIT
        ) as got:
            answer, headers = json.load(got), got.headers
        self.seconds.append(time.monotonic() - began)
        start = answer["system_fingerprint"].rpartition("-")[2]
        told = truth(home() / f"run-{self.of[start]}") if start in self.of else truth(None)
        if answer["choices"][0]["text"] != told:
            self.wrong.append(f"{channel}: generation {headers[GENERATION]} answers as another")
        if headers[CHANNEL] != channel:
            self.wrong.append(f"{channel}: answered by {headers[CHANNEL]}")
        self.counts["answers"] += 1

    def client(self, seed: int) -> None:
        """Ask at random until the end; while the daemon is dead nobody asks."""
        rng = random.Random(seed)
        while not self.stop.wait(_BETWEEN):
            if not self.up.is_set():
                continue
            try:
                self.ask(rng.choice(self.names))
            except (*NO_ANSWER, ValueError) as error:
                if self.up.is_set():
                    self.wrong.append(f"no answer: {error!r}")

    def replace(self, seed: int) -> None:
        """Replace adapters until the end, one channel after the other at random."""
        rng = random.Random(seed)
        while not self.stop.wait(_BETWEEN):
            if self.up.is_set() and self._waiting() < 4:
                self.drop(rng.choice(self.names), rng)

    def _waiting(self) -> int:
        try:
            return int(self.room.status()["queue_depth"])
        except Exception:  # it is being killed
            return 99

    def pointers(self) -> dict[str, int]:
        """Read what a restart is to serve."""
        found = (self.room.state / "store" / "channels").glob("*.json")
        return {path.stem: json.loads(path.read_bytes())["generation"] for path in found}

    def kill(self) -> None:
        """Kill it, start it again, and see that every channel has what its pointer names."""
        self.up.clear()
        self.room.process.kill()
        named = self.pointers()
        began = time.monotonic()
        self.room.ready()
        lives = {one["name"]: one["live"]["generation"] for one in self.room.status()["channels"]}
        late = {name: (number, lives.get(name)) for name, number in named.items() if lives.get(name, 0) < number}
        if late:
            self.wrong.append(f"after a kill: {late}")
        self.counts["kills"] += 1
        sys.stdout.write(f"killed, and ready with {len(named)} channels after {time.monotonic() - began:.1f} s\n")
        self.up.set()


def run(many: Many, seconds: float, clients: int, kills: int) -> None:
    """Fill every channel, then let everybody loose."""
    rng = random.Random(0)
    for name in many.names:
        many.drop(name, rng)
    began = time.monotonic()
    until(lambda: len(many.pointers()) == len(many.names), "not every channel has gone live", 10 * LIMIT)
    sys.stdout.write(f"{len(many.names)} channels live after {time.monotonic() - began:.1f} s\n")
    many.up.set()
    threads = [threading.Thread(target=many.client, args=(seed,)) for seed in range(clients)]
    threads.append(threading.Thread(target=many.replace, args=(1000,)))
    for thread in threads:
        thread.start()
    for _ in range(kills + 1):
        many.stop.wait(seconds / (kills + 1))
        if many.counts["kills"] < kills:
            many.kill()
    many.stop.set()
    for thread in threads:
        thread.join(LIMIT)


def main() -> int:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--berths", type=int, default=16)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--kills", type=int, default=2)
    given = parser.parse_args()
    for index in range(_ADAPTERS):
        truth(home() / f"run-{index}")
    truth(None)
    with make_room(Path(mkdtemp(prefix="hotswapd-channels-")) / "room") as room:
        room.configure(source=f'{folder()}\nchannel = "{{{{1}}}}"', serve=f"berths = {given.berths}")
        room.ready()
        many = Many(room, [f"c{index:03}" for index in range(given.channels)])
        run(many, 60 * given.minutes, given.clients, given.kills)
        states = Counter(row["state"] for row in room.client.get("/history?limit=100000"))
    ordered = sorted(many.seconds) or [0.0]
    middle, late = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
    sys.stdout.write(f"{dict(many.counts)}, rows {dict(states)}, median {middle:.3f} s, 99 % {late:.3f} s\n")
    for line in many.wrong[:20]:
        sys.stdout.write(f"WRONG {line}\n")
    return 1 if many.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
