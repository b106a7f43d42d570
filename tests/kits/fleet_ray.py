"""A fleet on a real Ray: replicas that write down what they verify, a watched folder, clients that check."""

import asyncio
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.config import RequestRouterConfig

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.sources import LocalTable
from hotswapd.daemon.config.tables import Model, Serve, State
from hotswapd.daemon.engines.protocol import Answer, Part
from hotswapd.daemon.errors import NotReady
from hotswapd.daemon.fleet.book import Tag
from hotswapd.daemon.fleet.endings import Unsaid
from hotswapd.daemon.fleet.fleet import Limits
from hotswapd.daemon.fleet.serving.dispatch import Dispatcher
from hotswapd.daemon.fleet.serving.opened import Opened, open_model
from hotswapd.daemon.fleet.serving.place import NAMESPACE, Together
from hotswapd.daemon.fleet.serving.replica import ReplicaServer
from hotswapd.daemon.fleet.serving.router import Elsewhere
from hotswapd.daemon.fleet.serving.watcher import Watcher
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.states import OPEN
from hotswapd.loaders.publish.together import publish_together
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.sampling import Sampling

LIMITS = Limits(patience=60.0, lease=20.0, max_drain=120.0, berths=8)
WATCHER = "watcher"
_MOST = 1 << 24
_START = 300.0


@dataclass(frozen=True)
class Notes:
    """Files in which replicas write, for the test: one per replica for its process, one for what it has verified."""

    room: Path

    def write(self, kind: str, member: str, line: str) -> None:
        with (self.room / f"{kind}-{member.replace('#', '+')}").open("a") as file:
            file.write(f"{time.monotonic()} {line}\n")

    def pids(self) -> dict[str, int]:
        found = {}
        for path in self.room.glob("pid-*"):
            pid = int(path.read_text().split()[-1])
            with suppress(ProcessLookupError):
                os.kill(pid, 0)
                found[path.name.removeprefix("pid-").replace("+", "#")] = pid
        return found

    def verified(self, member: str) -> dict[str, float]:
        """Return since when a replica had verified each digest."""
        path = self.room / f"verified-{member.replace('#', '+')}"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return {digest: float(at) for at, digest in reversed(lines)}

    def vetoes(self) -> bool:
        """Tell whether this replica is the one that refuses the next adapter: the first to ask is."""
        with suppress(FileNotFoundError):
            (self.room / "veto").unlink()
            return True
        return False


class NotingReplica(ReplicaServer):
    """Writes down what it verifies; one of them refuses an adapter where a file says so."""

    def __init__(self, settings: Settings, together: Together, room: Path) -> None:
        self._notes = Notes(room)
        super().__init__(settings, together)

    def _make(self, opened: Opened, together: Together, unsaid: Unsaid) -> Any:
        engine, notes, member = opened.engine, self._notes, self._member
        notes.write("pid", member, str(os.getpid()))
        check, verify = engine.check, engine.verify

        def noted(staged: Any, parts: Sequence[Part]) -> Sequence[Part]:
            if parts[0].answer == Answer.FIT:
                notes.write("verified", member, staged.digest)
            return parts

        def picky(staged: Any, *more: Any) -> Sequence[Part]:
            if notes.vetoes():
                return (Part("", Answer.REFUSED, "probe_not_finite", "a failpoint refuses it"),)
            return noted(staged, verify(staged, *more))

        engine.check = lambda staged: noted(staged, check(staged))  # type: ignore[method-assign,assignment,return-value]
        engine.verify = picky  # type: ignore[method-assign,assignment]
        return super()._make(opened, together, unsaid)


class SeenWatcher(Watcher):
    """The watcher itself, and its process, which tests kill."""

    async def pid(self) -> int:
        return os.getpid()


class Folder:
    """The watched folder: the first directory below it names the channel."""

    def __init__(self, room: Path) -> None:
        self._room = room
        self.path = room / "adapters"
        self._brought = count(1)
        for name in ("default", "a", "b"):
            (self.path / name).mkdir(parents=True)

    def bring(self, adapters: Mapping[str, Path]) -> list[str]:
        """Rename an adapter into it, or publish several as one set; return their addresses."""
        if len(adapters) > 1:
            return [str(one.uri) for one in publish_together(adapters, str(self.path))]
        ((channel, path),) = adapters.items()
        fresh = self._room / f"copy-{next(self._brought)}"
        shutil.copytree(path, fresh)
        return [fresh.rename(self.path / channel / fresh.name).as_uri()]


