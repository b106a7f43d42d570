"""What the tests of faults share: clients that ask all the while and know each right answer, and broken places."""

import contextlib
import json
import os
import subprocess
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from kits.adapters import digest_of, greedy, oracle_model
from kits.crowd import crowd
from kits.models import byte_tokenizer, text_of
from kits.room import Room, home

only_in_full = pytest.mark.skipif(
    not os.environ.get("HOTSWAPD_TEST_FAULTS"), reason="it takes too long for every run: `make faults` runs it"
)
PROMPT, TOKENS = "hello", 8
GENERATION = "X-Hotswapd-Generation"
NO_ANSWER = (OSError, HTTPException)
"""What a client gets of a daemon that dies: refused, cut off, or, with the head of an answer read, no more of it."""
_BETWEEN = 0.05
"""Seconds between two questions: the machine is to do other things too."""


@cache
def truths() -> dict[str, str]:
    """Compute what a fresh PEFT load answers, by the twelve digits with which a response names its adapter."""
    told = {"0" * 12: truth(None)}
    for index in range(3):
        place = home() / f"run-{index}"
        told[digest_of(place)[:12]] = truth(place)
    return told


@cache
def truth(adapter: Path | None) -> str:
    """Compute what a fresh PEFT load of the base and this adapter, or of the bare base, answers."""
    return text_of(greedy(oracle_model(home() / "base", adapter), byte_tokenizer().encode(PROMPT), TOKENS))


def question() -> bytes:
    """Return the body of the request that every client sends."""
    body = {"model": str(home() / "base"), "prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0}
    return json.dumps(body).encode()


@dataclass(slots=True)
class Clients:
    """Ask the daemon of a room, and check each answer. `heard` holds the generation of each one."""

    room: Room
    heard: list[int] = field(default_factory=list)
    _rest: threading.Event = field(default_factory=threading.Event)
    _at: tuple[object, str] = (None, "")

    def __post_init__(self) -> None:
        truths()  # now: `from_pretrained` is not for several threads at once, and questions may come from many

    def ask(self, _: int = 0) -> int:
        """Ask once, and return the generation that answered; a wrong answer or none raises."""
        request = urllib.request.Request(f"{self.url}/v1/completions", question())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as got:
            generation = self.check(json.load(got), int(got.headers[GENERATION]))
        self._rest.wait(_BETWEEN)
        return generation

    def check(self, answer: dict[str, Any], generation: int) -> int:
        """Compare an answer with the reference of the generation that it names, and return that."""
        name, _, digest = answer["system_fingerprint"].rpartition("-")
        assert name == f"hotswapd-g{generation}"
        assert answer["choices"][0]["text"] == truths()[digest]
        self.heard.append(generation)
        return generation

    @property
    def url(self) -> str:
        """Find the address once for each process: a log whose disk is full cannot be read later."""
        process = self.room.process
        if self._at[0] is not process:
            self._at = process, f"http://{self.room.events('listening')[-1]['http']}"
        return self._at[1]

    def metric(self, line: str) -> float:
        """Read one series of the metrics, by its name and labels as they stand there."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=60) as got:
            lines = got.read().decode().splitlines()
        return float(next(one for one in lines if one.startswith(f"{line} ")).rpartition(" ")[2])


@contextmanager
def asked_all_the_while(room: Room) -> Iterator[Clients]:
    """Have a client ask for as long as the body does: every answer must come, and be its generation's own."""
    clients = Clients(room)
    clients.ask()
    before = len(clients.heard)
    with crowd(1, clients.ask):
        yield clients
        seen = len(clients.heard)
        room.until(lambda: len(clients.heard) > seen, "nobody is answered any more")
    assert len(clients.heard) > before


def serve_first(room: Room, **environ: str) -> None:
    """Start the daemon and make the first adapter live."""
    room.ready(**environ)
    assert room.outcome(room.drop("run-0"))["state"] == "LIVE"


def offer(room: Room) -> str:
    """Drop an adapter that is not the live one, at an address that was never there, and return that."""
    return room.drop(spare(room), f"again-{uuid.uuid4().hex}")


def spare(room: Room) -> str:
    """Name an adapter whose bytes are not those that are live."""
    live = room.status()["live"]["digest"]
    return next(name for name in ("run-0", "run-1", "run-2") if digest_of(home() / name) != live)


def goes_live(room: Room, uri: str) -> None:
    """Wait until an adapter is live."""
    row = room.outcome(uri)
    assert row["state"] == "LIVE", row


def waiting_row(room: Room, uri: str) -> dict[str, object]:
    """Return what the status says of an adapter in the queue, or nothing."""
    return next((dict(row) for row in room.status()["queue"] if row["uri"] == uri), {})


def until_reason(room: Room, uri: str, state: str, reason: str) -> dict[str, object]:
    """Wait until an adapter waits for this reason, and return its row."""

    def found() -> dict[str, object]:
        row = waiting_row(room, uri)
        return row if (row.get("state"), row.get("reason")) == (state, reason) else {}

    return room.until(found, f"{uri} is not {state} {reason}")


def late_threads(room: Room) -> list[str]:
    """Return which threads the log calls late, one for each time: on a busy machine others than the one that hangs."""
    return [event["thread"] for event in room.events("thread_late")]


def source(room: Room, name: str = "folder") -> dict[str, object]:
    """Return what the status says of a source."""
    return next(dict(one) for one in room.status()["sources"] if one["name"] == name)


def until_down(room: Room, code: str, name: str = "folder") -> None:
    """Wait until a source is down with this code, in the log and in the status."""
    room.until(lambda: not source(room, name)["ok"], f"{name} is never down")
    room.until(
        lambda: any(event["source"] == name and event["code"] == code for event in room.events("source_down")),
        f"{name} is never down with {code}",
    )


def until_up(room: Room, name: str = "folder") -> None:
    room.until(lambda: source(room, name)["ok"], f"{name} never comes back")


def mount(*arguments: str) -> None:
    """Mount something; where that is not allowed the test is skipped, or in CI, if root may not, fails."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    why = f"nothing can be mounted here: {done.stderr.strip()}"
    if os.environ.get("CI") and os.geteuid() == 0 and "permission denied" not in done.stderr:
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def mounted(place: Path, *arguments: str) -> Iterator[None]:
    """Mount something over a place for a while."""
    mount(*arguments, str(place))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(file: Path) -> None:
    """Use up the last byte of the file system that this file is on."""
    with file.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    with file.open("ab", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(b"x"):
            pass


@contextmanager
def unreadable(file: Path) -> Iterator[None]:
    """Lay a file over another that opens, and of which each read fails with EIO: memory that no process has."""
    with mounted(file, "--bind", f"/proc/{os.getpid()}/mem"):
        yield
