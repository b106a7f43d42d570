"""Judge whether an adapter that a listing shows has settled and is whole."""

from dataclasses import dataclass, replace
from hashlib import sha256

from hotswapd.loaders.codes import WaitingCode
from hotswapd.loaders.files import CONFIG, MANIFEST, WEIGHTS, FileName
from hotswapd.loaders.half import PATIENCE, half_replaced
from hotswapd.loaders.source import Waiting
from hotswapd.loaders.whole import files_missing

from .listing import Keyed
from .objects import Object

Facts = tuple[tuple[str, int, int] | None, ...]
_FILES: tuple[FileName, FileName] = (CONFIG, WEIGHTS)
_FINAL = frozenset({WaitingCode.INCOMPLETE, WaitingCode.DIGEST_MISMATCH, WaitingCode.MANIFEST_UNREADABLE})


@dataclass(frozen=True, slots=True)
class Observed:
    """What is remembered about one adapter between two scans.

    `since` is when it was first seen as it is now. `lonely` names the one file that was replaced while the other
    stayed. `lack` is what was wrong when the files themselves were examined; `examined` means that they need not be
    examined again.
    """

    facts: Facts
    since: float
    marked: bool = False
    lonely: FileName | None = None
    examined: bool = False
    lack: Waiting | None = None


class Settling:
    """What is remembered between two scans. Used by the source's thread only.

    Two scans at least `gap` seconds apart must show the same objects. The age that the server names proves nothing: a
    large upload has the time at which it began.
    """

    def __init__(self, gap: float, marker: str) -> None:
        self.gap = gap
        self._marker = marker
        self._seen: dict[str, Observed] = {}
        self._next: dict[str, Observed] = {}

    def observe(self, keyed: Keyed, now: float) -> Observed:
        """Compare with the previous scan; `now` is seconds on one clock."""
        facts = facts_of(keyed.objects)
        before = self._seen.get(keyed.below)
        marked = self._marker in keyed.objects
        if before is None or before.facts != facts:
            seen = Observed(facts, now, marked, _lonely(before, facts, marked))
        elif before.marked != marked:
            # The marker means that the writer has finished: no other file is still on its way.
            seen = replace(before, marked=marked, lonely=None if marked else before.lonely)
        else:
            seen = before
        self._next[keyed.below] = seen
        return seen

    def waiting(self, keyed: Keyed, seen: Observed, now: float) -> Waiting | None:
        """Return why it cannot be fetched yet, as far as the listing shows."""
        if keyed.odd:
            return Waiting(
                WaitingCode.BAD_NAME, "its key has an empty part, . or .. in it: publish it under a plain name"
            )
        lacking = files_missing(keyed.objects, self._marker)
        if lacking is not None:
            return lacking
        age = now - seen.since
        if age < self.gap:
            return Waiting(WaitingCode.SETTLING, f"it must be seen unchanged for {self.gap:g} s; {age:.1f} s so far")
        if seen.lonely and age < self._patience(seen):
            remedy = "`hotswapd publish` records at once what belongs together"
            return half_replaced(seen.lonely, self._patience(seen) - age, remedy)
        return None

    def now(self, keyed: Keyed) -> Observed:
        """Return what this scan knows about it."""
        return self._next[keyed.below]

    def remember(self, keyed: Keyed, lack: Waiting | None) -> None:
        """Keep what the files themselves showed. What they lack stays true while they stay as they are.

        Whether they may be read can change, so that is tried again.
        """
        examined = lack is None or lack.code in _FINAL
        self._next[keyed.below] = replace(self._next[keyed.below], examined=examined, lack=lack)

    def end_scan(self) -> None:
        """Forget what this scan did not see."""
        self._seen, self._next = self._next, {}

    def soonest(self, now: float) -> float | None:
        """Return in how many seconds the next adapter will have settled, or None."""
        left = [self._left(seen, now) for seen in self._seen.values() if None not in seen.facts[:2]]
        return min((seconds for seconds in left if seconds > 0), default=None)

    def _left(self, seen: Observed, now: float) -> float:
        """Return in how many seconds it will have settled if it stays as it is, 0 if it has."""
        age = now - seen.since
        if age < self.gap:
            return self.gap - age
        return max(self._patience(seen) - age, 0.0) if seen.lonely else 0.0

    def _patience(self, seen: Observed) -> float:
        # A manifest says which bytes belong together, so nothing has to be guessed from times.
        return PATIENCE[seen.lonely] if seen.lonely and seen.facts[2] is None else 0.0


def facts_of(objects: dict[str, Object]) -> Facts:
    """Return what changes when an adapter is written to: config, weights and manifest, None for a missing one."""
    return tuple(objects[name].facts if name in objects else None for name in (*_FILES, MANIFEST))


def revision_of(facts: Facts) -> str:
    """Return 32 hex characters that change whenever one of the objects is written."""
    return sha256(repr(facts).encode()).hexdigest()[:32]


def _lonely(before: Observed | None, facts: Facts, marked: bool) -> FileName | None:
    """Return the file that was replaced while the other one stayed, or None: its partner may still be on its way."""
    if before is None or (marked and not before.marked):
        return None
    changed = [name for name, old, new in zip(_FILES, before.facts, facts, strict=False) if old != new]
    if not changed:
        return before.lonely
    if len(changed) == 2 or before.facts[_FILES.index(changed[0])] is None or None in facts[:2]:
        return None
    return None if before.lonely and before.lonely != changed[0] else changed[0]