@dataclass
class Row:
    """A line of the table: what clients got."""

    name: str
    answers: int = 0
    failed: int = 0
    mixed: int = 0
    unverified: int = 0
    older: int = 0
    resumed: int = 0
    why: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.answers} answers, {self.failed} failed, {self.mixed} mixed, "
            f"{self.unverified} unverified, {self.older} older after newer, {self.resumed} resumed"
        )

    @property
    def is_clean(self) -> bool:
        return self.answers > 0 and not (self.failed or self.mixed or self.unverified or self.older)


@dataclass
class Got:
    """One whole answer."""

    tag: Tag
    tokens: tuple[int, ...]
    begun: float
    members: dict[str, float]


class RayFleet:
    """The fleet, and two ingresses' dispatchers in this process."""

    def __init__(self, base: Path, room: Path, replicas: int) -> None:
        self.room, self.notes, self.folder = room, Notes(room), Folder(room)
        self.together = Together(str(room / "shared"), WATCHER, LIMITS, _MOST)
        self.settings = settings = Settings(
            model=Model(base=str(base), device="cpu", dtype="float32", max_rank=16),
            serve=Serve(berths=LIMITS.berths, context_tokens=256),
            source=(LocalTable(kind="local", path=self.folder.path, channel="{1}", settle=0.2, rescan=1.0),),
            state=State(dir=room / "watcher"),
        )
        actor = ray.remote(SeenWatcher).options(
            name=WATCHER, namespace=NAMESPACE, max_restarts=-1, max_concurrency=1000, num_cpus=0
        )
        self.watcher = actor.remote(settings, self.together)
        self.deployment = serve.deployment(
            NotingReplica,
            name="replica",
            max_ongoing_requests=100,
            ray_actor_options={"num_cpus": 0},
            health_check_period_s=1.0,
            request_router_config=RequestRouterConfig(request_router_class=Elsewhere),
        )
        self.handle = self.scale(replicas)

    def change(self, **adapters: Path) -> str:
        """Bring adapters for channels, all of them as one set; return what became of them: ``live`` or why not."""
        end = time.monotonic() + _START
        addresses = self.folder.bring(adapters)
        while True:
            rows = {row["uri"]: row for row in self.ask("/history?limit=100")}
            found = [rows[uri] for uri in addresses if uri in rows]
            if len(found) == len(addresses) and all(_has_ended(row) for row in found):
                return "; ".join(dict.fromkeys(map(_said, found)))
            assert time.monotonic() < end, found
            time.sleep(0.1)

    def ask(self, path: str, **fields: Any) -> Any:
        """Ask as an operator does, until a watcher answers: with fields for a change, with none to see."""
        end = time.monotonic() + _START
        path, _, query = path.partition("?")
        method, body = ("POST", json.dumps(fields).encode()) if fields else ("GET", b"")
        while True:
            with suppress(RayActorError):
                called = ray.get(self.watcher.control.remote(method, path, query, body), timeout=_START)
                if called.status == 200:
                    return json.loads(called.body)
                assert called.status == 503, called
            assert time.monotonic() < end, "no watcher answers"
            time.sleep(0.2)

    def serving(self) -> set[str]:
        """Name the replicas in rotation."""
        return {one["name"] for one in self.ask("/status")["replicas"] if one["serving"]}

    def await_whole(self, replicas: int, without: str) -> None:
        """Wait until so many serve besides this one, which was killed: Serve has loaded the model in another."""
        end = time.monotonic() + _START
        while len(self.serving() - {without}) < replicas:
            assert time.monotonic() < end, "Serve has put no other in its place"
            time.sleep(0.1)

    def watcher_pid(self) -> int:
        return int(ray.get(self.watcher.pid.remote(), timeout=_START))

    def scale(self, replicas: int) -> Any:
        """Deploy so many replicas; what the others are answering goes on."""
        deployment = self.deployment.options(num_replicas=replicas)
        return serve.run(deployment.bind(self.settings, self.together, self.room), name="fleet", route_prefix=None)

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)


