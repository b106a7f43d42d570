"""A fleet in this process: a watcher with its service, and replicas with real models on threads of their own."""

import asyncio
import gc
import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hotswapd.daemon.config.fleet import Fleet
from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.sources import LocalTable
from hotswapd.daemon.config.tables import Model, Serve, State
from hotswapd.daemon.config.verify import Verify, Watch
from hotswapd.daemon.engines.resident import ResidentEngine
from hotswapd.daemon.fleet.endings import Unsaid
from hotswapd.daemon.fleet.held import Held
from hotswapd.daemon.fleet.limits import Limits
from hotswapd.daemon.fleet.replica import Replica
from hotswapd.daemon.fleet.shared.copies import SharedCopies
from hotswapd.daemon.fleet.shared.folder import FolderPlace
from hotswapd.daemon.fleet.shared.node import NodeCopies
from hotswapd.daemon.fleet.shared.place import Place
from hotswapd.daemon.fleet.shared.trail import Follower, Trail
from hotswapd.daemon.fleet.watching import Hands, Watching
from hotswapd.daemon.gates.verification import verification
from hotswapd.daemon.ledger.states import OPEN

from .rows import SHORT_ASK, Bench, adapter, bench, home
from .waiting import until

BERTHS, REPLICAS, LIMIT = 4, 2, 60.0
LIMITS = Limits(patience=60.0, lease=1e9, max_drain=0.001, berths=BERTHS)
_MOST = 1 << 24


class ThreadedReplica:
    """A replica that works on one thread and reports on another, as Ray's does."""

    def __init__(self, name: str, made: Bench, unsaid: Unsaid, fleet: "WatchedFleet") -> None:
        self.made = made
        self.copies = NodeCopies(SharedCopies(fleet.trail.place), fleet.room / "node", _MOST)
        self.engine = ResidentEngine(made.engine)
        held, follower = Held(name), Follower(fleet.trail)
        self.judged: list[Verify] = []
        release, judge_by = self.copies.release, self._judge_by
        self.replica = Replica(
            held, self.engine, self.copies.fetch, follower, unsaid=unsaid, release=release, judge_by=judge_by
        )
        self.unsaid = unsaid
        self._fleet = fleet
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._work, self._report)]
        for thread in self._threads:
            thread.start()

    def _judge_by(self, settings: Settings) -> None:
        self.engine.configure(verification(settings))
        self.judged.append(settings.verify)

    def _work(self) -> None:
        self.replica.run(self._stop)

    def _report(self) -> None:
        while not self._stop.wait(0.02):
            if (watching := self._fleet.watching) is not None:
                self.replica.exchange(watching.hear)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30.0)


class WatchedFleet:
    """The shared directory, the watched folder, and the watcher that is there now; its disk is `state`."""

    def __init__(self, room: Path, place: Place, benches: Sequence[tuple[Bench, Unsaid]]) -> None:
        self.room, self.folder, self.state = room, room / "adapters", room / "state"
        self.folder.mkdir()
        self.trail = Trail(place)
        self.left: list[int] = []
        self.watching: Watching | None = None
        self._thread: threading.Thread | None = None
        self.rollout, self.watch = Rollout(), Watch()
        self.replicas = [ThreadedReplica(f"r{at}", *one, self) for at, one in enumerate(benches)]
        self.reader = Follower(self.trail)

    def settings(self) -> Settings:
        return Settings(
            model=Model(base=str(home() / "base"), device="cpu", dtype="float32", max_rank=16),
            serve=Serve(berths=BERTHS),
            source=(LocalTable(kind="local", path=self.folder, settle=0.2, rescan=0.5),),
            state=State(dir=self.state, keep=4),
            rollout=self.rollout,
            verify=Verify(watch=self.watch),
            fleet=Fleet(shared=str(self.room / "shared")),
        )

    def start(self) -> Watching:
        """Start a watcher, and wait until it is ready."""
        made = Watching(self.settings(), self.trail, LIMITS, Hands(leave=self.left.append))
        self.left.clear()
        self.watching, self._thread = made, made.start()
        until(lambda: self.left or made.operator.ready().ready, "the watcher is never ready", LIMIT)
        return made

    def stop(self) -> None:
        """Let the watcher end as it should."""
        if self.watching is not None and self._thread is not None:
            self.watching.stop()
            self._thread.join(LIMIT)
        self.watching = None

    def ask(self, path: str, **fields: Any) -> Any:
        """Ask as an operator does: with fields for a change, with none to see. Fails unless it is answered so."""
        status, said = self.call(path, **fields)
        assert status == 200, said
        return said

    def call(self, path: str, **fields: Any) -> tuple[int, Any]:
        """Ask, and return the status, too."""
        assert self.watching is not None
        path, _, query = path.partition("?")
        method, body = ("POST", json.dumps(fields).encode()) if fields else ("GET", b"")
        called = asyncio.run(self.watching.calling.call(method, path, query, body))
        return called.status, json.loads(called.body)

    def outcome(self, name: str) -> Any:
        """Wait until an adapter in the folder is live, refused or held by a pin, and return its row."""
        found: list[Any] = []

        def ended() -> bool:
            found[:] = [row for row in self.ask("/history") if row["uri"].endswith(f"/{name}")][:1]
            return bool(found) and (found[0]["state"] not in OPEN or found[0]["reason"] == "pinned")

        until(ended, f"{name} never ends", LIMIT)
        if found[0]["state"] == "LIVE":  # so it is written before requests are given it
            number = found[0]["generation"]
            until(lambda: self.ask("/status")["live"]["generation"] == number, f"{name} is never given to requests")
        return found[0]

    def answers(self, index: int | None) -> bool:
        """Tell whether every replica answers with what the pointer names, and that is this adapter."""
        number, digest = self.reader.look().answers("default")
        until(lambda: all(one.replica.may_answer(number, digest) for one in self.replicas), "a replica stays behind")
        for one in self.replicas:
            one.made.made[number] = index if index is not None else one.made.made.get(number)
        return all(one.made.right(*one.made.ask(SHORT_ASK, generation=number), SHORT_ASK) for one in self.replicas)


@contextmanager
def watched_fleet(room: Path, place: Place | None = None) -> Iterator[WatchedFleet]:
    """Make one, without a watcher yet; `place` is `fleet.shared`, a directory of its own without it."""
    hook = threading.excepthook
    with ExitStack() as stack:
        unsaid = [Unsaid() for _ in range(REPLICAS)]
        benches = [(stack.enter_context(bench(berths=BERTHS, on_ended=one.add)), one) for one in unsaid]
        fleet = WatchedFleet(room, place or FolderPlace(room / "shared"), benches)
        try:
            yield fleet
        finally:
            fleet.stop()
            for one in fleet.replicas:
                one.stop()
            gc.unfreeze()  # a start freezes what there is, which is all of the tests here
            threading.excepthook = hook


def drop(fleet: WatchedFleet, index: int, name: str) -> Path:
    """Rename an adapter into the watched folder."""
    shutil.copytree(adapter(index), fleet.room / f".{name}")
    return (fleet.room / f".{name}").rename(fleet.folder / name)


__all__ = ["LIMIT", "REPLICAS", "ThreadedReplica", "WatchedFleet", "drop", "watched_fleet"]
