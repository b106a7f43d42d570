"""The watcher's actor: the daemon's service over all replicas, and what they, the ingresses and operators call."""

import asyncio
import os
import time

import ray
import structlog

from hotswapd.daemon.answers import Overview
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.fleet.beside import Told
from hotswapd.daemon.fleet.calling import Called
from hotswapd.daemon.fleet.keeping import UnderWay
from hotswapd.daemon.fleet.orders import Orders, Report
from hotswapd.daemon.fleet.roll import Lost
from hotswapd.daemon.fleet.rules import Reloaded
from hotswapd.daemon.fleet.shared.trail import TermLost
from hotswapd.daemon.fleet.watching import Hands, Watching
from hotswapd.daemon.fleet.wire import Packed, packed
from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.service.state_dir import Occupied
from hotswapd.loaders.errors import Unavailable

from .calls import said
from .place import Together

log = structlog.get_logger(__name__)
_LONGEST = 1.0
_LOOK = 0.02
_PAUSE = 1.0
WATCHER = "watcher"
SERVE = "serve"
"""Serve's own namespace, where its replicas have their names."""


class Watcher:
    """The actor. Its methods run on the actor's event loop and take no time there.

    No concurrency groups: each would be an event loop of its own.
    """

    def __init__(self, settings: Settings, together: Together) -> None:
        """Begin a term, and watch the sources. Raises ConfigError or StartError, after which Ray starts no other.

        Where another watcher has the state directory or has begun at this moment, or `fleet.shared` is away, the
        process ends, and Ray starts it again.
        """
        try:
            hands = Hands(_replace, os._exit)
            self._watching = Watching(settings, together.trail(), together.limits, hands, together.deployment)
        except (Occupied, TermLost, Unavailable) as error:
            log.error("watcher_ends", detail=str(error))  # noqa: TRY400 - the sentence says it
            time.sleep(_PAUSE)
            os._exit(Exit.TRY_AGAIN)
        self.engine = self._watching.engine
        self._watching.start()

    async def hear(self, content: object) -> Packed | None:
        """Take in a replica's report; answer as soon as there are other orders, or after a second.

        A replica whose version cannot be read gets no orders: it answers by the pointer, and no change waits for it.
        """
        report = said(Report, content)
        return None if report is None else packed(await self._orders(report), WATCHER)

    async def _orders(self, report: Report) -> Orders:
        until = time.monotonic() + _LONGEST
        orders = self._watching.hear(report)
        while orders.age == report.age and not report.found and time.monotonic() < until:
            await asyncio.sleep(_LOOK)
            orders = self.engine.orders
        return orders

    async def hear_ingress(self, content: object) -> Packed | None:
        """Take in what an ingress is answering with; return what it is to go by: at once, unless it waits for news.

        One whose version cannot be read is told nothing.
        """
        under_way = said(UnderWay, content)
        return None if under_way is None else packed(await self._told(under_way), WATCHER)

    async def _told(self, said: UnderWay) -> Told:
        until = time.monotonic() + _LONGEST
        told = first = self._watching.hear_ingress(said)
        while said.waits and told.serial <= said.serial and told.beside == first.beside and time.monotonic() < until:
            await asyncio.sleep(_LOOK)
            told = self._watching.hear_ingress(said)
        return told

    async def newest(self) -> str:
        """Return the newest pointer as it was written, for an ingress that cannot read it."""
        return self.engine.newest.dump().decode()

    async def control(self, method: str, path: str, query: str = "", body: bytes = b"") -> Called:
        """Answer an operator's request as one daemon's control socket does. Who may ask, the caller has found out."""
        return await self._watching.calling.call(method, path, query, body)

    async def reload(self, text: str) -> Reloaded:
        """Have the fleet go by another configuration, see `Watching.reload`."""
        return await asyncio.to_thread(self._watching.reload, text)

    async def overview(self) -> Overview:
        """Return what the status page shows."""
        return await asyncio.to_thread(self._watching.operator.overview)

    async def exposition(self) -> bytes:
        """Return the watcher's own metrics, in Prometheus' text format."""
        return await asyncio.to_thread(self._watching.operator.exposition)


def _replace(lost: Lost) -> None:
    """Kill a replica that has left the rotation for good; Serve starts another one."""
    try:
        ray.kill(ray.get_actor(lost.member, namespace=SERVE))
    except ValueError:
        log.info("replica_gone", member=lost.member)
