"""The daemon's queue, pipeline and worker without a model and without threads: each test takes the turns itself."""

import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from hotswapd.codes import Code
from hotswapd.daemon.channels.channel import Channel, Making
from hotswapd.daemon.channels.channels import Channels
from hotswapd.daemon.channels.removal import Removal
from hotswapd.daemon.config.channels import ChannelTable
from hotswapd.daemon.config.current import Current
from hotswapd.daemon.config.policy import Policy
from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.tables import Model
from hotswapd.daemon.control.acts import Acts
from hotswapd.daemon.engines.protocol import Staged
from hotswapd.daemon.ledger.generation import Generation, base_generation
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.rows import OPERATOR, Row
from hotswapd.daemon.live.going_live import Live
from hotswapd.daemon.live.restore import pointed_at
from hotswapd.daemon.live.rollback import Rollback
from hotswapd.daemon.pipeline.candidate import Candidates
from hotswapd.daemon.pipeline.changes import Changes
from hotswapd.daemon.pipeline.naming import Naming, default_only
from hotswapd.daemon.pipeline.queue import Inbox
from hotswapd.daemon.pipeline.worker import Worker
from hotswapd.daemon.rollout.rollouts import Rollouts
from hotswapd.daemon.rollout.traffic import Traffic
from hotswapd.loaders.source import Scan, Sighting, Waiting
from hotswapd.loaders.store.artifact import Artifact
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.uri import AdapterURI
from kits.clock import Clock
from kits.engines import BAD, SICK, FakeModel, make_engine
from kits.folders import CONFIG, WEIGHTS

KIND = ["resident"]
"""Which engine a queue gets that asks for none: see the fixture `engine_kind`."""

__all__ = ["BAD", "SICK", "Queue", "sure"]

T = TypeVar("T")
Mode = Literal["replace", "canary", "ab"]


def sure(found: T | None) -> T:
    """Return what must be there."""
    assert found is not None
    return found


def fast_directory(owner: object) -> Path:
    """Make a directory that goes with its owner, in memory where there is one: many small transactions need no disk."""
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="hotswapd-", dir=memory if memory.is_dir() else None))
    weakref.finalize(owner, shutil.rmtree, directory, ignore_errors=True)
    return directory


@dataclass(slots=True)
class There:
    """What lies at an address: its bytes, and what the source says of them."""

    content: bytes
    revision: str
    stamp: float
    waiting: Waiting | None = None
    identity: str = ""
    together: str = ""


@dataclass
class Place:
    """A source as a test wants it: what lies where, and how often each was written."""

    name: str
    clock: Clock
    there: dict[str, There] = field(default_factory=dict)
    writes: int = 0

    def put(self, name: str, content: bytes, *, code: str = "", stamp: float | None = None, together: str = "") -> str:
        """Write an adapter, incomplete when `code` says why, and return its address."""
        self.writes += 1
        waiting = Waiting(cast("Code", code), f"it waits: {code}") if code else None
        uri = f"file:///{self.name}/{name}"
        at = self.clock() if stamp is None else stamp
        self.there[uri] = There(
            content, f"{self.name}{self.writes}", at, waiting, f"files {self.name} {self.writes}", together
        )
        return uri

    def touch(self, uri: str) -> None:
        """Change its times and nothing else."""
        self.writes += 1
        self.there[uri] = replace(self.there[uri], revision=f"{self.name}{self.writes}", stamp=self.clock())

    def rename(self, uri: str, name: str, *, touched: bool = False) -> str:
        """Move an adapter; its files stay the same, and `touched` if their own times changed on the way."""
        moved = f"file:///{self.name}/{name}"
        self.there[moved] = self.there.pop(uri)
        if touched:
            self.touch(moved)
        return moved

    def scan(self) -> Scan:
        return Scan(tuple(_sighting(uri, there) for uri, there in self.there.items()), 1.0)


def _sighting(uri: str, there: There) -> Sighting:
    return Sighting(AdapterURI.parse(uri), there.revision, there.stamp, there.waiting, there.identity)


