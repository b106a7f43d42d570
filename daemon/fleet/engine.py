"""The engine of a watcher: all replicas of its fleet, as the pipeline and everything that decides sees them."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import structlog

from hotswapd.daemon.engines.protocol import (
    DEFAULT,
    Admitted,
    Caller,
    Loaded,
    NoRoom,
    Part,
    Patient,
    Route,
    Routed,
    Staged,
    Subject,
)
from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.replicas import ReplacedStatus, ReplicaStatus
from hotswapd.swap.gates.spec import Outcome, Verdict

from .changes import Changes, require_laid_out
from .keeping import UnderWay
from .looking import Looking
from .orders import Asks, Orders, Report, Trial
from .outside import Outside, Tried, swap_id, swap_of, tried
from .roll import Member
from .rules import Rules
from .shared.pointer import Pointer
from .shared.trail import TermLost
from .shown import Replaced, loaded, shown
from .waiting import BEAT, Waiting, ended

log = structlog.get_logger(__name__)


class FleetEngine:
    """`engines.protocol.Engine` over the replicas of a fleet. See the protocol for threads and errors.

    `tick`, for every second or so, `hear` and `hear_ingress` are legal on any thread.
    """

    def __init__(self, changes: Changes, outside: Outside, patience: float, beat: float = BEAT) -> None:
        """Begin with what the term's pointer names. `patience` is how long `fleet.shared` may be away in a change."""
        self._changes = changes
        self._outside = outside
        self._lock = threading.RLock()
        """Held while the fleet is looked at or changed, never while anything is waited for: `fleet.shared` may hang."""
        self._waiting = Waiting(self._lock, patience, beat, outside.on_wait)
        self._looking = Looking(changes.look)
        self._keys = count(1)
        self._replaced = Replaced()

    # The replicas and the ingresses

    def hear(self, report: Report) -> Orders:
        """Take in a replica's report and return what it is to hold."""
        with self._lock:
            return self._changes.fleet.hear(report)

    def hear_ingress(self, said: UnderWay) -> Pointer:
        """Take in what an ingress is answering with, and return the newest pointer."""
        with self._lock:
            self._changes.fleet.hear_ingress(said)
        return self.newest

    @property
    def newest(self) -> Pointer:
        """The newest pointer that this watcher has written. Legal on any thread."""
        return self._changes.term.now

    @property
    def orders(self) -> Orders:
        """What every replica is to hold now. Legal on any thread."""
        return self._changes.fleet.orders

    def renew(self, rules: Rules) -> None:
        """Have every replica verify by this configuration from now on. Legal on any thread."""
        with self._lock:
            self._changes.fleet.renew(rules)

    def bound(self, max_drain: float) -> None:
        """Let retired generations be answered for so many seconds at most; 0 is no bound. Legal on any thread."""
        with self._lock:
            self._changes.fleet.bound(max_drain)

    def needed(self) -> set[str]:
        """Name the bytes that a replica may fetch, now or after a change that has begun. Legal on any thread.

        Raises ResidentLost once another watcher has begun, who knows better, and Unavailable if that is not known.
        """
        with ended():
            self._changes.term.require()
        with self._lock:
            return self._changes.fleet.needed()

    def members(self) -> list[Member]:
        """List the replicas that report. Legal on any thread."""
        with self._lock:
            return self._changes.fleet.members()

    def statuses(self) -> list[ReplicaStatus]:
        """Describe each replica by name, as ``GET /status`` does. Legal on any thread."""
        now = self._changes.clock()
        return [shown(one, now) for one in sorted(self.members(), key=lambda one: one.name)]

    def replaced(self) -> ReplacedStatus:
        """Describe which replicas were replaced, and how many for which reason. Legal on any thread."""
        with self._lock:
            return self._replaced.status()

    def tick(self) -> None:
        """Do what is due by the clock. Raises ResidentLost once another watcher has begun."""
        with ended():
            self._looking.wait()  # a place that hangs tells nothing
        with self._lock, ended():
            self._changes.tick()
            lost = self._changes.fleet.take_lost()
            self._replaced.add(lost)
        for one in lost:
            log.warning("replica_replaced", member=one.member, code=one.code, detail=one.sentence)
            self._outside.replace(one)

    # The protocol

    def admit(self, artifact: Path, digest: str) -> Admitted:
        """Compare the description with the contract, once for all replicas."""
        self._outside.admit(artifact)
        return Admitted(artifact, digest)

    def stage(self, admitted: Admitted, caller: Caller) -> Staged:
        """Put the bytes where all replicas find them, and have each lay them out in a free berth."""
        with self._lock:
            if self._changes.fleet.is_live(admitted.digest):
                return Tried(admitted.digest)
        self._outside.send(admitted.digest)
        staged = Tried(admitted.digest)
        try:
            require_laid_out(self._try(staged, Trial(self._key(), admitted.digest, swap_id=swap_id()), caller))
        except BaseException:
            self.drop(staged)
            raise
        return staged

    def check(self, staged: Staged) -> tuple[Part, ...]:
        """Have each replica run the short probe; what is live has passed it on each, or the replica does not serve."""
        one = tried(staged)
        if one.trial is None:
            return (Part(),)
        return tuple(self._try(one, replace(one.trial, asks=Asks.CHECK), Patient()))

    def verify(self, staged: Staged, subject: Subject, caller: Caller) -> tuple[Part, ...]:
        """Have each replica run the gates, and one of them those of which one answer is enough."""
        one = tried(staged)
        trial = one.trial or Trial(self._key(), one.digest, swap_id=swap_id())
        trial = replace(trial, asks=Asks.VERIFY, uri=subject.uri, name=subject.name, replay=subject.replay)
        with self._lock:
            live, judge = self.newest.answers(subject.name)[0], self._changes.fleet.votes.judge()
        norms = tuple(subject.usual_norms)
        parts = self._try(one, replace(trial, usual_norms=norms, live=live, judge=judge), caller)
        with self._lock:
            verdicts = self._changes.fleet.verdicts(trial.key)
            blamed = self._changes.fleet.votes.blamed(trial.digest)
        for member, verdict in verdicts:
            caller.verdict(verdict, member)
        if blamed:  # its history says who was replaced because of it
            caller.verdict(Verdict("replicas", Outcome.WARNED, FleetCode.REPLICA_ODD, blamed))
        return tuple(parts)

    def _try(self, one: Tried, trial: Trial, caller: Caller) -> Sequence[Part]:
        with self._lock:
            if one.trial is None:
                self._changes.fleet.begin(trial)
            one.trial = trial
        return self._waiting.wait(self._changes.trying(trial), caller)

    def prepare(self, caller: Caller) -> bool:
        """Return False: each replica prepares its own gates."""
        return False

    def open(self, staged: Staged, number: int) -> None:
        """Have each replica answer for it; nobody else's number is this one, also after the ledger was lost."""
        now = self.newest
        if number > now.highest:
            self._waiting.point(self._changes, now.routes, number)
        swaps = {number: swap_of(staged)}
        self._waiting.wait(self._changes.opening({number: staged.digest}, swaps), Patient())
        with self._lock:
            self._changes.fleet.stay(number)
        staged.number = number

    @contextmanager
    def route(self, staged: Staged, number: int, name: str = DEFAULT) -> Iterator[Routed]:
        """Have each replica answer for it, then let the pointer name it."""
        with self.route_together([(staged, number, name)]) as routed:
            yield routed

    @contextmanager
    def route_together(self, routes: Sequence[Route]) -> Iterator[Routed]:
        """Have each replica answer for all of them, then let one pointer name them all."""
        routed = Routed()
        several = {number: staged.digest for staged, number, _ in routes}
        swaps = {number: swap_of(staged) for staged, number, _ in routes}
        if self._are_named(routes):  # a start: the pointer has never named anything else
            yield routed
        else:
            with ended():
                self._changes.term.require()
            self._waiting.wait(self._changes.opening(several, swaps), Patient())
            try:
                failpoint("opened")
                yield routed
            except BaseException:
                with self._lock:
                    self._changes.abandon(several)
                raise
            began = time.monotonic()
            self._waiting.point(self._changes, self._with(routes))
            routed.pause = time.monotonic() - began
        routed.then()
        for staged, number, _ in routes:
            staged.number = number

    def _are_named(self, routes: Sequence[Route]) -> bool:
        now = self.newest
        return all(now.answers(name) == (number, staged.digest) for staged, number, name in routes)

    def _with(self, routes: Sequence[Route]) -> dict[str, Mapping[str, Any]]:
        """Return all routes with these in place of what their channels had."""
        now = self.newest
        new = {name: self._outside.recorded(staged.digest, number, name) for staged, number, name in routes}
        return {**now.routes, **new}

    def park(self, number: int, digest: str, name: str) -> None:
        """Do nothing for what the pointer names: replicas hold it. Raises NoRoom for anything else."""
        if not self._are_named([(Tried(digest), number, name)]):
            raise NoRoom(f"every berth is in use, and generation {number} is not what {name} has live")

    def spare(self) -> bool:
        """Tell whether each replica has a berth for one more."""
        return self.room()

    def unroute(self, name: str) -> None:
        """Let the pointer name nothing for it: new requests for it are answered by no adapter."""
        now = self.newest
        if name in now.routes:
            rest = {channel: one for channel, one in now.routes.items() if channel != name}
            self._waiting.point(self._changes, rest)

    def close(self, number: int) -> None:
        """Have replicas answer for it until no ingress is answering with it."""
        with self._lock:
            self._changes.fleet.close(number)

    def drop(self, staged: Staged) -> None:
        """End its trial; what is answered stays."""
        trial = tried(staged).trial
        if trial is not None:
            with self._lock:
                self._changes.fleet.end(trial.key)

    def find(self, number: int) -> Staged | None:
        """Find what every replica answers for."""
        with self._lock:
            digest = self._changes.fleet.find(number)
        return None if digest is None else Tried(digest, number)

    def norms(self, staged: Staged) -> Mapping[str, float]:
        """Return nothing: there are no weights in this process."""
        return {}

    def is_lost(self, error: BaseException) -> bool:
        """Tell whether another watcher has begun."""
        return isinstance(error, TermLost)

    def loaded(self) -> Sequence[Loaded]:
        """List the base and what replicas are to answer for, each with the requests of all of them."""
        with self._lock:
            return loaded(self._changes.fleet, self.newest)

    def room(self) -> bool:
        """Tell whether each replica has a berth for one more."""
        with self._lock:
            return self._changes.fleet.has_room()

    def _key(self) -> str:
        return f"{self.newest.term}.{next(self._keys)}"
