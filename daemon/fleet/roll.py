"""Which replicas there are, and which of them a change waits for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hotswapd.daemon.errors import FleetCode

from .orders import Found, Report, Trial


@dataclass(frozen=True, slots=True)
class Lost:
    """A replica that is to be replaced, and why."""

    member: str
    code: FleetCode
    sentence: str


@dataclass(slots=True)
class Member:
    """A replica, by its last report. `heard` and `since` are when that came and when it began to serve, in seconds.

    `last` is the last trial of which it has found something, and what.
    """

    report: Report
    heard: float
    since: float
    last: tuple[Trial, Found] | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.report.member


class Roll:
    """All replicas that report. Who is silent for `lease` seconds is lost until it reports again, others for good."""

    def __init__(self, lease: float) -> None:
        """Know nobody."""
        self._lease = lease
        self._members: dict[str, Member] = {}
        self._lost: list[Lost] = []
        self._out: set[str] = set()

    def hear(self, report: Report, now: float) -> bool:
        """Take in a report; return False for one that a later one overtook, or of a replica that is lost for good."""
        if report.member in self._out:
            return False
        if report.leaving:  # nobody waits for it, and it needs no successor
            self._members.pop(report.member, None)
            self._out.add(report.member)
            return False
        known = self._members.get(report.member)
        if known is None:
            self._members[report.member] = Member(report, now, now)
            return True
        if report.count <= known.report.count:
            return False
        if report.serving and not known.report.serving:
            known.since = now
        known.report, known.heard = report, now
        return True

    def note_trials(self, report: Report, trials: Mapping[str, Trial]) -> None:
        """Note what a replica has found of the trials that run; it forgets them when they end."""
        member = self._members[report.member]
        for key, found in report.found.items():
            if key in trials:
                member.last = trials[key], found

    def serving(self) -> Iterator[Member]:
        """Iterate over those in rotation: a change waits for each of them."""
        return (one for one in list(self._members.values()) if one.report.serving)

    def members(self) -> list[Member]:
        """List all of them."""
        return list(self._members.values())

    def lose(self, name: str, code: FleetCode, why: str) -> None:
        """Take a replica out of rotation for good; it is to be replaced."""
        if self._members.pop(name, None) is not None:
            self._out.add(name)
            self._lost.append(Lost(name, code, why))

    def expire(self, now: float) -> None:
        """Wait no longer for whoever has been silent for longer than the lease."""
        for one in self.members():
            if now - one.heard > self._lease:
                del self._members[one.name]

    def take_lost(self) -> list[Lost]:
        """Return whom this has lost for good since the last call."""
        lost, self._lost = self._lost, []
        return lost
