"""Judge whether an adapter that a listing shows has settled and is whole."""

from dataclasses import dataclass, replace
from hashlib import sha256

from hotswapd.loaders.files import CONFIG, MANIFEST, WEIGHTS
from hotswapd.loaders.source import Waiting
from hotswapd.loaders.whole import files_missing

from .listing import Keyed
from .objects import Object

Facts = tuple[tuple[str, int, int] | None, ...]
_FILES = (CONFIG, WEIGHTS)
# How long a pair of which only one file was replaced is kept waiting for the other, in seconds: the weights may take
# minutes to come after a new config, but nobody takes minutes for a config after new weights.
_LONELY = {CONFIG: 600.0, WEIGHTS: 30.0}
_FINAL = frozenset({"incomplete", "digest_mismatch", "manifest_unreadable"})


@dataclass(frozen=True, slots=True)
class Look:
    """What is remembered of one adapter between two looks.

    `since` is when it was first seen as it is now. `lonely` names the one file that was replaced while the other
    stayed. `lack` is what was wrong when the files themselves were looked into; `examined` says that this need not be
    done again.
    """

    facts: Facts
    since: float
    marked: bool = False
    lonely: str = ""
    examined: bool = False
    lack: Waiting | None = None


class Looks:
    """What is remembered between two scans. Used by the source's thread only.

    Two looks at least `gap` seconds apart must show the same objects. The age that the server names says nothing: a
    large upload has the time at which it was begun.
    """

    def __init__(self, gap: float, marker: str) -> None:
        self.gap = gap
        self._marker = marker
        self._seen: dict[str, Look] = {}
        self._next: dict[str, Look] = {}

    def see(self, keyed: Keyed, now: float) -> Look:
        """Compare with the last look; `now` is seconds on one clock."""
        facts = facts_of(keyed.objects)
        before = self._seen.get(keyed.below)
        marked = self._marker in keyed.objects
        if before is None or before.facts != facts:
            look = Look(facts, now, marked, _lonely(before, facts, marked))
        elif before.marked != marked:
            # The marker says that the writer has finished: then nobody is waited for.
            look = replace(before, marked=marked, lonely="" if marked else before.lonely)
        else:
            look = before
        self._next[keyed.below] = look
        return look

    def waiting(self, keyed: Keyed, look: Look, now: float) -> Waiting | None:
        """Say why it cannot be fetched yet, as far as the listing tells."""
        if keyed.odd:
            return Waiting("bad_name", "its key has an empty part, . or .. in it: publish it under a plain name")
        lacking = files_missing(keyed.objects, self._marker)
        if lacking is not None:
            return lacking
        age = now - look.since
        if age < self.gap:
            return Waiting("settling", f"it must be seen unchanged for {self.gap:g} s; {age:.1f} s so far")
        if look.lonely and age < self._patience(look):
            return _half(look.lonely, self._patience(look) - age)
        return None

    def now(self, keyed: Keyed) -> Look:
        """Return what this scan knows of it."""
        return self._next[keyed.below]

    def remember(self, keyed: Keyed, lack: Waiting | None) -> None:
        """Keep what the files themselves said. What they lack holds for as long as they stay as they are.

        Whether they may be read does not: that is asked again.
        """
        examined = lack is None or lack.code in _FINAL
        self._next[keyed.below] = replace(self._next[keyed.below], examined=examined, lack=lack)

    def turn(self) -> None:
        """End a scan: what it did not see is forgotten."""
        self._seen, self._next = self._next, {}

    def soonest(self, now: float) -> float | None:
        """Return in how many seconds the next adapter will have settled, or None."""
        left = [self._left(look, now) for look in self._seen.values() if None not in look.facts[:2]]
        return min((seconds for seconds in left if seconds > 0), default=None)

    def _left(self, look: Look, now: float) -> float:
        """Return in how many seconds time alone will let it through, 0 when it already has."""
        age = now - look.since
        if age < self.gap:
            return self.gap - age
        return max(self._patience(look) - age, 0.0) if look.lonely else 0.0

    def _patience(self, look: Look) -> float:
        # A manifest says which bytes belong together, so nothing has to be guessed from times.
        return 0.0 if look.facts[2] is not None else _LONELY[look.lonely]


def facts_of(objects: dict[str, Object]) -> Facts:
    """Return what changes when an adapter is written to: of config, weights and manifest, None where one is missing."""
    return tuple(objects[name].facts if name in objects else None for name in (*_FILES, MANIFEST))


def revision_of(facts: Facts) -> str:
    """Return 32 hex characters that change whenever one of the objects was written."""
    return sha256(repr(facts).encode()).hexdigest()[:32]


def _lonely(before: Look | None, facts: Facts, marked: bool) -> str:
    """Name the file that was replaced while the other one stayed: its partner may still be on its way."""
    if before is None or (marked and not before.marked):
        return ""
    changed = [name for name, old, new in zip(_FILES, before.facts, facts, strict=False) if old != new]
    if not changed:
        return before.lonely
    if len(changed) == 2 or before.facts[_FILES.index(changed[0])] is None or None in facts[:2]:
        return ""
    return "" if before.lonely and before.lonely != changed[0] else changed[0]


def _half(replaced: str, left: float) -> Waiting:
    other = WEIGHTS if replaced == CONFIG else CONFIG
    return Waiting(
        "half_replaced",
        f"{replaced} is new and {other} is still the old one: if both belong together, they are taken in {left:.0f} s; "
        "`hotswapd publish` says at once what belongs together",
    )
