"""Replicas, as ``GET /status`` shows them."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable

from hotswapd.daemon.engines.protocol import DEFAULT, Loaded
from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.daemon.ledger.moment import moment
from hotswapd.daemon.replicas import ReplacedStatus, ReplicaGeneration, ReplicaReplaced, ReplicaStatus, ReplicaTrial

from .fleet import Fleet
from .orders import Found, Trial
from .roll import Lost, Member
from .shared.pointer import Pointer

_SHOWN = 10
_COUNTED = (FleetCode.REPLICA_LATE, FleetCode.REPLICA_UNFIT, FleetCode.REPLICA_ODD)


class Replaced:
    """Which replicas this watcher has had replaced. For one thread, or with one lock."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Begin with none; `clock` gives seconds since 1970."""
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._last: deque[ReplicaReplaced] = deque(maxlen=_SHOWN)

    def add(self, lost: Iterable[Lost]) -> None:
        """Take in some more."""
        for one in lost:
            self._counts[one.code] += 1
            at = moment(self._clock())
            self._last.appendleft({"name": one.member, "code": one.code, "sentence": one.sentence, "at": at})

    def status(self) -> ReplacedStatus:
        """Return how many there were of each reason, none of a reason too, and the last ones, newest first."""
        return {"counts": {code: self._counts[code] for code in _COUNTED}, "last": list(self._last)}


def shown(member: Member, now: float) -> ReplicaStatus:
    """Describe it by its last report; `now` is by the clock of `Member.heard`."""
    report = member.report
    troubles = [*(part.sentence for part in report.sick.values()), *filter(None, [report.unread])]
    return {
        "name": member.name,
        "serving": report.serving,
        "silent": round(max(0.0, now - member.heard), 3),
        "answering": sorted(report.answering),
        "loaded": [_generation(one) for one in report.loaded],
        "active": sum(one.active for one in report.loaded),
        "waiting": sum(one.waiting for one in report.loaded),
        "trial": None if member.last is None else _trial(*member.last),
        "trouble": "; ".join(troubles) or None,
    }


def _generation(one: Loaded) -> ReplicaGeneration:
    return {
        "berth": one.berth,
        "generation": one.number,
        "digest": one.digest,
        "use": one.use,
        "active": one.active,
        "waiting": one.waiting,
    }


def _trial(trial: Trial, found: Found) -> ReplicaTrial:
    part = found.part
    said = (part.code or None), (part.sentence or None)
    return {"digest": trial.digest, "uri": trial.uri, "answer": part.answer, "code": said[0], "sentence": said[1]}


def loaded(fleet: Fleet, pointer: Pointer) -> list[Loaded]:
    """List the base and what replicas are to answer for, each with the requests of all replicas that report."""
    active, waiting = Counter[int](), Counter[int]()
    for one in [one for member in fleet.members() for one in member.report.loaded]:
        active[one.number] += one.active
        waiting[one.number] += one.waiting
    found = []
    for number, digest in {0: BASE_DIGEST, **fleet.answering()}.items():
        names = tuple(name for name in pointer.routes if pointer.answers(name)[0] == number)
        if number == 0 and not pointer.answers(DEFAULT)[0]:
            names = tuple(dict.fromkeys((DEFAULT, *names)))
        use = "live" if names or number == 0 else fleet.use(number)
        found.append(Loaded(number, digest, active[number], waiting[number], names=names, use=use))
    return found
