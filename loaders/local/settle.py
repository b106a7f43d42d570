"""Judge whether an adapter that a scan found has settled and is whole."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hotswapd.loaders.codes import IgnoredCode, WaitingCode
from hotswapd.loaders.digests import MAX_MANIFEST_BYTES, Listed, load_digests, unlike_listed
from hotswapd.loaders.errors import LoadError, Refused
from hotswapd.loaders.files import CONFIG, MANIFEST, MAX_CONFIG_BYTES, WEIGHTS, FileName
from hotswapd.loaders.half import PATIENCE, half_replaced
from hotswapd.loaders.source import Waiting
from hotswapd.loaders.whole import config_missing, files_missing, weights_missing

from .safe_open import closing, fingerprint, open_file, permission_sentence
from .walk import Found

# How long a pair of which one file may have been replaced before the start waits for the other (seconds).
_UNKNOWN_PATIENCE = PATIENCE[WEIGHTS]
# By how much the ages of a pair's files may differ at least (seconds).
_TOGETHER = 1.0
Facts = tuple[int, ...]
Pair = tuple[Facts | None, Facts | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one scan concluded about one adapter; `since` is when it was first seen as it is now.

    `pair` is what its config and weights are, `settled` what they were when it was last complete and settled, None if
    it never was. `half` is the one file that was replaced, and the seconds from `since` for which it waits for the
    other.
    """

    revision: str
    stamp: float
    since: float
    waiting: Waiting | None
    pair: Pair
    settled: Pair | None = None
    half: tuple[FileName, float] | None = None


@dataclass(slots=True)
class Settling:
    """What is remembered between two scans. Used by the source's thread only.

    An adapter has settled when we saw it unchanged for `settle` seconds. The age of its files proves nothing, because
    copying tools set old times. Where one file of a pair that had settled was replaced and the other was not, it waits
    for the other, or for a marker that is newer than both, for as long as PATIENCE says. For a pair that is seen for
    the first time after the start, its times are all that shows this; then it never waits longer than new weights do.
    """

    settle: float
    marker: str
    max_bytes: int
    wall: Callable[[], float] = time.time
    _is_first: bool = True
    _seen: dict[tuple[str, ...], Verdict] = field(default_factory=dict)
    _next: dict[tuple[str, ...], Verdict] = field(default_factory=dict)

    def judge(self, found: Found, now: float) -> Verdict:
        """Compare with the previous scan; `now` is seconds on one clock. The directory of `found` must be open."""
        revision, pair = fingerprint(found.facts()), (_facts(found.config), _facts(found.weights))
        before = self._seen.get(found.parts)
        same = before is not None and before.revision == revision
        since = before.since if before is not None and same else now
        settled = before.settled if before is not None else None
        whole = same and settled == pair
        half = None if whole else self._half(found, pair, before)
        waiting = self._waiting(found, now - since, whole=whole) or self._unpaired(half, now - since)
        if waiting is None:
            settled = pair
            waiting = Waiting(IgnoredCode.TEMPORARY_NAME, found.ignored) if found.ignored else None
        verdict = Verdict(revision, found.stamp(), since, waiting, pair, settled, half)
        self._next[found.parts] = verdict
        return verdict

    def end_scan(self) -> None:
        """Forget what this scan did not judge."""
        self._seen, self._next = self._next, {}
        self._is_first = False

    def forget(self) -> None:
        """Forget everything, because the root was missing."""
        self._seen, self._next = {}, {}
        self._is_first = True

    def soonest(self, now: float) -> float | None:
        """Return in how many seconds the next adapter will have settled (0: during the scan), or None."""
        ready = [at for verdict in self._seen.values() if (at := self._ready_at(verdict)) is not None]
        return max(min(ready) - now, 0.0) if ready else None

    def _ready_at(self, verdict: Verdict) -> float | None:
        """Return when its wait ends by itself, or None if it does not.

        One file that is new is looked at once it has settled, too: whether it is whole is known then.
        """
        code = verdict.waiting.code if verdict.waiting else None
        if code == WaitingCode.HALF_REPLACED and verdict.half is not None:
            return verdict.since + verdict.half[1]
        return verdict.since + self.settle if code == WaitingCode.SETTLING else None

    def _half(self, found: Found, pair: Pair, before: Verdict | None) -> tuple[FileName, float] | None:
        """Return the one file that was replaced, and for how many seconds it waits for the other; None if neither was.

        A manifest says which bytes belong together, so nothing has to be guessed then.
        """
        if found.config is None or found.weights is None or found.manifest is not None:
            return None
        times = found.config.st_ctime_ns, found.weights.st_ctime_ns
        if self.marker and found.marker is not None and found.marker.st_ctime_ns >= max(times):
            return None
        if before is None:
            return self._half_by_time(*times) if self._is_first else None
        if pair == before.pair:
            return before.half
        if before.settled is not None:
            replaced = _only_changed(before.settled, pair)
            return (replaced, PATIENCE[replaced]) if replaced else None
        replaced = _only_changed(before.pair, pair)
        return (replaced, _UNKNOWN_PATIENCE) if before.half and replaced == before.half[0] else None

    def _half_by_time(self, config: int, weights: int) -> tuple[FileName, float] | None:
        """Judge a pair from before the start by the times of its files' last changes, in ns since the epoch."""
        newer: FileName = CONFIG if config > weights else WEIGHTS
        age = self.wall() - max(config, weights) / 1e9
        apart = abs(config - weights) / 1e9 > max(self.settle, _TOGETHER)
        return (newer, _UNKNOWN_PATIENCE - age) if apart and 0 <= age < _UNKNOWN_PATIENCE else None

    def _unpaired(self, half: tuple[FileName, float] | None, age: float) -> Waiting | None:
        if half is None or age >= half[1]:
            return None
        remedy = "write it too" + (f", or {self.marker} last" if self.marker else "")
        return half_replaced(half[0], half[1] - age, remedy)

    def _waiting(self, found: Found, age: float, *, whole: bool) -> Waiting | None:
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


def _facts(stats: os.stat_result | None) -> Facts | None:
    """Return what changes whenever the file may have been written to or replaced."""
    return stats and (stats.st_dev, stats.st_ino, stats.st_size, stats.st_mtime_ns, stats.st_ctime_ns)


def _only_changed(before: Pair, now: Pair) -> FileName | None:
    """Return the one file that is another one now, or None if both are, or neither."""
    config, weights = before[0] != now[0], before[1] != now[1]
    if config == weights:
        return None
    return CONFIG if config else WEIGHTS


def _unlike_listed(found: Found) -> Waiting | None:
    if found.manifest is None or found.config is None or found.weights is None:
        return None
    sizes = {CONFIG: found.config.st_size, WEIGHTS: found.weights.st_size}
    return unlike_listed(lambda: _digests(found.fd), sizes)


def _digests(directory: int) -> dict[str, Listed]:
    with closing(open_file(MANIFEST, directory, sys.maxsize)) as fd:
        return load_digests(os.pread(fd, MAX_MANIFEST_BYTES + 1, 0))
