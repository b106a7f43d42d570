"""An S3 prefix as a source: what a listing shows there, when it has settled, and how it gets into the store.

A bucket changes key by key. So an adapter is taken when two looks showed the same objects, both files are read as
they were at one moment, and what was there before and after must be the same.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hotswapd.loaders.bell import Bell
from hotswapd.loaders.errors import Gone, SourceDown, Unavailable
from hotswapd.loaders.files import CONFIG, MANIFEST, WEIGHTS
from hotswapd.loaders.source import Artifact, Scan, Sighting, Waiting
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.uri import AdapterURI

from .calls import Calls
from .errors import Asked, S3Trouble
from .examine import examine
from .fetch import copy_pair
from .hints import Hints
from .listing import MAX_ADAPTERS, Keyed, TooMany, adapters
from .objects import Bucket
from .session import Patience, S3Access
from .settle import Look, Looks, revision_of

_SHORTEST = 0.05
# So many adapters are looked into at each look, the newest first: thousands must not make the first one late.
_AT_ONCE = 32
# Seconds; a server that answers, but endlessly slowly, must not keep the source's thread silent for ever.
_LONGEST_SCAN = 200.0
_RIGHTS = "s3:ListBucket on the bucket and s3:GetObject below the prefix"


class S3Source:
    """A prefix that is watched; adapters lie below it at any depth up to four, or it is one itself.

    The threads are those that `Source` states; with a queue there is one more, which only listens.
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
        """Touch nothing yet. `poll` is seconds, `max_bytes` caps the weights, `gap` is the seconds between two looks.

        Raises ValueError for a `uri` that is no prefix.
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
        self._looks = Looks(gap, marker)
        self._bell = Bell()
        self._rest = _SHORTEST
        self._closed = threading.Event()
        patience = patience or Patience()
        access, asked = S3Access(region, endpoint_url, expected_bucket_owner), Asked(str(self.uri), "s3", _RIGHTS)
        # One client for each thread: they share neither connections nor waits.
        self._looking, self._fetching = (Calls("s3", access, patience, asked, self._closed) for _ in range(2))
        self._seen, self._copied = Bucket(bucket, self._looking), Bucket(bucket, self._fetching)
        self._hints = Hints(queue_url, region, self._wanted, self._bell.hint, patience, self._closed)

    @classmethod
    def alone(cls, uri: AdapterURI, configured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the keys of a table that is only this address; a prefix that it lies in lends its other keys."""
        lender = next((table for table in configured if f"{uri}/".startswith(table["uri"])), {})
        return {**lender, "uri": f"{uri}/", "queue_url": ""}

    def scan(self) -> Scan:
        """List the prefix once. Raises SourceDown with one of the codes of `s3_errors`, beginning with ``s3_``."""
        begun, now = time.monotonic(), self._clock()
        self._hints.listen()
        try:
            with self._looking.talking(limit=_LONGEST_SCAN):
                sightings = self._look(now)
        except S3Trouble as trouble:
            raise SourceDown(trouble.code, trouble.sentence, trouble.retry_after) from trouble
        self._looks.turn()
        # Hints come in swarms: at most half of the time is spent on looking.
        self._rest = max(_SHORTEST, time.monotonic() - begun)
        return Scan(sightings, self._again_in(sightings), self._hints.trouble)

    def fetch(self, sighting: Sighting, store: Store, stop: threading.Event) -> Artifact:
        """Copy exactly the objects that were sighted. Raises Unavailable, Gone or Refused.

        Codes of Unavailable: those of `scan`, ``changed``, ``stopping``, ``digest_mismatch``, ``disk_full``,
        ``store_failed``; of Gone: ``gone``; of Refused: ``too_large``.
        """
        if not self.contains(sighting.uri):
            raise Gone("gone", f"{sighting.uri} does not lie below {self.uri}")
        directory = self._directory(sighting.uri.location[len(self.uri.location) :].strip("/"))
        try:
            with self._fetching.talking(stop):
                return copy_pair(self._copied, directory, sighting, store, self._max_bytes)
        except S3Trouble as trouble:
            code = "changed" if trouble.kind == "changed" else trouble.code
            raise Unavailable(code, trouble.sentence, trouble.retry_after) from trouble

    def wait(self, seconds: float) -> None:
        """Sleep `seconds`; sooner, but with a rest in between, when a hint came; at once after `wake`."""
        self._bell.wait(seconds, self._rest)

    def wake(self) -> None:
        """End a `wait` that is under way."""
        self._bell.wake()

    def contains(self, uri: AdapterURI) -> bool:
        """Say whether the address is the prefix or lies below it."""
        plain = uri.location.rstrip("/")
        return uri.scheme == "s3" and (plain == self.uri.location or plain.startswith(f"{self.uri.location}/"))

    def close(self) -> None:
        """End every wait and every call that is under way; one that is still connecting ends by its own time-out."""
        self._closed.set()
        self._bell.close()
        self._hints.close()

    # Looking

    def _look(self, now: float) -> tuple[Sighting, ...]:
        try:
            found = adapters(self._seen.listing(self._prefix), self._prefix, self._marker)
        except TooMany:
            why = f"there are more than {MAX_ADAPTERS} adapters below it, and a narrower prefix is needed"
            raise self._looking.asked.trouble("misconfigured", why) from None
        judged = [(keyed, self._looks.see(keyed, now)) for keyed in found]
        self._look_into([(k, look) for k, look in judged if self._looks.waiting(k, look, now) is None])
        return tuple(self._sight(keyed, now) for keyed in found)

    def _look_into(self, settled: list[tuple[Keyed, Look]]) -> None:
        """Read what the settled ones say of themselves, those first that were never asked, and the newest first."""
        unknown = [(keyed, look) for keyed, look in settled if not look.examined]
        unknown.sort(key=lambda one: (one[1].lack is not None, -one[0].stamp))
        for keyed, _ in unknown[:_AT_ONCE]:
            lack = examine(self._seen, self._directory(keyed.below), keyed, self._max_bytes)
            self._looks.remember(keyed, lack)

    def _sight(self, keyed: Keyed, now: float) -> Sighting:
        look = self._looks.now(keyed)
        waiting = self._looks.waiting(keyed, look, now) or look.lack
        if waiting is None and not look.examined:
            waiting = Waiting("settling", "it has not been looked into yet: newer ones come first")
        below = f"/{keyed.below}" if keyed.below else ""
        return Sighting(AdapterURI("s3", f"{self.uri.location}{below}"), revision_of(look.facts), keyed.stamp, waiting)

    def _again_in(self, sightings: tuple[Sighting, ...]) -> float:
        """Seconds until something may have settled, or until hints might have been missed for too long."""
        soonest = self._looks.soonest(self._clock())
        if soonest is None:
            settling = any(sighting.waiting and sighting.waiting.code == "settling" for sighting in sightings)
            soonest = self._looks.gap if settling else self._poll
        return max(min(self._poll, soonest), _SHORTEST)

    def _wanted(self, bucket: str, key: str) -> bool:
        """Say whether an event on this object can mean that something is to be seen here."""
        ours = {CONFIG, WEIGHTS, MANIFEST, self._marker} - {""}
        return bucket == self._seen.name and key.startswith(self._prefix) and key.rpartition("/")[2] in ours

    def _directory(self, below: str) -> str:
        return f"{self._prefix}{below}/" if below else self._prefix
