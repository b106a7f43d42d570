"""What every source offers the daemon, and the values that pass between them."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hotswapd.codes import Code

from .store.artifact import Artifact
from .uri import AdapterURI

if TYPE_CHECKING:
    from .store.store import Store

__all__ = ["Artifact", "Remote", "Scan", "Sighting", "Source", "Waiting"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a sighting cannot be fetched yet: a stable code, and a sentence that says what to do."""

    code: Code
    sentence: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """One adapter that a scan saw.

    `revision` is an opaque string that changes whenever the content may have changed. `stamp` is the source's
    own clock in seconds since the epoch (latest ctime of both files, LastModified, commit date); it orders
    the adapters found in one scan. `waiting` is None once the adapter is complete and settled; if its code is an
    `IgnoredCode`, the adapter is complete and settled, and is never taken where it lies. `identity` names the files
    themselves, wherever they are moved to and whoever may read them; it is empty where files have no identity.
    """

    uri: AdapterURI
    revision: str
    stamp: float
    waiting: Waiting | None = None
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """Everything that exists in the source now (level-triggered), and in how many seconds to scan again.

    `remark` is a sentence about a source that is degraded but not down.
    """

    sightings: tuple[Sighting, ...]
    again_in: float
    remark: str = ""


class Source(Protocol):
    """A place that is watched.

    The parameters of a kind's class are the keys of its ``[[source]]`` table; those that are keyword-only are not.

    `scan` and `wait` are called on the source's own thread, `fetch` on its fetcher's thread, `close` on any
    thread. `fetch` stops soon after `stop` is set.
    """

    kind: str
    name: str

    def scan(self) -> Scan:
        """List everything once. Raises SourceDown if that is not possible."""
        ...

    def fetch(self, sighting: Sighting, store: "Store", stop: threading.Event) -> Artifact:
        """Copy what was sighted into the store. Raises Unavailable, Gone or Refused."""
        ...

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or sooner if an event reports a change, or after `wake`."""
        ...

    def wake(self) -> None:
        """End a `wait` that is under way, from any thread."""
        ...

    def contains(self, uri: AdapterURI) -> bool:
        """Return whether the address lies inside this source, without touching it."""
        ...

    def close(self) -> None:
        """Release watchers, connections and threads. Safe to call twice."""
        ...


class Remote(Source, Protocol):
    """A source whose adapters are not on this machine."""

    @classmethod
    def alone(cls, uri: AdapterURI, configured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the keys of a table that is only the adapter at `uri`.

        The first of the `configured` tables of this kind that `uri` lies in lends its other keys.
        """
        ...
