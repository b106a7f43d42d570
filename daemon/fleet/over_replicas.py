"""The engine of a watcher, as its service takes it: all replicas of the fleet, and the base without its weights."""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from hotswapd.daemon.answers import ResidentStatus
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.ledger.journal import Outpaced
from hotswapd.daemon.replicas import ReplacedStatus, ReplicaStatus
from hotswapd.daemon.report.ingresses import Count
from hotswapd.daemon.serve.signed_answers import Once
from hotswapd.swap.errors import ResidentLost

from .beside import Beside, Told
from .endings import Counted
from .engine import FleetEngine
from .keeping import UnderWay
from .orders import Report
from .outline import Outline

if TYPE_CHECKING:
    from hotswapd.daemon.serve.split import Telling
    from hotswapd.swap.rows.ended import Ended

log = structlog.get_logger(__name__)
_TICK = 0.5


@dataclass(frozen=True, slots=True)
class Duties:
    """What a watcher does besides. All are legal on any thread.

    `publish` writes what is due, and `tidy` removes from `fleet.shared` what nobody needs; both are called every half
    second, may raise Outpaced or ResidentLost, and take no longer than a few calls of the place. `want` is told what
    the ledger needs of it, `on_ended` how a request ended, whichever replica has answered it, and `on_counts` all that
    an ingress has counted of its clients.
    """

    publish: Callable[[], None] = lambda: None
    tidy: Callable[[], None] = lambda: None
    want: Callable[[Collection[str]], None] = lambda digests: None
    on_ended: "Callable[[Ended], None]" = lambda ended: None
    on_counts: Callable[[str, Sequence[Count]], None] = lambda ingress, counts: None


class OverReplicas:
    """`engines.opened.Opened` over the replicas of a fleet."""

    ask = None
    """Nobody is asked beside: a watcher has no way to have a replica answer it."""

    def __init__(self, engine: FleetEngine, outline: Outline, duties: Duties) -> None:
        """`outline` is of the base that every replica has."""
        self.engine = engine
        self._duties = duties
        self._counted = Counted()
        self._scored = Once()
        self._split: Telling | None = None
        self._outline = outline
        self._ended = threading.Event()

    @property
    def contract_fingerprint(self) -> str:
        """That of the outline's contract."""
        return self._outline.contract_fingerprint

    @property
    def base_fingerprint(self) -> str:
        """That of the base's checkpoint, as the watcher reads it."""
        return self._outline.base_fingerprint

    def describe(self) -> ResidentStatus:
        """Describe what every replica has."""
        return self._outline.describe()

    def replicas(self) -> list[ReplicaStatus]:
        """Describe each replica."""
        return self.engine.statuses()

    def replaced(self) -> ReplacedStatus:
        """Describe which replicas were replaced."""
        return self.engine.replaced()

    def answerer(self, split: "Telling") -> None:
        """Return None: the ingresses answer, and are told how to split."""
        self._split = split

    def told(self, said: UnderWay) -> Told:
        """Take in what an ingress says, and return what it is to go by."""
        now, split = self.engine.hear_ingress(said), self._split
        if split is None:  # nothing has come back yet
            return Told.of(now, said, self.engine.orders.rules)
        if self._counted.is_new(said.ingress, said.count):
            self._duties.on_counts(said.ingress, said.counts)
            for generation, score, answer in said.scores:
                if not answer or self._scored.is_first(answer):  # two ingresses may have taken a score of one answer
                    split.scored(generation, score)
        digests = self.engine.orders.answering
        shares = split.shares().items()
        beside = {name: Beside(one, digests[one.beside]) for name, one in shares if one.beside in digests}
        return Told.of(now, said, self.engine.orders.rules, beside)

    def ended(self, report: Report) -> None:
        """Take in how requests of a replica ended."""
        for one in self._counted.fresh(report.member, report.endings):
            self._duties.on_ended(one)

    def keep_only(self, digests: Collection[str]) -> None:
        """Have `fleet.shared` keep these, and what replicas need."""
        self._duties.want(digests)

    def judge_by(self, settings: Settings) -> None:
        """Admit by these settings; replicas have been told to verify by them."""
        self._outline.judge_by(settings)

    def tick(self, max_drain: float) -> None:
        """Go by this bound; what is due does `keep`, since the worker's thread may wait for replicas for long."""
        self.engine.bound(max_drain)

    def keep(self, on_lost: Callable[[ResidentLost], None]) -> None:
        """Do what is due by the clock, on threads of its own, until `close` or the loss of the term.

        What reads and writes in `fleet.shared` has one for itself, which may hang with it.
        """
        for name, duty in (("fleet", self.engine.tick), ("shared", self._tidy)):
            threading.Thread(target=self._keep, args=(duty, on_lost), name=name, daemon=True).start()

    def close(self, seconds: float) -> None:
        """Do nothing more. Legal on any thread."""
        del seconds
        self._ended.set()

    def _tidy(self) -> None:
        self._duties.publish()
        self._duties.tidy()

    def _keep(self, duty: Callable[[], None], on_lost: Callable[[ResidentLost], None]) -> None:
        try:
            while not self._ended.wait(_TICK):
                duty()
        except ResidentLost as error:
            on_lost(error)
        except Outpaced as error:
            on_lost(ResidentLost(str(error)))
        except Exception:
            log.exception("fleet_failed")
            on_lost(ResidentLost("a defect of hotswapd has ended the fleet's clock; the log has its trace"))
