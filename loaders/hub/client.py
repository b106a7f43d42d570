"""The few calls that a Hub source makes: resolve a commit, list its files, download one.

They use the client library's session but not its downloads: those sleep and retry in the calling thread for
minutes, answer from a cache while the Hub is unreachable, and check only sizes.
"""

import hashlib
import json
import re
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote, urljoin, urlsplit

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import build_hf_headers, get_session  # type: ignore[attr-defined]

from hotswapd.loaders.codes import HubCode, WaitingCode
from hotswapd.loaders.store.store import READ_BYTES
from hotswapd.loaders.wire import Wire

from .errors import CallContext, HubTrouble, trouble_of
from .token import HubToken

# The library uses httpx in its versions 1.x and httpx2 in 2.x: all errors of either have this base.
_TRANSPORT_ERROR: type[Exception] = HfHubHTTPError.__bases__[0]
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?\Z")
_REPO_IN_PATH = re.compile(r"/(?:api/resolve-cache/models/)?([^/]+/[^/]+)/(?:resolve/)?")
_MAX_JSON = 8 << 20
# What reading JSON of any shape may raise: a number may be infinite, and there may be text instead of a map.
_ODD = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


class Answer(Protocol):
    """The part of a response that is used, whichever transport library made it."""

    status_code: int
    headers: Any

    def iter_raw(self, chunk_size: int) -> Iterator[bytes]:
        """Yield the body as it was sent."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One file at one commit: its size in bytes, its git blob id, and its SHA-256 if it is in LFS or Xet.

    `date` is that of the last commit that touched it, in seconds since the epoch, or None if unknown.
    """

    path: str
    size: int
    blob: str
    sha256: str | None
    date: float | None

    def same_content(self, other: "Entry | None") -> bool:
        """Return whether both are the same bytes."""
        return other is not None and (self.size, self.blob, self.sha256) == (other.size, other.blob, other.sha256)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait: for a connection, for the next byte, and for a whole small answer or the next MiB."""

    connect: float = 5.0
    read: float = 15.0
    whole: float = 60.0


class HubClient:
    """Calls for one repository. May be used on several threads; each call raises HubTrouble."""

    def __init__(self, repo: str, endpoint: str, token: HubToken, patience: Patience) -> None:
        """Touch nothing yet. An empty `endpoint` means the library's."""
        self.repo = repo
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._token = token
        self._patience = patience
        self._closed = threading.Event()

    def close(self) -> None:
        """End every call that is under way, and every later one."""
        self._closed.set()

    def commit_of(self, revision: str, path: str) -> str:
        """Resolve a branch, tag or commit to a commit with one HEAD for `path`, which need not exist there."""
        url = f"{self.endpoint}/{self.repo}/resolve/{quote(revision, safe='')}/{quote(path)}"
        context = self._context(revision)
        for _ in range(2):
            with self._exchange("HEAD", url, context) as (answer, _wire):
                commit = answer.headers.get("X-Repo-Commit", "")
                absent = answer.headers.get("X-Error-Code") == "EntryNotFound"
                if not absent:
                    _require_good(answer, context)
                if _COMMIT.match(commit):
                    return str(commit)
                url = self._next_hop(url, answer)
        raise HubTrouble(HubCode.BAD_ANSWER, f"{self.endpoint} redirects in a circle: check endpoint and repo")

    def entries(self, commit: str, paths: Sequence[str]) -> dict[str, Entry]:
        """Return the `paths` that are files at a commit."""
        url = f"{self.endpoint}/api/models/{self.repo}/paths-info/{commit}"
        found = self._json("POST", url, commit, data={"paths": list(paths), "expand": True})
        try:
            entries = [_entry(raw) for raw in found if raw["type"] == "file"]
        except _ODD as error:
            raise self._bad_answer(f"its list of files cannot be parsed ({type(error).__name__})") from error
        return {entry.path: entry for entry in entries if entry.path in paths}

    def date_of(self, commit: str) -> float:
        """Return the date of a commit, in seconds since the epoch."""
        url = f"{self.endpoint}/api/models/{self.repo}/revision/{commit}"
        found = self._json("GET", url, commit, params={"expand": "lastModified"})
        try:
            return _seconds(found["lastModified"])
        except _ODD as error:
            raise self._bad_answer("it does not date a commit") from error

    def download(self, commit: str, entry: Entry, stop: threading.Event) -> Generator[bytes, None, None]:
        """Yield a file's bytes at a commit; raise ``digest_mismatch`` after the last one unless they have its digest.

        Raises ``stopping`` soon after `stop` is set. Close the iterator if it is not exhausted.
        """
        url = f"{self.endpoint}/{self.repo}/resolve/{commit}/{quote(entry.path)}"
        context = self._context(commit, by_commit=True)
        digest = hashlib.sha256() if entry.sha256 else _git_blob(entry.size)
        left = entry.size
        with self._exchange("GET", url, context, stop, follow_redirects=True) as (answer, wire):
            _require_good(answer, context)
            for chunk in answer.iter_raw(READ_BYTES):
                wire.progress()
                left -= len(chunk)
                if left < 0:
                    break
                digest.update(chunk)
                yield chunk
        if left or digest.hexdigest() != (entry.sha256 or entry.blob):
            raise HubTrouble(
                WaitingCode.DIGEST_MISMATCH,
                f"{entry.path} did not arrive with the digest that commit {commit} names; it is tried again",
            )

    @contextmanager
    def _exchange(
        self, method: str, url: str, context: CallContext, stop: threading.Event | None = None, **more: Any
    ) -> Iterator[tuple[Answer, Wire]]:
        """Send one request and yield its answer before its body is read; never retries, never sleeps."""
        headers = build_hf_headers(token=self._token.read() or False, library_name="hotswapd")
        # The bytes as they are stored, over a connection that is opened here, so that it can be cut.
        headers |= {"Accept-Encoding": "identity", "Connection": "close"}
        times = self._patience
        stops = (self._closed, stop) if stop else (self._closed,)
        wire = Wire(stops, times.whole)
        sent: dict[str, Any] = {
            "headers": headers,
            "timeout": (times.connect, times.read, times.read, times.connect),
            "extensions": {"trace": wire.trace},
            "follow_redirects": False,
        }
        if any(event.is_set() for event in stops):
            raise _stopping()
        try:
            with wire, get_session().stream(method, url, **(sent | more)) as answer:
                yield answer, wire
        except (_TRANSPORT_ERROR, OfflineModeIsEnabled) as error:
            raise self._broken(error, wire) from None

    def _json(self, method: str, url: str, commit: str, **more: Any) -> Any:
        context = self._context(commit, by_commit=True)
        body = bytearray()
        with self._exchange(method, url, context, **more) as (answer, _wire):
            _require_good(answer, context)
            for chunk in answer.iter_raw(READ_BYTES):
                body += chunk
                if len(body) > _MAX_JSON:
                    raise self._bad_answer("its answer does not end")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._bad_answer("its answer is not JSON") from error

    def _next_hop(self, url: str, answer: Answer) -> str:
        """Follow a redirect on the same server; if it leads to another repository, ours was renamed."""
        try:
            target = urljoin(url, str(answer.headers.get("Location", "")))
        except ValueError as error:
            raise self._bad_answer("it redirects to a malformed address") from error
        place, base = urlsplit(target), urlsplit(self.endpoint)
        if target == url or (place.scheme, place.netloc) != (base.scheme, base.netloc):
            raise self._bad_answer("it does not name a commit")
        found = _REPO_IN_PATH.match(place.path.removeprefix(base.path))
        if found and found[1] != self.repo:
            raise HubTrouble(
                HubCode.RENAMED, f"{self.repo} is now called {found[1]}: write repo = {json.dumps(found[1])}"
            )
        return target

    def _context(self, revision: str, by_commit: bool = False) -> CallContext:
        return CallContext(
            self.endpoint, self.repo, revision, self._token.place, by_commit or bool(_COMMIT.match(revision))
        )

    def _broken(self, error: Exception, wire: Wire) -> HubTrouble:
        if wire.cut_by == "stopping":
            return _stopping()
        if isinstance(error, OfflineModeIsEnabled):
            return HubTrouble(
                HubCode.OFFLINE, "HF_HUB_OFFLINE is set, so no Hub is called: unset it or remove the source"
            )
        if wire.cut_by == "too_slow":
            why = f"nothing useful came for {self._patience.whole:g} s"
        else:
            why = f"{type(error).__name__}: {error}".rstrip(": ")
        return HubTrouble(
            HubCode.UNREACHABLE, f"{self.endpoint} cannot be reached ({why}); check network, proxy and endpoint"
        )

    def _bad_answer(self, why: str) -> HubTrouble:
        return HubTrouble(HubCode.BAD_ANSWER, f"{self.endpoint} does not answer like a Hub, {why}: check endpoint")


def _require_good(answer: Answer, context: CallContext) -> None:
    # The library's own check reads the body of an error without a limit, and stumbles over unusual ones.
    if answer.status_code >= 400:
        raise trouble_of(answer.status_code, answer.headers, context)


def _stopping() -> HubTrouble:
    return HubTrouble(WaitingCode.STOPPING, "the daemon is stopping; it is fetched after the next start")


def _git_blob(size: int) -> Any:
    """Start the hash by which git names a file."""
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def _seconds(date: str) -> float:
    return datetime.fromisoformat(date).timestamp()


def _entry(raw: dict[str, Any]) -> Entry:
    """Read one element of a list of paths. Raises one of `_ODD`."""
    large, last = raw.get("lfs"), raw.get("lastCommit")
    entry = Entry(
        path=str(raw["path"]),
        size=int(raw["size"]),
        blob=str(raw["oid"]),
        sha256=str(large.get("oid") or large["sha256"]) if large else None,
        date=_seconds(last["date"]) if last else None,
    )
    if entry.size < 0:
        raise ValueError("a file has a negative size")
    return entry