class Queue:
    """A daemon without a model: `restart` does what the service does at a start, in its order."""

    def __init__(
        self,
        *names: str,
        directory: Path | None = None,
        open_now: bool = True,
        kind: str = "",
        mode: Mode = "replace",
        naming: Naming = default_only,
    ) -> None:
        """Make sources of these names; `kind` is which engine, `mode` that of the rollout."""
        self.mode: Mode = mode
        self.naming = naming
        self.channel_tables: tuple[ChannelTable, ...] = ()
        self.directory = directory or fast_directory(self)
        self.clock = Clock()
        self.places = {name: Place(name, self.clock) for name in names or ("s",)}
        self.store = Store(self.directory / "store", reserve_bytes=0)
        self.kind = kind or KIND[0]
        self.model = FakeModel()
        self.stop = threading.Event()
        self.told: list[Row] = []
        self.changes: list[Sequence[Row]] = []
        self.fingerprint = "policy"
        self.start(open_now=open_now)

    @property
    def place(self) -> Place:
        return next(iter(self.places.values()))

    @property
    def live(self) -> Generation:
        return self.going.now

    def start(self, *, open_now: bool = True) -> None:
        self.ledger = Ledger(self.directory / "ledger.sqlite", self._changed)
        pointed = {name: one for name in ("default", *self.store.pointed()) if (one := pointed_at(self.store, name))}
        self.ledger.attempts.count_deaths()
        for one in pointed.values():
            if one.number or one.swap_id:
                self.ledger.adopt(one, OPERATOR)
        self.ledger.recover()
        changes = Changes()
        self.inbox = Inbox(self.ledger, self.places, changes, self.clock, self.naming)
        self.engine = make_engine(self.kind, self.model)
        self.assemble(*pointed.values())
        if open_now:
            self.open()

    def assemble(self, *lives: Generation) -> None:
        """Make everything again that needs to know what is live."""
        ledger, store, engine, inbox = self.ledger, self.store, self.engine, self.inbox
        settings = Settings(model=Model(base="org/tiny"), rollout=Rollout(mode=self.mode), channel=self.channel_tables)
        base, nothing = base_generation("main", 0.0), lambda *_: None
        making = Making(
            engine, ledger, store, Current(settings), base, lambda _: self, nothing, nothing, time.monotonic
        )
        self.channels = Channels(making, [*ledger.channels.all(), *store.pointed()])
        for live in lives:
            self.channels.of(live.channel).live._now = live
        self.policy = Policy(self.fingerprint)
        self.candidates = Candidates(engine, ledger, store, self.policy, self.channels)
        ledger.reopen(self.policy.of)
        self.worker = Worker(inbox, ledger, engine, self.channels, self.candidates, self.stop, inbox.notify)
        self.acts = Acts(self.worker, ledger, Removal(self.channels, engine, ledger, store))

    @property
    def default(self) -> Channel:
        """The default channel, which most tests are about."""
        return self.channels.of("default")

    @property
    def going(self) -> Live:
        return self.default.live

    @property
    def rollouts(self) -> Rollouts:
        return self.default.rollouts

    @property
    def traffic(self) -> Traffic:
        return self.default.traffic

    @property
    def rollback(self) -> Rollback:
        return self.default.rollback

    def went_live(self, live: Generation, staged: Staged, pause: float | None) -> None:
        """Note what is live; no test needs it."""

    def _changed(self, rows: Sequence[Row]) -> None:
        self.told.extend(rows)
        self.changes.append(rows)

    def open(self, *late: str, guarded: bool = False) -> None:
        """Scan every source but the late ones, and begin to choose."""
        for name in self.places.keys() - set(late):
            self.scan(name)
        self.inbox.open({one.channel: one for one in self.channels.lives()}, guarded=guarded)

    def restart(self, *late: str, fingerprint: str | None = None) -> None:
        """End, as a kill does, and start again."""
        self.ledger.close()
        self.fingerprint = fingerprint or self.fingerprint
        self.start(open_now=False)
        self.open(*late)

    def scan(self, name: str | None = None) -> None:
        place = self.places[name] if name else self.place
        self.inbox.scanned(place.name, place.scan())

    def fetch(self, name: str | None = None) -> Row | None:
        """Fetch what the source's fetcher would fetch now; None when there is nothing."""
        place = self.places[name] if name else self.place
        row = self.inbox.next_fetch(place.name)
        if row is None:
            return None
        there = place.there.get(row.uri)
        if there is None or there.revision != row.revision:
            self.inbox.wait_for_another_try(row, "changed", "it was written to")
        else:
            self.inbox.fetched(row, replace(self.keep(there.content), together=there.together), 0.1)
        return self.ledger.rows.get(row.swap_id)

    def keep(self, content: bytes) -> Artifact:
        """Put an adapter's bytes into the store."""
        with self.store.stage() as stage:
            stage.write(CONFIG, [b"{}"], 100)
            stage.write(WEIGHTS, [content], 1 << 20)
            return stage.commit()

    def fetched(self, name: str | None = None) -> Row:
        """Fetch, when there is something to fetch."""
        return sure(self.fetch(name))

    def generation(self, number: int) -> Generation:
        """Read a generation that the ledger knows."""
        return sure(self.ledger.generations.get(number))

    def artifact(self, digest: str) -> Artifact:
        """Find a copy that the store has."""
        return sure(self.store.find(digest))

    def pointer(self) -> dict[str, Any]:
        """Read the pointer, when there is one."""
        return sure(self.store.pointer())

    def turn(self) -> None:
        """Let the worker's loop do one turn, on this thread."""
        self.worker.turn()

    def ask(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Ask as the control socket does, on a thread, while this one does the worker's turns; return the answer."""
        answer: list[Any] = []

        def run() -> None:
            try:
                answer.append(call(*arguments, **options))
            except Exception as error:
                answer.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        while thread.is_alive():
            self.turn()
            thread.join(0.001)
        (said,) = answer
        if isinstance(said, Exception):
            raise said
        return said

    def settle(self) -> None:
        """Scan, fetch and try until nothing moves any more; retries become due."""
        while True:
            before = self._state()
            self.clock.now += 4000.0
            for name in self.places:
                self.scan(name)
                while self.fetch(name):
                    self.turn()
            self.turn()
            if self._state() == before:
                return

    def states(self) -> dict[str, str]:
        """Map each address to the state and reason of its last row."""
        last = {row.uri: row for row in reversed(self.ledger.rows.history(100_000))}
        return {uri: f"{row.state} {row.reason}".strip() for uri, row in last.items()}

    def live_rows(self) -> list[Row]:
        return [row for row in self.ledger.rows.history(100_000) if row.state == "LIVE"]

    def _state(self) -> list[tuple[str, str, str]]:
        return [(row.swap_id, row.state, row.reason) for row in self.ledger.rows.history(100_000)]
