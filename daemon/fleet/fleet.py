"""What a watcher knows of its replicas, and what it wants of them. No thread, no network; the clock is given."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from hotswapd.daemon.engines.protocol import NoRoom
from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.swap.gates.spec import Verdict

from .keeping import Keeping, UnderWay
from .limits import Limits
from .orders import Orders, Report, Trial
from .roll import Lost, Member, Roll
from .rules import Rules
from .shared.pointer import Pointer
from .votes import Votes


class Fleet:
    """The replicas of one watcher, in one term. Every method is for one thread, or with one lock."""

    def __init__(self, term: int, pointer: Pointer, limits: Limits, clock: Callable[[], float]) -> None:
        """Want what the pointer names, and nothing else."""
        self._limits = limits
        self._clock = clock
        self._pointer = pointer
        self._roll = Roll(limits.lease)
        self.votes = Votes(self._roll, limits, clock)
        """What the replicas' answers come to."""
        self._keeping = Keeping(limits.lease, limits.max_drain, clock())
        self._trials: dict[str, Trial] = {}
        self._answering = pointer.answering()
        self._idle: list[int] = []
        self._swaps: dict[int, str] = {}
        self._ordered: dict[int, tuple[int, int]] = {}
        self._closed: set[int] = set()
        self._stays: set[int] = set()
        self._fresh: set[int] = set()
        self.is_over = False
        """Whether a replica goes by the orders of a later term."""
        self.orders = Orders(term, 1, (), dict(self._answering))

    # What it hears

    def hear(self, report: Report) -> Orders:
        """Take in a replica's report and return what it is to hold."""
        if self._roll.hear(report, self._clock()):
            self._roll.note_trials(report, self._trials)
            if report.age[0] < self.orders.term:
                self._adopt(report.answering)
        self.is_over |= report.age[0] > self.orders.term
        return self.orders

    def hear_ingress(self, said: UnderWay) -> None:
        """Take in what an ingress is answering with."""
        self._keeping.hear(said, self._clock())

    def take_lost(self) -> list[Lost]:
        """Return which replicas are to be replaced; each is returned once."""
        return self._roll.take_lost()

    def members(self) -> list[Member]:
        """List all replicas that report."""
        return self._roll.members()

    def tick(self) -> None:
        """Do what is due by the clock."""
        now = self._clock()
        self._roll.expire(now)
        for one in self._roll.members():
            for digest, part in one.report.sick.items():
                why = f"it finds {digest[:12]} unfit, which is live: {part.sentence}"
                self._roll.lose(one.name, FleetCode.REPLICA_UNFIT, why)
        for number in self._keeping.due(now):
            self._rest(number)

    def _adopt(self, answering: Mapping[int, str]) -> None:
        """Keep what a replica still holds from an earlier term: somebody may be answered with it."""
        new = {number: digest for number, digest in answering.items() if number not in self._answering}
        if new:
            self._answering |= new
            for number in new:
                self._keeping.retire(number, self._pointer.serial, self._clock())
            self._changed()

    def _rest(self, number: int) -> None:
        """Let a generation that nobody needs lie where it is until its berth is needed, unless it was closed."""
        if number in self._closed:
            self.forget(number)
        else:
            self._idle.append(number)
            self._make_room()

    def _make_room(self, tried: Collection[str] = (), opened: Collection[str] = ()) -> bool:
        """Take the berths of what nobody needs for these digests, the oldest first; return whether there is room."""
        while self._needs(tried, opened) > self._limits.berths and self._idle:
            self.forget(self._idle[0])
        return self._needs(tried, opened) <= self._limits.berths

    def _needs(self, tried: Collection[str] = (), opened: Collection[str] = ()) -> int:
        """Count berths: one for each generation, and one for each candidate that is none of these."""
        answering = [*self._answering.values(), *opened]
        return len(answering) + len({*(one.digest for one in self._trials.values()), *tried} - set(answering))

    # What it wants

    def begin(self, trial: Trial) -> None:
        """Have every replica try this candidate. Raises NoRoom if the berths are needed for what is answered."""
        if not self._make_room(tried=[trial.digest]):
            raise NoRoom(f"all {self._limits.berths} berths of every replica are in use")
        self._trials[trial.key] = trial
        self._changed()

    def ask(self, trial: Trial) -> None:
        """Have it tried further: `trial` has the key of one that has begun."""
        if self._trials[trial.key] != trial:
            self._trials[trial.key] = trial
            self._changed()

    def end(self, key: str) -> None:
        """Have it tried no longer. Idempotent."""
        if self._trials.pop(key, None) is not None:
            self._changed()

    def open(self, number: int, digest: str, swap_id: str = "") -> None:
        """Have every replica answer for this generation. Raises NoRoom."""
        if number == 0:
            return
        self._keep(number)
        if self._answering.get(number) != digest:
            if not self._make_room(opened=[digest]):
                raise NoRoom(f"all {self._limits.berths} berths of every replica are in use")
            self._fresh.add(number)
            self._answering[number] = digest
            self._swaps[number] = swap_id
            self._ordered[number] = (self.orders.term, self.orders.version + 1)
            self._changed()

    def stay(self, number: int) -> None:
        """Have it answered until `close`, whether or not it is live in some channel."""
        self._stays.add(number)
        self._fresh.discard(number)

    def withdraw(self, number: int) -> None:
        """Undo `open`: no request was given it since then. What is live, or stays, is answered as before."""
        if number in self._pointer.answering() or number in self._stays:
            return
        if number in self._fresh:
            self.forget(number)
        elif number in self._answering:
            self._keeping.retire(number, self._pointer.serial, self._clock())

    def close(self, number: int) -> None:
        """Have it answered no longer, once nobody can need it: what is live in some channel stays. Idempotent."""
        self._stays.discard(number)
        if number in self._answering and number not in self._pointer.answering():
            self._closed.add(number)
            self._keeping.retire(number, self._pointer.serial, self._clock())
            if number in self._idle:
                self.forget(number)

    def forget(self, number: int) -> None:
        """Have it answered no longer, at once. Idempotent; what is live in some channel stays."""
        if number in self._pointer.answering():
            return
        self._keep(number)
        if self._answering.pop(number, None) is not None:
            self._swaps.pop(number, None)
            self._changed()

    def _keep(self, number: int) -> None:
        """Plan no end for it."""
        self._keeping.back(number)
        self._closed.discard(number)
        self._fresh.discard(number)
        if number in self._idle:
            self._idle.remove(number)

    def follow(self, pointer: Pointer) -> None:
        """Note what is live from now on; what was live retires, and keeps its berth until that is needed."""
        before, self._pointer = self._pointer, pointer
        self._fresh -= pointer.answering().keys()
        for number in before.answering().keys() - pointer.answering().keys() - self._stays:
            self._keeping.retire(number, pointer.serial, self._clock())

    def find(self, number: int) -> str | None:
        """Return the digest of a generation that every replica answers for; None if it is none of these."""
        return BASE_DIGEST if number == 0 else self._answering.get(number)

    def is_live(self, digest: str) -> bool:
        """Tell whether some channel has these bytes live: every replica has them, or takes them before it serves."""
        return digest in self._pointer.answering().values()

    def answering(self) -> dict[int, str]:
        """Return the digests of all generations that replicas are to answer for, by number."""
        return dict(self._answering)

    def needed(self) -> set[str]:
        """Name all bytes that replicas hold, are to hold or are to try: what is live and beside it, and candidates."""
        there = {**self._answering, **self._pointer.answering()}
        return {*there.values(), *(trial.digest for trial in self._trials.values())} - {BASE_DIGEST}

    def use(self, number: int) -> str:
        """Tell what a generation is held for that is not live: see `protocol.Loaded.use`."""
        if number in self._stays:
            return "canary"
        return "previous" if number in self._idle else "draining" if number not in self._fresh else "candidate"

    def has_room(self) -> bool:
        """Tell whether one more candidate could be tried."""
        return self._needs() - len(self._idle) < self._limits.berths

    def _changed(self) -> None:
        orders = self.orders
        trials, answering, swaps = tuple(self._trials.values()), dict(self._answering), dict(self._swaps)
        version = orders.version + 1
        self.orders = replace(orders, version=version, trials=trials, answering=answering, swaps=swaps)

    def renew(self, rules: Rules) -> None:
        """Have every replica verify by this configuration from now on."""
        self.orders = replace(self.orders, version=self.orders.version + 1, rules=rules)

    def bound(self, max_drain: float) -> None:
        """Let retired generations be answered for so many seconds at most; 0 is no bound."""
        self._keeping.max_drain = max_drain

    # What has become of it

    def verdicts(self, key: str) -> list[tuple[str, Verdict]]:
        """Return the verdicts of a trial's gates, see `Votes.verdicts`."""
        trial = self._trials.get(key)
        return self.votes.verdicts(key, trial.judge if trial else "")

    def has_opened(self, number: int, since: float) -> bool:
        """Tell whether every replica in rotation answers for this generation, which was ordered at `since`.

        Who does not within the patience is lost, unless nobody does: that raises NoRoom.
        """
        if number == 0:
            return True
        return self.votes.have_opened(number, self._answering[number], self._ordered.get(number, (0, 0)), since)
