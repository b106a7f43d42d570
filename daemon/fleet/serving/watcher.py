"""The watcher's actor: the engine over all replicas, and what they and the ingresses report to it."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import ray
import structlog

from hotswapd.daemon.fleet.changes import Changes
from hotswapd.daemon.fleet.engine import FleetEngine, Outside
from hotswapd.daemon.fleet.fleet import Fleet
from hotswapd.daemon.fleet.keeping import UnderWay
from hotswapd.daemon.fleet.orders import Orders, Report
from hotswapd.daemon.fleet.shared.copies import SharedCopies
from hotswapd.daemon.fleet.shared.trail import Term, require_exclusive
from hotswapd.daemon.host.exits import Exit
from hotswapd.loaders.store.store import Store
from hotswapd.swap.errors import ResidentLost

from .place import Together

log = structlog.get_logger(__name__)
_TICK = 0.5
_LONGEST = 1.0
_LOOK = 0.02
SERVE = "serve"
"""Serve's own namespace, where its replicas have their names."""


class Watcher:
    """The base of the actor: a term, and the engine. Its methods run on the actor's event loop and take no time.

    No concurrency groups: each would be an event loop of its own.
    """

    def __init__(self, together: Together, store: Path, admit: Callable[[Path], object]) -> None:
        """Begin a term. Raises TermLost or Unavailable: then Ray starts another watcher."""
        trail, holder = together.trail(), uuid4().hex
        require_exclusive(trail.place, holder)
        term = Term.begin(trail, holder)
        self.store = Store(store)
        self._copies = SharedCopies(trail.place)
        fleet = Fleet(term.now.term, term.now, together.limits, time.monotonic)
        outside = Outside(admit, self._send, self._record, _replace)
        self.engine = FleetEngine(Changes(fleet, term, time.monotonic), outside, together.limits.patience)
        threading.Thread(target=self._tick, name="fleet", daemon=True).start()
        log.info("term_begun", term=term.now.term, serial=term.now.serial)

    async def hear(self, report: Report) -> Orders:
        """Take in a replica's report; answer as soon as there are other orders, or after a second."""
        until = time.monotonic() + _LONGEST
        orders = self.engine.hear(report)
        while orders.age == report.age and not report.found and time.monotonic() < until:
            await asyncio.sleep(_LOOK)
            orders = self.engine.orders
        return orders

    async def hear_ingress(self, said: UnderWay) -> int:
        """Take in what an ingress is answering with; return the newest serial."""
        return self.engine.hear_ingress(said)

    def _send(self, digest: str) -> None:
        with self.store.hold(digest) as artifact:
            if artifact is None:
                raise FileNotFoundError(2, "it is not in the store", digest)
            self._copies.send(artifact)

    def _record(self, channel: str) -> Mapping[str, Any] | None:
        return self.store.pointer(channel)

    def _tick(self) -> None:
        try:
            while True:
                self.engine.tick()
                time.sleep(_TICK)
        except ResidentLost as error:
            log.error("watcher_ends", detail=str(error))  # noqa: TRY400 - the sentence says it
        except BaseException:
            log.exception("watcher_failed")
        os._exit(Exit.RESIDENT_LOST)


def _replace(member: str, why: str) -> None:
    """Kill a replica that has left the rotation for good; Serve starts another one."""
    log.warning("replica_replaced", member=member, detail=why)
    try:
        ray.kill(ray.get_actor(member, namespace=SERVE))
    except ValueError:
        log.info("replica_gone", member=member)
