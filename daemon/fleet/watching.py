"""A watcher, whoever carries its calls: its term, the engine over its replicas, and the daemon's own service."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog

from hotswapd.daemon.config.settings import ConfigError, Settings
from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.host.notify import Notify
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.service.circumstances import Circumstances
from hotswapd.daemon.service.opening import Opening
from hotswapd.daemon.service.service import Service
from hotswapd.daemon.service.state_dir import StateDir
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.store.store import Store

from .beside import Told
from .calling import Calling
from .changes import Changes
from .engine import FleetEngine
from .fleet import Fleet
from .keeping import UnderWay
from .limits import Limits
from .orders import Orders, Report
from .outline import Outline
from .outside import Outside
from .over_replicas import Duties, OverReplicas
from .quiet import Stopping, Unheard
from .rebuilding import Settling, rebuild
from .reloading import FleetReloading
from .roll import Lost
from .rules import Reloaded, Reloads, Rules
from .shared.copies import SharedCopies
from .shared.journal import SharedJournal
from .shared.place import Place
from .shared.sweep import Sweep
from .shared.trail import Term, Trail, require_exclusive

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Hands:
    """What a watcher does outside: `replace` a replica that is lost for good; `leave` with a status."""

    replace: Callable[[Lost], None] = lambda lost: None
    leave: Callable[[int], None] = os._exit


class Watching:
    """One watcher. Every method is legal on any thread; `start` is called once."""

    def __init__(
        self, settings: Settings, trail: Trail, limits: Limits, hands: Hands, deployment: str = "usual"
    ) -> None:
        """Begin a term. Raises Occupied, ConfigError, StartError, TermLost or Unavailable.

        `settings` are those of the deployment, which has this name; what it was given since then counts more.
        """
        self._reloading = FleetReloading.begin(Reloads(trail.place, deployment), settings)
        settings = self._reloading.settings
        self._hands = hands
        self._stopping = Stopping()
        self._copies = SharedCopies(trail.place)
        self._outline = Outline(settings)
        self._state = StateDir(settings.state.dir)
        self._state.occupy()
        self._term = _begin(trail)
        self._settle(settings, trail.place)
        self._journal = SharedJournal(trail, self._term.now.term)
        self._sweep = Sweep(self._copies, self._send)
        self._hearing = threading.Lock()
        self._opened: OverReplicas | None = None
        self._service = Service(settings, lambda: self._reloading.settings, self._circumstances())
        self.operator = self._service.operator
        """What operators and clients ask."""
        self.calling = Calling(self.operator)
        """The control API, for one event loop."""
        self.engine = FleetEngine(self._changes(limits), self._outside(), limits.patience)
        """The engine; replicas and ingresses report to it."""
        self.engine.renew(self._reloading.rules)
        self._reloading.tell = self._tell

    def _circumstances(self) -> Circumstances:
        return Circumstances(
            self._state,
            Notify(),
            self._stopping,
            open_engine=self._open,
            listen=Unheard,
            leave=self._hands.leave,
            journal=self._journal,
        )

    def _settle(self, settings: Settings, place: Place) -> None:
        """Let ledger, pointers and copies on this disk be what the fleet knows."""
        try:
            rebuilt = rebuild(place, self._state.ledger)
            ledger = Ledger(self._state.ledger)
            settling = Settling(Store(self._state.store), ledger, self._copies, settings.admission.max_artifact_bytes)
            settling.settle(self._term.now, rebuilt=rebuilt)
            settling.fetch(settings.state.keep)
            ledger.close()
        except (sqlite3.Error, LedgerDown, OSError) as error:
            raise ConfigError("state.dir", f"{self._state.path} cannot be used: {error}") from None

    def _changes(self, limits: Limits) -> Changes:
        now = self._term.now
        return Changes(Fleet(now.term, now, limits, time.monotonic), self._term, time.monotonic)

    def _outside(self) -> Outside:
        return Outside(self._outline.admit, self._send, self._record, self._hands.replace)

    def start(self) -> threading.Thread:
        """Watch sources, try what they bring and answer operators, on a thread of its own; then `leave`."""
        thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        try:
            status = int(self._service.run())
        except Exception:
            log.exception("watcher_failed")
            status = Exit.RESIDENT_LOST
        self._state.leave()
        log.info("watcher_ended", status=status)
        self._hands.leave(status)

    def hear(self, report: Report) -> Orders:
        """Take in a replica's report, and return what it is to hold. How requests ended counts once all is open."""
        orders = self.engine.hear(report)
        with self._hearing:
            if self._opened is not None:
                self._opened.ended(report)
        return orders

    def hear_ingress(self, said: UnderWay) -> Told:
        """Take in what an ingress is answering with, and return what it is to go by."""
        with self._hearing:
            if self._opened is not None:
                return self._opened.told(said)
        return Told.of(self.engine.hear_ingress(said), said, self.engine.orders.rules)

    def reload(self, text: str) -> Reloaded:
        """Go by these settings, as `Rules.of` writes them, and have all processes do so. May take seconds."""
        try:
            return Reloaded(self._reloading.reload(text))
        except ConfigError as error:
            return Reloaded(problems=error.problems)
        except Unavailable as error:
            return Reloaded(away=error.sentence)

    def _tell(self, rules: Rules) -> None:
        self._stopping.reload()
        self.engine.renew(rules)

    def stop(self) -> None:
        """Have it end."""
        self._stopping.stop()

    def _open(self, opening: Opening) -> OverReplicas:
        self._unroute_removed()
        counts = opening.metrics.counted_by_ingresses().hear
        duties = Duties(self._journal.publish, self._tidy, self._sweep.want, opening.on_ended, counts)
        opened = OverReplicas(self.engine, self._outline, duties)
        with self._hearing:
            self._opened = opened
        opening.at_end(opened.close)
        opened.keep(opening.on_lost)
        return opened

    def _unroute_removed(self) -> None:
        """Finish the removal of channels that the ledger knows no longer and the pointer still names."""
        try:
            known = {DEFAULT, *self.operator.ledger.channels.all()}
        except LedgerDown as error:
            log.warning("ledger_down", detail=str(error))
            return
        for name in sorted(self._term.now.routes.keys() - known):
            self.engine.unroute(name)

    def _tidy(self) -> None:
        """Remove a little of what nobody needs from `fleet.shared`. Raises ResidentLost once the term is over."""
        try:
            self._sweep.step(self.engine.needed())
            self._journal.tidy()
        except Unavailable as error:
            log.warning("not_tidied", detail=str(error))

    def _send(self, digest: str) -> None:
        self._sweep.sending(digest)
        with self._service.store.hold(digest) as artifact:
            if artifact is None:
                raise FileNotFoundError(2, "it is not in the store", digest)
            self._copies.send(artifact)

    def _record(self, channel: str) -> Mapping[str, Any] | None:
        return self._service.store.pointer(channel)


def _begin(trail: Trail) -> Term:
    holder = uuid4().hex
    require_exclusive(trail.place, holder)
    term = Term.begin(trail, holder)
    log.info("term_begun", term=term.now.term, serial=term.now.serial)
    return term
