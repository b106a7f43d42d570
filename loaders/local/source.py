"""A local folder as a source: what a scan finds in it, when that has settled, and how it gets into the store."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from hotswapd.loaders.bell import Bell
from hotswapd.loaders.codes import GoneCode, IgnoredCode, WaitingCode
from hotswapd.loaders.digests import MAX_MANIFEST_BYTES, Listed, listed_bytes, load_digests, mismatch
from hotswapd.loaders.errors import Gone, Refused, SourceDown, Unavailable
from hotswapd.loaders.files import CONFIG, MANIFEST, MAX_CONFIG_BYTES, MAX_TOKENIZER_BYTES, TOKENIZER, WEIGHTS, FileName
from hotswapd.loaders.source import Artifact, Scan, Sighting, Waiting
from hotswapd.loaders.store.stage import Stage
from hotswapd.loaders.store.store import READ_BYTES, Store
from hotswapd.loaders.uri import AdapterURI

from .root import opened_root, root_down
from .safe_open import closing, fingerprint, identity, open_below, open_file
from .settle import Settling
from .walk import Found, walk
from .watch import TreeWatch

# If events are not reliable, a scan may not wait for the full interval.
_POLL_SECONDS = 5.0
_SHORTEST = 0.05
# A scan may take at most a fifth of the time, however many events there are.
_REST_SHARE = 4.0


class LocalSource:
    """A directory that is watched; adapters lie in it at any depth up to four, or it is one itself.

    The threads are those that `Source` states. Links below the path are never followed.
    """

    kind = "local"

    def __init__(
        self,
        name: str,
        path: str | os.PathLike[str],
        settle: float = 2.0,
        rescan: float = 15.0,
        marker: str = "",
        *,
        max_bytes: int = 4 << 30,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Touch nothing yet. `settle` and `rescan` are seconds by `clock`, `max_bytes` caps the weights file."""
        self.path = os.path.normpath(Path(path).absolute())
        self.name = name or self.path
        self._rescan = rescan
        self._marker = marker
        self._caps: dict[FileName, int] = {CONFIG: MAX_CONFIG_BYTES, WEIGHTS: max_bytes}
        self._clock = clock
        self._settling = Settling(settle, marker, max_bytes)
        self._gap = _SHORTEST
        self._bell = Bell()
        self._watch = TreeWatch(self.path, self._bell, clock)

    def scan(self) -> Scan:
        """Judge every adapter once. Raises SourceDown with a ``root_`` code if the path cannot be read."""
        begun = time.monotonic()
        try:
            with opened_root(self.path) as root:
                # Watched before the walk, so that no change is missed between the two.
                watched = self._watch.ensure(os.fstat(root))
                sightings = self._walk(root)
        except OSError as error:
            raise self._down(root_down(self.path, error)) from error
        except SourceDown as down:
            raise self._down(down) from None
        self._gap = max(_SHORTEST, _REST_SHARE * (time.monotonic() - begun))
        return Scan(sightings, self._again_in(watched))

    def fetch(self, sighting: Sighting, store: Store, stop: threading.Event) -> Artifact:
        """Copy exactly the files that were sighted. Raises Unavailable, Gone or Refused.

        Codes of Unavailable: ``changed``, ``digest_mismatch``, ``stopping``, ``permission``, ``read_failed``,
        ``disk_full``, ``store_failed``; of Refused: those of `open_file` and `open_below`.
        """
        with self._opened(sighting.uri) as (directory, files):
            before = {name: os.fstat(fd) for name, fd in files.items()}
            if fingerprint(before.values()) != sighting.revision:
                raise _changed(sighting.uri)
            manifest = _manifest(files[MANIFEST], stop) if MANIFEST in files else None
            listed = {} if manifest is None else _digests(manifest)
            store.require_free(before[CONFIG].st_size + before[WEIGHTS].st_size)
            with store.stage() as stage:
                for name, cap in self._caps.items():
                    chunks = _chunks(files[name], before[name].st_size, stop)
                    stage.write(name, listed_bytes(chunks, name, listed.get(name)), cap)
                if fingerprint(os.fstat(fd) for fd in files.values()) != sighting.revision:
                    raise _gone_or_changed(sighting.uri, directory)
                if manifest is not None:
                    stage.beside(MANIFEST, manifest)
                for extra in TOKENIZER:
                    _copy_beside(stage, extra, directory, stop)
                return stage.commit()

    def wait(self, seconds: float) -> None:
        """Sleep `seconds`, or until some time after a change, or until `wake`."""
        self._bell.wait(seconds, self._gap)

    def wake(self) -> None:
        """End a `wait` that is under way."""
        self._bell.wake()

    def contains(self, uri: AdapterURI) -> bool:
        """Return whether the address is the path or lies below it."""
        plain = os.path.normpath(uri.location)
        return uri.scheme == "file" and (plain == self.path or plain.startswith(self._prefix()))

    def close(self) -> None:
        """Stop watching and end every wait."""
        self._bell.close()
        self._watch.close()

    def _walk(self, root: int) -> tuple[Sighting, ...]:
        now = self._clock()
        sightings = [self._sight(found, now) for found in walk(root, self._marker)]
        self._settling.end_scan()
        return tuple(sighting for sighting in sightings if sighting is not None)

    def _sight(self, found: Found, now: float) -> Sighting | None:
        """Return what there is to say of it; None for what is unfinished under a name that is ignored."""
        verdict = self._settling.judge(found, now)
        waiting = verdict.waiting or _unnamable(found.parts)
        if found.ignored and not (waiting and isinstance(waiting.code, IgnoredCode)):
            return None
        files = identity((found.config, found.weights))
        return Sighting(self._uri(found.parts), verdict.revision, verdict.stamp, waiting, files)

    def _again_in(self, watched: bool) -> float:
        """Return the seconds until something may have settled, at most the interval between scans."""
        longest = self._rescan if watched else min(self._rescan, _POLL_SECONDS)
        soonest = self._settling.soonest(self._clock())
        return longest if soonest is None else max(min(longest, soonest), _SHORTEST)

    def _down(self, down: SourceDown) -> SourceDown:
        """Forget everything about this root, and scan again soon: a missing root sends no events."""
        self._settling.forget()
        self._watch.root_lost()
        return SourceDown(down.code, down.sentence, min(self._rescan, _POLL_SECONDS))

    def _prefix(self) -> str:
        return self.path.rstrip("/") + "/"

    def _uri(self, parts: tuple[str, ...]) -> AdapterURI:
        # A name that is not valid text could not be logged or stored: it is shown escaped and never fetched.
        shown = [part.encode("utf-8", "backslashreplace").decode() for part in parts]
        return AdapterURI.of_path(self._prefix() + "/".join(shown))

    @contextmanager
    def _opened(self, uri: AdapterURI) -> Iterator[tuple[int, dict[str, int]]]:
        """Open the adapter's directory, both its files, and its manifest if it has one."""
        if not self.contains(uri):
            raise Gone(GoneCode.GONE, f"{uri} does not lie below {self.path}")
        parts = [part for part in os.path.normpath(uri.location)[len(self.path) :].split("/") if part]
        with ExitStack() as open_now:
            try:
                root = open_now.enter_context(opened_root(self.path))
            except SourceDown as error:
                raise Unavailable(error.code, error.sentence) from error
            directory = open_now.enter_context(closing(open_below(root, parts)))
            files: dict[str, int] = {}
            for name, cap in self._caps.items():
                files[name] = open_now.enter_context(closing(open_file(name, directory, cap)))
            with suppress(Gone):  # it is optional
                files[MANIFEST] = open_now.enter_context(closing(open_file(MANIFEST, directory, sys.maxsize)))
            yield directory, files


