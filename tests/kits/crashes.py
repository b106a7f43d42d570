"""What the tests of crashes share: adapters that are all new, clients that forgive a death, what must hold after."""

import contextlib
import json
import shutil
import signal
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kits.adapters import BAD, digest_of
from kits.faults import GENERATION, NO_ANSWER, question, truth
from kits.folders import CONFIG
from kits.room import LIMIT, Room, home
from kits.waiting import until

KEEP = 5
"""Generations that are kept for a rollback: the configuration's default."""
_SPARED = 3
"""Artifacts that may lie there beyond those: what is live, what was fetched since the last collection."""


@dataclass(slots=True)
class Crashes:
    """A daemon that is killed again and again, and all that was ever dropped into its folder."""

    room: Room
    uris: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    of: dict[str, str] = field(default_factory=dict)
    """By the digest of what was dropped: the adapter of `home()` that answers as it does."""
    answers: int = 0
    url: str = "http://127.0.0.1:9"
    """Where the daemon that was ready last listens."""

    def arm(self) -> None:
        """Let the daemon, once started, be killed wherever `at` says."""
        self.room.environ["HOTSWAPD_FAILPOINT"] = f"*=kill@{self.room.root / 'now'}"

    def at(self, place: str, passing: int = 0) -> None:
        """Have the daemon killed at a named place, after it has passed it so often."""
        (self.room.root / "soon").write_text(f"{place} {passing}")
        (self.room.root / "soon").rename(self.room.root / "now")

    def drop(self, spoilt: str = "") -> str:
        """Rename an adapter into the folder whose bytes nobody has seen before, and return its address."""
        number = len(self.uris) + len(self.bad)
        name = f"run-{number % 3}"
        part, place = self.room.root / f"part-{number}", self.room.root / "adapters" / f"drop-{number:05}"
        shutil.copytree(home() / name, part)
        config = json.loads((part / CONFIG).read_text())
        config["lora_dropout"] = (number + 1) * 1e-7  # means nothing when it answers
        (part / CONFIG).write_text(json.dumps(config))
        if spoilt:
            BAD[spoilt][0](part)
        self.of[digest_of(part)] = name
        (self.bad if spoilt else self.uris).append(place.as_uri())
        part.rename(place)
        return place.as_uri()

    def ask(self) -> tuple[int, str]:
        """Ask, compare the answer with that of a fresh PEFT load, and return its generation and its digest's start."""
        request = urllib.request.Request(f"{self.url}/v1/completions", question())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as got:
            answer, generation = json.load(got), int(got.headers[GENERATION])
        start = answer["system_fingerprint"].rpartition("-")[2]
        assert answer["choices"][0]["text"] == self.truth(start), f"generation {generation} answers as another"
        self.answers += 1
        return generation, start

    def truth(self, start: str) -> str:
        """Return what a fresh PEFT load answers of the adapter whose digest starts so."""
        if start == "0" * 12:
            return truth(None)
        return truth(home() / next(name for digest, name in list(self.of.items()) if digest.startswith(start)))

    def pointer(self) -> dict[str, Any]:
        """Read what a restart is to serve; a torn file would raise."""
        path = self.room.state / "store" / "current.json"
        return dict(json.loads(path.read_bytes())) if path.exists() else {"generation": 0, "digest": "0" * 64}

    def dies(self) -> None:
        """Wait until the daemon has died of SIGKILL, and check the files that it left."""
        assert self.room.process.wait() == -signal.SIGKILL
        self.left_whole()

    def left_whole(self) -> None:
        """Check what a death leaves: a whole ledger with at most one live row, and each row live at most once."""
        path = self.room.state / "ledger.sqlite"
        if not path.exists():
            return
        with contextlib.closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA quick_check").fetchone() == ("ok",)
            with contextlib.suppress(sqlite3.OperationalError):  # killed before it had made its tables
                assert database.execute("SELECT count(*) FROM swaps WHERE state = 'LIVE'").fetchone()[0] <= 1
                again = "SELECT swap_id FROM events WHERE state = 'LIVE' GROUP BY swap_id HAVING count(*) > 1"
                assert database.execute(again).fetchall() == []

    def comes_back(self) -> None:
        """Start it again: once ready it serves what the pointer named, in its status and in its answers."""
        named, before = self.pointer(), len(self.room.events("ready"))
        leftover = self.stages()
        self.room.ready()
        ready = self.room.until_logged("ready", times=before + 1)
        assert ready["generation"] == named["generation"]
        assert not leftover & self.stages()
        self.url = f"http://{self.room.events('listening')[-1]['http']}"
        self.ask()

    def stages(self) -> set[str]:
        """Name the copies that are, or were, under way."""
        place = self.room.state / "store" / "stages"
        return {path.name for path in place.iterdir()} if place.exists() else set()

    def comes_to_rest(self, also: frozenset[str] = frozenset()) -> None:
        """Wait until nothing is under way: the newest is live, nothing was lost, and the store holds what is needed.

        `also` are states in which adapters may have ended beside those of a good one.
        """
        self.room.until(lambda: self.is_live(self.uris[-1]), "the newest is never live")
        self.room.until(lambda: not self.room.status()["queue"], "something waits for ever")
        rows = self.room.client.get("/history?limit=10000")
        ended = {row["uri"]: row["state"] for row in rows}
        assert {ended[uri] for uri in self.uris} <= {"LIVE", "RETIRED", "SUPERSEDED", "ROLLED_BACK"} | also
        assert {ended[uri] for uri in self.bad} <= {"REJECTED", "SUPERSEDED"}
        assert sum(row["state"] == "LIVE" for row in rows) == 1
        live, (generation, start) = self.room.status()["live"], self.ask()
        assert (live["generation"], live["digest"][:12]) == (generation, start)
        named = self.pointer()
        assert (named["generation"], named["digest"]) == (generation, live["digest"])
        until(self.is_tidy, "the store is not tidied up", LIMIT)

    def refused(self) -> int:
        """Count those of the newest generations that were rolled back from: as many older ones are kept instead."""
        newest = f"SELECT refused FROM generations ORDER BY number DESC LIMIT {KEEP}"
        with contextlib.closing(sqlite3.connect(self.room.state / "ledger.sqlite")) as database:
            return int(database.execute(f"SELECT coalesce(sum(refused), 0) FROM ({newest})").fetchone()[0])

    def is_live(self, uri: str) -> bool:
        return bool(self.room.status()["live"]["uri"] == uri)

    def is_tidy(self) -> bool:
        """Report whether the store holds no partial copy and no more artifacts than it should."""
        artifacts = list(self.room.artifacts.iterdir())
        return not self.stages() and len(artifacts) <= KEEP + self.refused() + _SPARED


@contextmanager
def asked_through_deaths(crashes: Crashes) -> Iterator[None]:
    """Have a client ask all the while: it forgives a dead daemon, and fails on a wrong answer."""
    stop, wrong = threading.Event(), []

    def ask_on() -> None:
        while not stop.wait(0.02):
            try:
                crashes.ask()
            except AssertionError as error:
                wrong.append(error)
                return
            except (*NO_ANSWER, IndexError, ValueError):
                continue  # it is dead, or does not listen yet

    client = threading.Thread(target=ask_on, name="client")
    client.start()
    try:
        yield
    finally:
        stop.set()
        client.join(LIMIT)
    assert not wrong, wrong
