"""An ingress's way to the watcher, for operators and those who look: whichever actor has the watcher's name now."""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import ray
from ray.exceptions import RayError

from hotswapd.daemon.answers import Overview
from hotswapd.daemon.errors import ErrorCode, NotReady

from .place import NAMESPACE

_LONGEST, _LOOK = 175.0, 4.0
"""Seconds: a little less than a client waits for a change, and for an answer."""
_AWAY = "the watcher is away, and is started again; look at the status, and try again in a moment"


@dataclass(frozen=True, slots=True)
class Controlling:
    """Passes requests on. `call` is for one event loop, the others are for other threads and may take seconds."""

    watcher: str

    async def call(self, method: str, path: str, query: str, body: bytes) -> tuple[int, bytes]:
        """Return the watcher's answer. Raises NotReady if there is none; a change may have been made all the same."""
        try:
            actor = await asyncio.to_thread(ray.get_actor, self.watcher, namespace=NAMESPACE)
            called = await asyncio.wait_for(actor.control.remote(method, path, query, body), _LONGEST)
        except (RayError, ValueError, TimeoutError):
            raise NotReady(ErrorCode.NOT_READY, _AWAY) from None
        return called.status, called.body

    def overview(self) -> Overview:
        """Return what the status page shows of the fleet. Raises NotReady."""
        return cast("Overview", self._look("overview"))

    def exposition(self) -> bytes:
        """Return the watcher's metrics. Raises NotReady."""
        return bytes(self._look("exposition"))

    def _look(self, method: str) -> Any:
        try:
            actor = ray.get_actor(self.watcher, namespace=NAMESPACE)
            return ray.get(getattr(actor, method).remote(), timeout=_LOOK)
        except (RayError, ValueError):
            raise NotReady(ErrorCode.NOT_READY, _AWAY) from None
