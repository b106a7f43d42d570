"""Every attack of docs/security.md against the real daemon, beside honest users, and what it came to.

``python -m runs.attack MINUTES [--kinds NAME ...] [--out DIR]`` ends with 1 when anything that must hold does not.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from kits.alone import start_alone
from kits.faults import NO_ANSWER, PROMPT, TOKENS, truth
from kits.room import Room, home

from runs.attack_found import BACK_BYTES, BACK_FILES, Attacked, Held, Phase
from runs.attack_kinds import KINDS

USERS = 8
_PAUSE = 0.1
"""Seconds between two questions of one user, and between two looks at the daemon's health."""
_AGAIN = 2


def _answered(connection: http.client.HTTPConnection, *request: Any) -> http.client.HTTPResponse:
    """Send a request, again if the connection is reset before an answer begins, as OpenAI's client does: twice at most.

    Where the table of connections is full, one that has not sent its head yet may have to go.
    """
    for _ in range(_AGAIN):
        try:
            connection.request(*request)
            return connection.getresponse()
        except ConnectionError:
            connection.close()
    connection.request(*request)
    return connection.getresponse()


def _text(event: bytes) -> str:
    """Return what an event of a stream adds to the answer; one that says why it ended early is a failure."""
    said = json.loads(event)
    assert "choices" in said, f"the stream ended with {event!r}"
    return str(said["choices"][0]["text"])


def _program(name: str, *arguments: str) -> "subprocess.Popen[str]":
    """Start a program of this folder; it can be written to, and read."""
    argv = [sys.executable, "-m", f"runs.{name}", *arguments]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)


@contextmanager
def bystander() -> Iterator[tuple[str, int]]:
    """Start a server that takes attacks in the daemon's place."""
    with _program("attack_bystander") as process:
        try:
            assert process.stdout is not None
            yield "127.0.0.1", int(process.stdout.readline())
        finally:
            process.kill()


class Siege:
    """Honest users and a look at the health, all the while; attacks come and go. `run` is called once.

    Each attack is made on a bystander first, and then on the daemon.
    """

    def __init__(self, room: Room, kinds: list[str], seconds: float, patience: float = 120.0) -> None:
        """Each attack, the quiet before and all of them together have the same share of `seconds`.

        Half of each attack's is spent on a bystander. `patience` is how many seconds memory and descriptors have to
        come back.
        """
        self._room = room
        self._each = seconds / (len(kinds) + 2)
        self._kinds = kinds
        self._patience = patience
        host, _, port = room.until_logged("listening")["http"].rpartition(":")
        self._place = host, int(port)
        self._model = str(home() / "base")
        self._truth = truth(None)
        self._phase = Phase("none")
        self._over = threading.Event()
        self._most = Held(0, 0)

    def run(self) -> Attacked:
        """Run all of it."""
        pid = self._room.process.pid
        with self._watched():
            self._over.wait(2.0)  # the first questions warm the caches
            before = self._most = Held.of(pid)
            with bystander() as beside:
                phases = [self._quiet()]
                for name, kinds in [*((kind, [kind]) for kind in self._kinds), ("all", self._kinds)]:
                    elsewhere = self._under(kinds, f"{name}, elsewhere", beside)
                    phases.append(self._under(kinds, name, self._place, elsewhere.first))
            self._phase = Phase("afterwards")
            after = self._come_back(before, pid)
        alive = self._room.process.ended() is None
        return Attacked(before, self._most, after, phases, self._room.log.stat().st_size, alive)

    def _quiet(self) -> Phase:
        self._phase = Phase("none")
        self._over.wait(self._each)
        return self._phase

    def _under(self, kinds: list[str], name: str, place: tuple[str, int], elsewhere: Sequence[float] = ()) -> Phase:
        with ExitStack() as stack:
            attackers = [stack.enter_context(self._attacker(kind, place)) for kind in kinds]
            self._phase = phase = Phase(name, elsewhere=list(elsewhere))
            self._over.wait(self._each / 2)
        said = [attacker.communicate()[0] for attacker in attackers]
        phase.found += [line for text in said for line in text.splitlines() if line.startswith("FAULT")]
        return phase

    @contextmanager
    def _attacker(self, kind: str, place: tuple[str, int]) -> Iterator["subprocess.Popen[str]"]:
        host, port = place
        process = _program("attack_kinds", kind, host, str(port), self._model)
        try:
            yield process
        finally:
            process.kill()

    def _come_back(self, before: Held, pid: int) -> Held:
        """Wait until the daemon holds what it held, at most for so long, and return what it holds then."""
        end = time.monotonic() + self._patience
        while time.monotonic() < end:
            now = Held.of(pid)
            if now.files <= before.files + BACK_FILES and now.rss <= before.rss + BACK_BYTES:
                return now
            self._over.wait(1.0)
        return Held.of(pid)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._use) for _ in range(USERS)]
        threads += [threading.Thread(target=self._look), threading.Thread(target=self._weigh)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _weigh(self) -> None:
        while not self._over.wait(1.0):
            now = Held.of(self._room.process.pid)
            self._most = Held(max(self._most.rss, now.rss), max(self._most.files, now.files))

    def _look(self) -> None:
        while not self._over.wait(_PAUSE / 5):
            phase, began = self._phase, time.monotonic()
            try:
                self._get("/health/live")
                phase.health.append(time.monotonic() - began)
            except (*NO_ANSWER, AssertionError) as error:
                phase.failed.append(f"health: {error!r} after {time.monotonic() - began:.1f} s")

    def _get(self, path: str) -> None:
        connection = http.client.HTTPConnection(*self._place, timeout=60)
        try:
            assert _answered(connection, "GET", path).status == 200
        finally:
            connection.close()

    def _use(self) -> None:
        while not self._over.wait(_PAUSE):
            phase = self._phase
            try:
                self._ask(phase)
            except (*NO_ANSWER, AssertionError) as error:
                phase.failed.append(f"user: {error!r}")

    def _ask(self, phase: Phase) -> None:
        """Ask for a stream; note when it begins, and compare its end with the reference."""
        fields = {"model": self._model, "prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0, "stream": True}
        connection = http.client.HTTPConnection(*self._place, timeout=120)
        began = time.monotonic()
        try:
            kind = {"Content-Type": "application/json"}
            answer = _answered(connection, "POST", "/v1/completions", json.dumps(fields), kind)
            assert answer.status == 200, answer.read()
            first = answer.readline()
            phase.first.append(time.monotonic() - began)
            events = [line[6:] for line in [first, *answer.read().splitlines()] if line.startswith(b"data: {")]
            text = "".join(_text(event) for event in events)
            if text != self._truth:
                phase.wrong.append(f"{text!r} instead of {self._truth!r}")
        finally:
            connection.close()


def main() -> int:
    """Attack a daemon, write the figures, and print in a few lines what they came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--out", type=Path, default=Path("build/attack"))
    asked = parser.parse_args()
    room = Room(Path(mkdtemp(prefix="hotswapd-attack-")) / "room")
    room.prepare()
    room.configure(serve="max_connections = 200")
    try:
        start_alone(room)
        attacked = Siege(room, asked.kinds, asked.minutes * 60).run()
    finally:
        room.close()
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "attack.json").write_text(json.dumps(attacked.record(), indent=1))
    for phase in attacked.phases:
        print(json.dumps(phase.record()))
    print("\n".join([*attacked.faults(), *attacked.slow()]) or "everything held")
    return 1 if attacked.faults() or attacked.slow() else 0


if __name__ == "__main__":
    raise SystemExit(main())
