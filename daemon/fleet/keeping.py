"""What is kept on every replica although it is not live any more: what an ingress may still be answering with it.

An ingress gives each request the generation that was live when it came, and another replica may have to take the
answer up. So a generation that has retired goes only when every ingress has followed the pointer that retired it and
has no request of that generation left; or after `max_drain` seconds.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from hotswapd.daemon.report.ingresses import Count


@dataclass(frozen=True, slots=True)
class UnderWay:
    """What an ingress says: the serial that it follows, and which generations it is answering with. `count` rises.

    `waits` asks for an answer when there is a newer serial, or after a while: it looks at the pointer seldom. `scores`
    is the feedback since the last one that arrived: generations, how good an answer of theirs was, and its id. `counts`
    is all that it has counted of its clients.
    """

    ingress: str
    count: int
    serial: int
    numbers: frozenset[int] = frozenset()
    scores: tuple[tuple[int, float, str], ...] = ()
    waits: bool = False
    counts: tuple[Count, ...] = field(default=(), repr=False)


class Keeping:
    """Times are in seconds. An ingress that has been silent for `lease` has ended; `max_drain` 0 is no bound."""

    def __init__(self, lease: float, max_drain: float, now: float) -> None:
        """Keep everything for the first `lease` seconds: no ingress may have spoken yet."""
        self._lease = lease
        self.max_drain = max_drain
        self._began = now
        self._retired: dict[int, tuple[int, float]] = {}
        self._ingresses: dict[str, tuple[UnderWay, float]] = {}

    def hear(self, said: UnderWay, now: float) -> None:
        """Take in what an ingress says, unless something newer came before."""
        known = self._ingresses.get(said.ingress)
        if known is None or known[0].count < said.count:
            self._ingresses[said.ingress] = said, now

    def retire(self, number: int, serial: int, now: float) -> None:
        """Note that requests that came after this serial's pointer are not given this generation."""
        self._retired.setdefault(number, (serial, now))

    def back(self, number: int) -> None:
        """Note that requests are given it again."""
        self._retired.pop(number, None)

    def kept(self) -> Collection[int]:
        """Name what is kept now."""
        return self._retired.keys()

    def due(self, now: float) -> list[int]:
        """Return what nobody can need any more, oldest first, and keep it no longer."""
        for name, (_, heard) in list(self._ingresses.items()):
            if now - heard > self._lease:
                del self._ingresses[name]
        gone = [number for number, (serial, since) in self._retired.items() if self._is_due(number, serial, since, now)]
        for number in gone:
            del self._retired[number]
        return gone

    def _is_due(self, number: int, serial: int, since: float, now: float) -> bool:
        if self.max_drain and now - since >= self.max_drain:
            return True
        if now - self._began <= self._lease:
            return False
        said = [one for one, _ in self._ingresses.values()]
        return all(one.serial >= serial and number not in one.numbers for one in said)
