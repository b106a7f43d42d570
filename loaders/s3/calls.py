"""Calls to a bucket or a queue: each ends in an answer or in a sentence, and none outlives its stop."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from hotswapd.loaders.wire import Wire

from .errors import EXPIRED, Asked, S3Trouble, trouble_of
from .session import Patience, S3Access, make_client, tell_sockets

T = TypeVar("T")
_ERRORS = (BotoCoreError, ClientError, ResponseParserError, HTTPError, OSError, ValueError)
# After these the session is made anew before the next call: it may find other credentials.
_RENEW = frozenset({EXPIRED, "bad_credentials", "no_credentials", "access_denied", "misconfigured"})
_AT_ONCE = frozenset({EXPIRED, "bad_credentials", "no_credentials"})


class Calls:
    """A client that is made when it is first used, and again when its credentials no longer do. For one thread.

    Every call lies within `talking`.
    """

    def __init__(
        self,
        service: Literal["s3", "sqs"],
        access: S3Access,
        patience: Patience,
        asked: Asked,
        closed: threading.Event,
    ) -> None:
        """Touch nothing yet. `closed` ends every call that is under way, and each later one."""
        self.asked = asked
        self._service = service
        self._access = access
        self._patience = patience
        self._closed = closed
        self._client: Any = None
        self._wire: Wire | None = None
        self._until = self._limit = math.inf

    @contextmanager
    def talking(self, *stops: threading.Event, limit: float = math.inf) -> Iterator[None]:
        """Watch over the calls of a block: they end soon after a stop, or when nothing comes for too long.

        No call is made when the block has lasted for `limit` seconds. Raises S3Trouble when a stop is set already.
        """
        stops = (self._closed, *stops)
        if any(stop.is_set() for stop in stops):
            raise self.asked.trouble("stopping")
        self._until, self._limit = time.monotonic() + limit, limit
        with Wire(stops, self._patience.whole) as wire:
            self._wire = wire
            try:
                yield
            finally:
                self._wire = None

    def call(self, do: Callable[[Any], T]) -> T:
        """Give `do` the client, and once more one with other credentials when these have expired. Raises S3Trouble."""
        try:
            return self._once(do)
        except S3Trouble as trouble:
            if trouble.kind in _RENEW:
                self._client = None
            if trouble.kind not in _AT_ONCE and not (trouble.bare and trouble.kind in _RENEW):
                raise
        try:
            return self._once(do)
        except S3Trouble as trouble:
            if trouble.kind in _RENEW:
                self._client = None
            raise

    def _once(self, do: Callable[[Any], T]) -> T:
        with self.explained():
            if self._client is None:
                self._client = self._open()
            return do(self._client)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what goes wrong within into S3Trouble, and note that something came when nothing does."""
        wire = self._wire
        assert wire is not None, "every call lies within talking()"
        self._raise_if_cut()
        if time.monotonic() > self._until:
            raise self.asked.trouble("unreachable", f"it took longer than {self._limit:g} s to see it all")
        try:
            yield
        except _ERRORS as error:
            self._raise_if_cut()
            raise trouble_of(error, self.asked) from error
        wire.progress()

    def _open(self) -> Any:
        client = make_client(self._service, self._access, self._patience)
        tell_sockets(client, self._hold)
        # Before the library's own: a call that was cut is not made again.
        client.meta.events.register_first("needs-retry", self._raise_if_cut)
        return client

    def _hold(self, opened: Any) -> None:
        if self._wire is not None:
            self._wire.hold(opened)

    def _raise_if_cut(self, **_: Any) -> None:
        wire = self._wire
        if wire is None or wire.cut_by is None:
            return
        if wire.cut_by == "stopping":
            raise self.asked.trouble("stopping")
        raise self.asked.trouble("unreachable", f"nothing useful came for {self._patience.whole:g} s")
