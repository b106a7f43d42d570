"""Calls to a bucket or a queue: each ends with an answer or a sentence, and none outlives its stop."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from hotswapd.loaders.codes import BucketCode, WaitingCode
from hotswapd.loaders.wire import Wire

from .errors import CallContext, S3Trouble, trouble_of
from .session import Patience, S3Access, make_client, report_sockets

T = TypeVar("T")
_ERRORS = (BotoCoreError, ClientError, ResponseParserError, HTTPError, OSError, ValueError)
# After these the next call gets a new session, which may find other credentials.
_RENEW = frozenset(
    {
        BucketCode.EXPIRED,
        BucketCode.BAD_CREDENTIALS,
        BucketCode.NO_CREDENTIALS,
        BucketCode.ACCESS_DENIED,
        BucketCode.MISCONFIGURED,
    }
)
_AT_ONCE = frozenset({BucketCode.EXPIRED, BucketCode.BAD_CREDENTIALS, BucketCode.NO_CREDENTIALS})


class Calls:
    """A client that is made when it is first used, and again when its credentials no longer work. For one thread.

    Every call is made within `talking`.
    """

    def __init__(
        self,
        service: Literal["s3", "sqs"],
        access: S3Access,
        patience: Patience,
        context: CallContext,
        closed: threading.Event,
    ) -> None:
        """Touch nothing yet. `closed` ends every call that is under way, and every later one."""
        self.context = context
        self._service = service
        self._access = access
        self._patience = patience
        self._closed = closed
        self._client: Any = None
        self._wire: Wire | None = None
        self._until = self._limit = math.inf

    @contextmanager
    def talking(self, *stops: threading.Event, limit: float = math.inf) -> Iterator[None]:
        """Supervise the calls of a block: they end soon after a stop, or after too long a silence.

        No call is made once the block has lasted for `limit` seconds. Raises S3Trouble if a stop is already set.
        """
        stops = (self._closed, *stops)
        if any(stop.is_set() for stop in stops):
            raise self.context.trouble(WaitingCode.STOPPING)
        self._until, self._limit = time.monotonic() + limit, limit
        with Wire(stops, self._patience.whole) as wire:
            self._wire = wire
            try:
                yield
            finally:
                self._wire = None

    def call(self, do: Callable[[Any], T]) -> T:
        """Return `do(client)`; if the credentials have expired, try again with a new client. Raises S3Trouble."""
        try:
            return self._once(do)
        except S3Trouble as trouble:
            if trouble.code in _RENEW:
                self._client = None
            if trouble.code not in _AT_ONCE and not (trouble.bare and trouble.code in _RENEW):
                raise
        try:
            return self._once(do)
        except S3Trouble as trouble:
            if trouble.code in _RENEW:
                self._client = None
            raise

    def _once(self, do: Callable[[Any], T]) -> T:
        with self.explained():
            if self._client is None:
                self._client = self._open()
            return do(self._client)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn errors into S3Trouble; without one, note that the server sent something."""
        wire = self._wire
        if wire is None:
            raise RuntimeError("every call is made within talking()")
        self._raise_if_cut()
        if time.monotonic() > self._until:
            raise self.context.trouble(
                BucketCode.UNREACHABLE, f"it took longer than {self._limit:g} s to list everything"
            )
        try:
            yield
        except _ERRORS as error:
            self._raise_if_cut()
            raise trouble_of(error, self.context) from error
        wire.progress()

    def _open(self) -> Any:
        client = make_client(self._service, self._access, self._patience)
        report_sockets(client, self._hold)
        # Before the library's own handler: a call that was cut is not tried again.
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
            raise self.context.trouble(WaitingCode.STOPPING)
        raise self.context.trouble(BucketCode.UNREACHABLE, f"nothing useful came for {self._patience.whole:g} s")
