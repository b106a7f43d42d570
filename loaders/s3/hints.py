"""A bucket's events, from an SQS queue: they only shorten the wait, so losing them costs one poll interval."""

import json
import logging
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from hotswapd.loaders.backoff import backoff

from .calls import Calls
from .errors import CallContext, S3Trouble
from .session import Patience, S3Access

log = logging.getLogger(__name__)
# How long one call waits for messages; SQS allows no longer (seconds).
_LONG_POLL = 20
# Pauses after a failure (seconds).
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 60.0
_AWS_HOST = re.compile(r"(?:sqs[.-]|)([a-z]{2}(?:-[a-z]+)+-\d)\.(?:queue\.)?amazonaws\.com(?:\.cn)?\Z")
_RIGHTS = "sqs:ReceiveMessage and sqs:DeleteMessage on the queue"


class Hints:
    """Listens to one queue on a thread of its own, and rings when an event concerns this source.

    Every message is deleted, even one that cannot be parsed, so each source needs a queue of its own. A failure is
    logged once, is described in `trouble`, and is tried again.
    """

    def __init__(
        self,
        queue_url: str,
        region: str,
        wanted: Callable[[str, str], bool],
        ring: Callable[[], None],
        patience: Patience,
        closed: threading.Event,
    ) -> None:
        """Touch nothing yet. `wanted(bucket, key)` and `ring()` are called on the listening thread."""
        self.trouble = ""
        self._reported = ""
        self._queue_url = queue_url
        self._wanted = wanted
        self._ring = ring
        self._closed = closed
        parts = urlsplit(queue_url)
        found = _AWS_HOST.match(parts.hostname or "")
        access = S3Access(found[1] if found else region, f"{parts.scheme}://{parts.netloc}")
        patience = replace(patience, read=_LONG_POLL + patience.read, whole=_LONG_POLL + patience.whole)
        self._calls = Calls("sqs", access, patience, CallContext(queue_url, _RIGHTS), closed)
        self._thread: threading.Thread | None = None

    def listen(self) -> None:
        """Start the thread, once, if there is a queue. Called on the source's thread."""
        if self._queue_url and self._thread is None:
            self._thread = threading.Thread(target=self._listen, name="s3-hints", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait until the thread has ended; `closed` must be set. Safe to call twice."""
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join(2.0)

    def _listen(self) -> None:
        pauses = backoff(_FIRST_PAUSE, _LAST_PAUSE)
        while not self._closed.is_set():
            try:
                with self._calls.talking():
                    self._receive()
            except S3Trouble as trouble:
                self._report(trouble.sentence)
            except Exception as error:
                log.exception("a defect of hotswapd: the queue's listener goes on")
                self._report(f"a defect of this source's queue: {type(error).__name__}: {error}")
            else:
                self._report("")
                pauses = backoff(_FIRST_PAUSE, _LAST_PAUSE)
                continue
            self._closed.wait(next(pauses) * random.uniform(0.5, 1.0))  # noqa: S311 - it only spreads the load

    def _report(self, sentence: str) -> None:
        if sentence == self._reported or self._closed.is_set():
            return
        self._reported = sentence
        self.trouble = f"{sentence}; until then only polling finds new adapters" if sentence else ""
        if sentence:
            log.warning("%s", self.trouble)
        else:
            log.info("%s answers again", self._queue_url)

    def _receive(self) -> None:
        """Wait for messages once, ring if one of them matters, and delete all of them."""
        answer = self._calls.call(
            lambda sqs: sqs.receive_message(
                QueueUrl=self._queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=_LONG_POLL
            )
        )
        messages = answer.get("Messages", [])
        if not messages:
            return
        if any(self._matters(str(message.get("Body", ""))) for message in messages):
            self._ring()
        self._delete([message["ReceiptHandle"] for message in messages])

    def _delete(self, receipts: list[str]) -> None:
        entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)]
        answer = self._calls.call(lambda sqs: sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=entries))
        for failed in answer.get("Failed", []):
            # It comes again after a while, which costs one more scan.
            log.debug("a message was not deleted from %s: %s", self._queue_url, failed.get("Message"))

    def _matters(self, body: str) -> bool:
        return any(self._wanted(bucket, key) for bucket, key in objects_named(body))


def objects_named(body: str) -> Iterator[tuple[str, str]]:
    """Yield the bucket and the key of each object that a message names; none if it is not an event of a bucket.

    It may be a notification of S3's own, directly or through SNS, or one of EventBridge.
    """
    with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
        event = json.loads(body)
        if event.get("Type") == "Notification":
            event = json.loads(event["Message"])
        if "detail" in event:
            # The only one of the three whose keys are not quoted.
            yield str(event["detail"]["bucket"]["name"]), str(event["detail"]["object"]["key"])
        for record in event.get("Records", []):
            yield _named(record)


def _named(record: Any) -> tuple[str, str]:
    found = record["s3"]
    return str(found["bucket"]["name"]), unquote_plus(str(found["object"]["key"]))
