"""An ingress's way to the watcher, for operators: whichever actor has the watcher's name now."""

import asyncio
from dataclasses import dataclass

import ray
from ray.exceptions import RayError

from hotswapd.daemon.errors import ErrorCode, NotReady

from .place import NAMESPACE

_LONGEST = 175.0
"""Seconds: a little less than a client waits for a change."""


@dataclass(frozen=True, slots=True)
class Controlling:
    """Passes requests on. For one event loop."""

    watcher: str

    async def call(self, method: str, path: str, query: str, body: bytes) -> tuple[int, bytes]:
        """Return the watcher's answer. Raises NotReady if there is none; a change may have been made all the same."""
        try:
            actor = await asyncio.to_thread(ray.get_actor, self.watcher, namespace=NAMESPACE)
            called = await asyncio.wait_for(actor.control.remote(method, path, query, body), _LONGEST)
        except (RayError, ValueError, TimeoutError):
            sentence = "the watcher is away, and is started again; look at the status, and try again in a moment"
            raise NotReady(ErrorCode.NOT_READY, sentence) from None
        return called.status, called.body
