"""An S3 prefix as a source: what a listing shows in it, when that has settled, and how it gets into the store.

A bucket changes key by key. So an adapter is fetched once two scans showed the same objects, both files are read as
they were at one moment, and the objects must be the same before and after.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hotswapd.loaders.bell import Bell
from hotswapd.loaders.codes import BucketCode, GoneCode, IgnoredCode, WaitingCode
from hotswapd.loaders.errors import Gone, SourceDown, Unavailable
from hotswapd.loaders.files import CONFIG, MANIFEST, WEIGHTS
from hotswapd.loaders.source import Artifact, Scan, Sighting, Waiting
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.uri import AdapterURI

from .calls import Calls
from .errors import CallContext, S3Trouble
from .examine import examine
from .fetch import copy_pair
from .hints import Hints
from .listing import MAX_ADAPTERS, Keyed, TooMany, adapters
from .objects import Bucket
from .session import Patience, S3Access
from .settle import Observed, Settling, revision_of

_SHORTEST = 0.05
# How many adapters each scan examines, the newest first: thousands must not delay the first one.
_AT_ONCE = 32
# How many adapters under ignored names are told of.
_MOST_IGNORED = 100
# Seconds; a server that answers endlessly slowly must not keep the source's thread silent for ever.
_LONGEST_SCAN = 200.0
_RIGHTS = "s3:ListBucket on the bucket and s3:GetObject below the prefix"


class S3Source:
    """A prefix that is watched; adapters lie below it at any depth up to four, or it is one itself.

    The threads are those that `Source` states; a queue adds one, which only listens.
    """

    kind = "s3"

    def __init__(
        self,
        name: str,
        uri: str,
        poll: float = 10.0,
        marker: str = "",
        region: str = "",
        endpoint_url: str = "",
        expected_bucket_owner: str = "",
        queue_url: str = "",
        *,
        max_bytes: int = 4 << 30,
        clock: Callable[[], float] = time.monotonic,
        patience: Patience | None = None,
        gap: float = 1.0,
    ) -> None:
        """Touch nothing yet. `poll` is seconds, `max_bytes` caps the weights, `gap` is the seconds between two scans.

        Raises ValueError for a `uri` that is not a prefix.
        """
        self.uri = AdapterURI.parse(uri)
        if self.uri.scheme != "s3" or not self.uri.location:
            raise ValueError(f"{uri!r} must be s3://bucket/prefix/")
        self.name = name or uri
        bucket, _, prefix = self.uri.location.partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._poll = poll
        self._marker = marker
        self._max_bytes = max_bytes
        self._clock = clock
        self._settling = Settling(gap, marker)
        self._bell = Bell()
        self._rest = _SHORTEST
        self._closed = threading.Event()
        patience = patience or Patience()
        access, context = S3Access(region, endpoint_url, expected_bucket_owner), CallContext(str(self.uri), _RIGHTS)
        # One client for each thread: they share neither connections nor waits.
        self._scanning, self._fetching = (Calls("s3", access, patience, context, self._closed) for _ in range(2))
        self._seen, self._copied = Bucket(bucket, self._scanning), Bucket(bucket, self._fetching)
        self._hints = Hints(queue_url, region, self._wanted, self._bell.ring, patience, self._closed)

    @classmethod
    def alone(cls, uri: AdapterURI, configured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the keys of a table that is only this address; a prefix that it lies in lends its other keys."""
        lender = next((table for table in configured if f"{uri}/".startswith(table["uri"])), {})
        return {**lender, "uri": f"{uri}/", "queue_url": ""}

    def scan(self) -> Scan:
        """List the prefix once. Raises SourceDown with a `BucketCode`."""
        begun, now = time.monotonic(), self._clock()
        self._hints.listen()
        try:
            with self._scanning.talking(limit=_LONGEST_SCAN):
                sightings = self._list(now)
        except S3Trouble as trouble:
            raise SourceDown(trouble.code, trouble.sentence, trouble.retry_after) from trouble
        self._settling.end_scan()
        # Hints come in swarms: at most half of the time is spent on scans.
        self._rest = max(_SHORTEST, time.monotonic() - begun)
        return Scan(sightings, self._again_in(sightings), self._hints.trouble)

    def fetch(self, sighting: Sighting, store: Store, stop: threading.Event) -> Artifact:
        """Copy exactly the objects that were sighted. Raises Unavailable, Gone or Refused.

        Codes of Unavailable: those of `scan`, ``changed``, ``stopping``, ``digest_mismatch``, ``disk_full``,
        ``store_failed``; of Gone: ``gone``; of Refused: ``too_large``.
        """
        if not self.contains(sighting.uri):
            raise Gone(GoneCode.GONE, f"{sighting.uri} does not lie below {self.uri}")
        directory = self._directory(sighting.uri.location[len(self.uri.location) :].strip("/"))
        try:
            with self._fetching.talking(stop):
                return copy_pair(self._copied, directory, sighting, store, self._max_bytes)
        except S3Trouble as trouble:
            code = WaitingCode.CHANGED if trouble.code is BucketCode.CHANGED else trouble.code
            raise Unavailable(code, trouble.sentence, trouble.retry_after) from trouble

    def wait(self, seconds: float) -> None:
        """Sleep `seconds`, or until some time after a hint, or until `wake`."""
        self._bell.wait(seconds, self._rest)

    def wake(self) -> None:
        """End a `wait` that is under way."""
        self._bell.wake()

    def contains(self, uri: AdapterURI) -> bool:
        """Return whether the address is the prefix or lies below it."""
        plain = uri.location.rstrip("/")
        return uri.scheme == "s3" and (plain == self.uri.location or plain.startswith(f"{self.uri.location}/"))

    def close(self) -> None:
        """End every wait and every call that is under way; one that is still connecting ends by its own time-out."""
        self._closed.set()
        self._bell.close()
        self._hints.close()

    def _list(self, now: float) -> tuple[Sighting, ...]:
        try:
            found = adapters(self._seen.listing(self._prefix), self._prefix, self._marker)
        except TooMany:
            why = f"it has more than {MAX_ADAPTERS} adapters and needs a narrower prefix"
            raise self._scanning.context.trouble(BucketCode.MISCONFIGURED, why) from None
        observed = [(keyed, self._settling.observe(keyed, now)) for keyed in found]
        settled = [(keyed, seen) for keyed, seen in observed if self._settling.waiting(keyed, seen, now) is None]
        ignored = {keyed.below: keyed.ignored for keyed in found if keyed.ignored}
        self._examine([(keyed, seen) for keyed, seen in settled if keyed.below not in ignored])
        told = [self._ignore(keyed, seen) for keyed, seen in settled if keyed.below in ignored]
        return (*(self._sight(keyed, now) for keyed in found if keyed.below not in ignored), *told[:_MOST_IGNORED])

    def _ignore(self, keyed: Keyed, seen: Observed) -> Sighting:
        """Return the sighting of what is complete under an ignored name; nothing of it is read."""
        return self._sighting(keyed, seen, Waiting(IgnoredCode.TEMPORARY_NAME, keyed.ignored))

    def _examine(self, settled: list[tuple[Keyed, Observed]]) -> None:
        """Examine the files of those that have settled: first those that never were, and the newest of them."""
        unknown = [(keyed, seen) for keyed, seen in settled if not seen.examined]
        unknown.sort(key=lambda one: (one[1].lack is not None, -one[0].stamp))
        for keyed, _ in unknown[:_AT_ONCE]:
            lack = examine(self._seen, self._directory(keyed.below), keyed, self._max_bytes)
            self._settling.remember(keyed, lack)

    def _sight(self, keyed: Keyed, now: float) -> Sighting:
        seen = self._settling.now(keyed)
        waiting = self._settling.waiting(keyed, seen, now) or seen.lack
        if waiting is None and not seen.examined:
            waiting = Waiting(WaitingCode.SETTLING, "its files have not been examined yet: newer ones come first")
        return self._sighting(keyed, seen, waiting)

    def _sighting(self, keyed: Keyed, seen: Observed, waiting: Waiting | None) -> Sighting:
        below = f"/{keyed.below}" if keyed.below else ""
        return Sighting(AdapterURI("s3", f"{self.uri.location}{below}"), revision_of(seen.facts), keyed.stamp, waiting)

    def _again_in(self, sightings: tuple[Sighting, ...]) -> float:
        """Return the seconds until something may have settled, at most the poll interval."""
        soonest = self._settling.soonest(self._clock())
        if soonest is None:
            settling = any(sighting.waiting and sighting.waiting.code is WaitingCode.SETTLING for sighting in sightings)
            soonest = self._settling.gap if settling else self._poll
        return max(min(self._poll, soonest), _SHORTEST)

    def _wanted(self, bucket: str, key: str) -> bool:
        """Return whether an event on this object may concern an adapter of this source."""
        ours = {CONFIG, WEIGHTS, MANIFEST, self._marker} - {""}
        return bucket == self._seen.name and key.startswith(self._prefix) and key.rpartition("/")[2] in ours

    def _directory(self, below: str) -> str:
        return f"{self._prefix}{below}/" if below else self._prefix