def _copy_beside(stage: Stage, name: str, directory: int, stop: threading.Event) -> None:
    """Copy one of the files beside it if it is there and can be read."""
    with suppress(Gone, Refused, Unavailable), closing(open_file(name, directory, MAX_TOKENIZER_BYTES)) as fd:
        stage.beside(name, b"".join(_chunks(fd, os.fstat(fd).st_size, stop)))


def _manifest(manifest: int, stop: threading.Event) -> bytes:
    return b"".join(_chunks(manifest, MAX_MANIFEST_BYTES + 1, stop))


def _digests(manifest: bytes) -> dict[str, Listed]:
    try:
        return load_digests(manifest)
    except ValueError as error:
        raise mismatch(str(error)) from error


def _chunks(fd: int, size: int, stop: threading.Event) -> Iterator[bytes]:
    """Read the bytes that the file had when it was opened, and none that were added since."""
    done = 0
    while done < size:
        if stop.is_set():
            raise Unavailable(WaitingCode.STOPPING, "the daemon is stopping; it is fetched after the next start")
        try:
            chunk = os.pread(fd, min(READ_BYTES, size - done), done)
        except OSError as error:
            raise Unavailable(
                WaitingCode.READ_FAILED, f"reading failed: {error.strerror}; it is tried again"
            ) from error
        if not chunk:
            return  # it became shorter meanwhile: the comparison afterwards reports that
        done += len(chunk)
        yield chunk


def _changed(uri: AdapterURI) -> Unavailable:
    return Unavailable(WaitingCode.CHANGED, f"{uri} was written to after it was sighted; it must settle again")


def _gone_or_changed(uri: AdapterURI, directory: int) -> Gone | Unavailable:
    for name in (CONFIG, WEIGHTS):
        if not os.access(name, os.F_OK, dir_fd=directory, follow_symlinks=False):
            return Gone(GoneCode.GONE, f"{uri} was deleted while it was copied")
    return _changed(uri)


def _unnamable(parts: tuple[str, ...]) -> Waiting | None:
    try:
        "".join(parts).encode()
    except UnicodeEncodeError:
        return Waiting(WaitingCode.BAD_NAME, "its name is not valid UTF-8: rename it")
    return None