def _has_ended(row: Mapping[str, Any]) -> bool:
    return row["state"] not in OPEN


def _said(row: Mapping[str, Any]) -> str:
    if row["state"] == "LIVE" or row["reason"] == Reason.ALREADY_LIVE:
        return "live"
    return f"refused: {row['detail']}"


class Clients:
    """So many at once, each asking one channel after the other; what they get is checked at the end."""

    def __init__(self, fleet: RayFleet, channels: Sequence[str], prompt: tuple[int, ...], tokens: int) -> None:
        self.fleet, self.channels, self.prompt, self.tokens = fleet, channels, prompt, tokens
        self.got: list[Got] = []
        self.failures: list[str] = []
        self.resumed = 0
        self._ended = False

    async def run(self, number: int, work: Any) -> None:
        """Ask until `work`, which runs on a thread, has ended."""
        ingresses = [Dispatcher(self.fleet.handle, self.fleet.together) for _ in range(2)]
        asking = [asyncio.create_task(self._ask(ingresses[at % 2], at)) for at in range(number)]
        try:
            await asyncio.to_thread(work)
        finally:
            self._ended = True
            await asyncio.gather(*asking)
            self.resumed = sum(one.resumed for one in ingresses)
            for one in ingresses:
                one.close()

    async def _ask(self, ingress: Dispatcher, at: int) -> None:
        while not self._ended:
            at += 1
            begun, tokens, members, tags = time.monotonic(), list[int](), dict[str, float](), list[Tag]()
            ask = Ask(self.prompt, self.tokens, sampling=Sampling(), ignore_eos=True)
            try:
                async for by, piece in ingress.answer(self.channels[at % len(self.channels)], ask):
                    tags.append(by)
                    members.setdefault(piece.member, time.monotonic())
                    tokens += piece.tokens
                    if piece.finish == "error":
                        self.failures.append(str(piece.error))
            except NotReady as error:
                self.failures.append(error.sentence)
                continue
            if tags:
                self.got.append(Got(tags[0], tuple(tokens), begun, members))

    def row(self, name: str, truth: Mapping[str, tuple[int, ...]]) -> Row:
        """Check every answer; `truth` has what a fresh PEFT load answers, by digest."""
        row = Row(name, len(self.got), len(self.failures), resumed=self.resumed, why=self.failures[:3])
        for one in self.got:
            true = truth[one.tag.digest]  # to the end-of-text token, past which the clients ask on
            row.mixed += one.tokens[: len(true)] != true or len(one.tokens) != self.tokens
            row.unverified += any(not self._verified(one, member) for member in one.members)
        row.older = self._older()
        return row

    def _verified(self, one: Got, member: str) -> bool:
        since = self.fleet.notes.verified(member).get(one.tag.digest)
        return one.tag.number == 0 or (since is not None and since < one.members[member])

    def _older(self) -> int:
        """Count requests that began after an answer by a newer generation of their channel, and got an older one."""
        moments = [(min(one.members.values()), 1, one) for one in self.got] + [(one.begun, 0, one) for one in self.got]
        newest: dict[str, int] = {}
        older = 0
        for _, answers, one in sorted(moments, key=lambda moment: moment[:2]):
            if answers:
                newest[one.tag.channel] = max(newest.get(one.tag.channel, 0), one.tag.serial)
            else:
                older += one.tag.serial < newest.get(one.tag.channel, 0)
        return older


@contextmanager
def running(base: Path, replicas: int) -> Iterator[RayFleet]:
    """Run a fleet on a Ray of its own; both are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="hs-ray-", ignore_cleanup_errors=True) as room:
        ray.init(
            num_cpus=16,
            include_dashboard=False,
            object_store_memory=150 << 20,
            _temp_dir=f"{room}/t",
            log_to_driver=bool(os.environ.get("HOTSWAPD_TEST_RAY_LOG")),
        )
        try:
            (Path(room) / "notes").mkdir()
            yield RayFleet(base, Path(room) / "notes", replicas)
        finally:
            serve.shutdown()
            ray.shutdown()


__all__ = ["LIMITS", "Clients", "RayFleet", "Row", "open_model", "running"]
