"""Judge whether an adapter that a scan found has settled and is whole."""

import os
import sys
from dataclasses import dataclass, field

from hotswapd.loaders.codes import WaitingCode
from hotswapd.loaders.digests import MAX_MANIFEST_BYTES, Listed, load_digests, unlike_listed
from hotswapd.loaders.errors import LoadError, Refused
from hotswapd.loaders.files import CONFIG, MANIFEST, MAX_CONFIG_BYTES, WEIGHTS
from hotswapd.loaders.source import Waiting
from hotswapd.loaders.whole import config_missing, files_missing, weights_missing

from .safe_open import closing, fingerprint, open_file, permission_sentence
from .walk import Found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one scan concluded about one adapter; `since` is when it was first seen as it is now."""

    revision: str
    stamp: float
    since: float
    waiting: Waiting | None


@dataclass(slots=True)
class Settling:
    """What is remembered between two scans. Used by the source's thread only.

    An adapter has settled when we saw it unchanged for `settle` seconds. The age of its files proves nothing, because
    copying tools set old times.
    """

    settle: float
    marker: str
    max_bytes: int
    _seen: dict[tuple[str, ...], Verdict] = field(default_factory=dict)
    _next: dict[tuple[str, ...], Verdict] = field(default_factory=dict)

    def judge(self, found: Found, now: float) -> Verdict:
        """Compare with the previous scan; `now` is seconds on one clock. The directory of `found` must be open."""
        revision = fingerprint(found.facts())
        before = self._seen.get(found.parts)
        same = before is not None and before.revision == revision
        since = before.since if before is not None and same else now
        whole = before is not None and same and before.waiting is None
        verdict = Verdict(revision, found.stamp(), since, self._waiting(found, now - since, whole))
        self._next[found.parts] = verdict
        return verdict

    def end_scan(self) -> None:
        """Forget what this scan did not judge."""
        self._seen, self._next = self._next, {}

    def forget(self) -> None:
        """Forget everything, because the root was missing."""
        self._seen, self._next = {}, {}

    def soonest(self, now: float) -> float | None:
        """Return in how many seconds the next adapter will have settled (0: during the scan), or None."""
        settling = (v.since for v in self._seen.values() if v.waiting and v.waiting.code is WaitingCode.SETTLING)
        first = min(settling, default=None)
        return None if first is None else max(first + self.settle - now, 0.0)

    def _waiting(self, found: Found, age: float, whole: bool) -> Waiting | None:
        """Return why it cannot be fetched yet. What can never be taken passes: `fetch` refuses it."""
        if found.denied is not None:
            return Waiting(WaitingCode.PERMISSION, permission_sentence("the directory", found.denied))
        lacking = None if found.link is not None else files_missing(found.names, self.marker)
        if lacking is not None:
            return lacking
        if age < self.settle:
            return Waiting(WaitingCode.SETTLING, f"it must be seen unchanged for {self.settle:g} s; {age:.1f} s so far")
        if found.link is not None or whole:
            return None
        return self._examine(found)

    def _examine(self, found: Found) -> Waiting | None:
        """Open the files and check that they are whole and have the sizes that a manifest lists."""
        try:
            for name, cap, missing in (
                (CONFIG, MAX_CONFIG_BYTES, config_missing),
                (WEIGHTS, self.max_bytes, weights_missing),
            ):
                with closing(open_file(name, found.fd, cap)) as fd:
                    lack = missing(fd, os.fstat(fd).st_size)
                if lack is not None:
                    return Waiting(WaitingCode.INCOMPLETE, f"{name} {lack}")
            return _unlike_listed(found)
        except Refused:
            return None
        except LoadError as error:
            return Waiting(error.code, error.sentence)
        except OSError as error:
            return Waiting(WaitingCode.READ_FAILED, f"it cannot be read: {error.strerror}; it is tried again")


def _unlike_listed(found: Found) -> Waiting | None:
    if found.manifest is None or found.config is None or found.weights is None:
        return None
    sizes = {CONFIG: found.config.st_size, WEIGHTS: found.weights.st_size}
    return unlike_listed(lambda: _digests(found.fd), sizes)


def _digests(directory: int) -> dict[str, Listed]:
    with closing(open_file(MANIFEST, directory, sys.maxsize)) as fd:
        return load_digests(os.pread(fd, MAX_MANIFEST_BYTES + 1, 0))
