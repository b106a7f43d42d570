"""Calls to the watcher, which may be away, or another actor under the same name."""

import threading
from functools import lru_cache
from typing import Any, TypeVar

import ray
import structlog
from ray.exceptions import GetTimeoutError, RayActorError, RayError

from hotswapd.daemon.fleet.wire import OtherVersion, unpacked

from .place import NAMESPACE

_SENDERS = 1000
T = TypeVar("T")
log = structlog.get_logger(__name__)


class Line:
    """A line to the watcher. For one thread; a call takes as long as `seconds` at most, if the watcher is there."""

    def __init__(self, name: str, seconds: float = 5.0) -> None:
        """Call nobody yet."""
        self._name = name
        self._seconds = seconds
        self._actor: Any = None

    def call(self, method: str, *arguments: Any) -> Any:
        """Return what the watcher's method returns; None if it is away, or does not answer in time."""
        try:
            if self._actor is None:
                self._actor = ray.get_actor(self._name, namespace=NAMESPACE)
            return ray.get(getattr(self._actor, method).remote(*arguments), timeout=self._seconds)
        except (RayActorError, ValueError):  # it is looked up again: a new one has the same name
            self._actor = None
        except (GetTimeoutError, RayError) as error:
            log.info("watcher_away", detail=str(error).split("\n", 1)[0])
        return None


def said(kind: type[T], answer: object) -> T | None:
    """Read what the watcher has answered; None, as where it is away, if its version cannot be read."""
    if answer is None:
        return None
    try:
        return unpacked(kind, answer)
    except OtherVersion as error:
        say_unreadable(error.sender, str(error))
        return None


@lru_cache(maxsize=_SENDERS)
def say_unreadable(sender: str, sentence: str) -> None:
    """Log what cannot be read, once for each sender: it says something many times a second, until it is replaced."""
    log.warning("other_version", code=OtherVersion.code, sender=sender, detail=sentence)


def repeat(stop: threading.Event, seconds: float, call: Any) -> None:
    """Call until `stop`, this many seconds apart."""
    while not stop.wait(seconds):
        call()
