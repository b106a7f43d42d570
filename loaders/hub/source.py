"""A Hub repository as a source: the commit that its branch or tag points to, and how that gets into the store.

One source is one place: the repository's root, or `subfolder`. Directories below it are not searched; configure
another source for each. A commit is atomic, so nothing has to settle.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from hotswapd.loaders.bell import Bell
from hotswapd.loaders.codes import FileCode, GoneCode, HubCode
from hotswapd.loaders.errors import Gone, LoadError, Refused, SourceDown, Unavailable
from hotswapd.loaders.files import BESIDE, CONFIG, MAX_CONFIG_BYTES, MAX_TOKENIZER_BYTES, PICKLE, WEIGHTS, FileName
from hotswapd.loaders.source import Artifact, Scan, Sighting
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.uri import AdapterURI
from hotswapd.loaders.whole import files_missing

from .address import split_repository, split_revision
from .client import Entry, HubClient, Patience
from .errors import HubTrouble
from .token import HubToken


@dataclass(frozen=True, slots=True)
class Content:
    """What a commit holds. `sighting` is None if it holds none of an adapter's files."""

    commit: str
    config: Entry | None
    weights: Entry | None
    sighting: Sighting | None
    beside: Mapping[str, Entry] = field(default_factory=dict)
    """The tokenizer's files, by name."""

    def same_content(self, other: "Content | None") -> bool:
        """Return whether both hold the same pair of files."""
        return (
            other is not None
            and self.config is not None
            and self.weights is not None
            and self.config.same_content(other.config)
            and self.weights.same_content(other.weights)
        )


class HubSource:
    """A revision of a Hub repository that is watched; the threads are those that `Source` states.

    Its address is ``hf://org/repo/sub``, or ``hf://org/repo@revision/sub`` for any revision but ``main``, so that two
    sources of one repository have two addresses. A Sighting's revision is the commit that brought the
    pair of files: later commits that leave both as they are do not change it.
    """

    kind = "hub"

    def __init__(
        self,
        name: str,
        repo: str,
        subfolder: str = "",
        revision: str = "main",
        poll: float = 30.0,
        token_file: str = "",
        endpoint: str = "",
        token_env: str = "",
        *,
        max_bytes: int = 4 << 30,
        clock: Callable[[], float] = time.monotonic,
        patience: Patience | None = None,
    ) -> None:
        """Touch nothing yet. `poll` is seconds, `max_bytes` caps the weights file.

        `clock` measures the waits that the server asks for. Raises ValueError for a `subfolder` that is outside the
        repository.
        """
        sub = subfolder.strip("/")
        if any(part in {"", ".", ".."} for part in sub.split("/") if sub):
            raise ValueError(f"subfolder {subfolder!r} must be a plain path inside the repository")
        self.revision = revision or "main"
        at = "" if self.revision == "main" else f"@{self.revision}"
        self.uri = AdapterURI("hf", f"{repo}{at}/{sub}".rstrip("/"))
        self.name = name or str(self.uri)
        self._prefix = f"{sub}/" if sub else ""
        self._poll = poll
        self._max_bytes = max_bytes
        self._clock = clock
        self._client = HubClient(repo, endpoint, HubToken(token_file, token_env), patience or Patience())
        self._bell = Bell()
        self._last: Content | None = None
        self._quiet: tuple[float, HubTrouble] | None = None

    @classmethod
    def alone(cls, uri: AdapterURI, configured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the keys of a table that is only this address; a table of its repository lends its other keys."""
        repo, rest = split_repository(uri)
        same = [table for table in configured if table["repo"] == repo]
        revision, subfolder = split_revision(rest, [table["revision"] for table in same])
        return {**(same[0] if same else {}), "repo": repo, "revision": revision, "subfolder": subfolder}

    def scan(self) -> Scan:
        """Resolve the revision, and read a commit that is new. Raises SourceDown.

        Its codes: ``hub_unreachable``, ``hub_offline``, ``hub_unauthorized``, ``hub_forbidden``, ``hub_gated``,
        ``hub_not_found``, ``hub_renamed``, ``hub_revision_not_found``, ``revision_gone``, ``rate_limited``,
        ``hub_server_error``, ``hub_bad_answer``, ``token_unreadable``, ``token_malformed``, ``stopping``.
        """
        try:
            self._respect_wait()
            commit = self._client.commit_of(self.revision, self._prefix + CONFIG)
            if self._last is None or self._last.commit != commit:
                self._last = self._keep_sighting(self._read(commit))
        except HubTrouble as trouble:
            self._note_wait(trouble)
            raise SourceDown(trouble.code, trouble.sentence, trouble.retry_after) from trouble
        sighting = self._last.sighting
        return Scan((sighting,) if sighting else (), self._poll)

    def fetch(self, sighting: Sighting, store: Store, stop: threading.Event) -> Artifact:
        """Copy the two files of the sighted commit. Raises Unavailable, Gone or Refused.

        Codes of Unavailable: those of `scan`, ``digest_mismatch``, ``disk_full``, ``store_failed``; of Gone:
        ``gone``, ``revision_gone``; of Refused: ``too_large``.
        """
        if not self.contains(sighting.uri):
            raise Gone(GoneCode.GONE, f"{sighting.uri} is not {self.uri}")
        commit = sighting.revision
        try:
            self._respect_wait()
            content = self._pinned(sighting)
            commit = content.commit
            return self._copy(content, store, stop)
        except HubTrouble as trouble:
            self._note_wait(trouble)
            raise self._meaning(trouble, commit) from trouble

    def wait(self, seconds: float) -> None:
        """Sleep `seconds`, or until `wake` or `close`."""
        self._bell.wait(seconds)

    def wake(self) -> None:
        """End a `wait` that is under way."""
        self._bell.wake()

    def contains(self, uri: AdapterURI) -> bool:
        """Return whether it is this source's one address; it may have ``@main`` in it."""
        if uri.scheme != "hf":
            return False
        head, slash, tail = uri.location.partition("@main")
        plain = head + tail if slash and (not tail or tail.startswith("/")) else uri.location
        return plain.strip("/") == self.uri.location

    def close(self) -> None:
        """End every wait and every call that is under way; one that is still connecting ends by its own timeout."""
        self._client.close()
        self._bell.close()

    def _read(self, commit: str) -> Content:
        names = (CONFIG, WEIGHTS, PICKLE, *BESIDE)
        there = self._client.entries(commit, [self._prefix + name for name in names])
        beside = {name: there.pop(self._prefix + name) for name in BESIDE if self._prefix + name in there}
        config, weights = there.get(self._prefix + CONFIG), there.get(self._prefix + WEIGHTS)
        if not there:
            return Content(commit, None, None, None)
        present = [path.removeprefix(self._prefix) for path in there]
        waiting = files_missing(present, where="in this commit")
        sighting = Sighting(self.uri, commit, self._stamp(commit, config, weights), waiting)
        return Content(commit, config, weights, sighting, beside)

    def _stamp(self, commit: str, config: Entry | None, weights: Entry | None) -> float:
        """Date the pair by the later of the commits that brought its files, or by `commit` if those are unknown."""
        dates = [entry.date for entry in (config, weights) if entry and entry.date is not None]
        return max(dates) if dates else self._client.date_of(commit)

    def _keep_sighting(self, content: Content) -> Content:
        """Keep the last sighting if a new commit left both files as they were, so that none is fetched again."""
        if self._last is not None and content.same_content(self._last):
            return replace(content, sighting=self._last.sighting)
        return content

    def _pinned(self, sighting: Sighting) -> Content:
        """Return what to copy from: the newest commit with this content, or else the sighted one."""
        last = self._last
        if last is not None and last.sighting is not None and last.sighting.revision == sighting.revision:
            return last
        return self._read(sighting.revision)

    def _copy(self, content: Content, store: Store, stop: threading.Event) -> Artifact:
        if content.config is None or content.weights is None:
            raise Gone(GoneCode.GONE, f"{self.uri} does not hold an adapter at commit {content.commit}")
        _require_small(content.config, MAX_CONFIG_BYTES)
        _require_small(content.weights, self._max_bytes)
        store.require_free(content.config.size + content.weights.size)
        pair: tuple[tuple[FileName, Entry], ...] = ((CONFIG, content.config), (WEIGHTS, content.weights))
        with store.stage() as stage:
            for name, entry in pair:
                with closing(self._client.download(content.commit, entry, stop)) as chunks:
                    stage.write(name, chunks, entry.size)
            for extra, entry in content.beside.items():
                if entry.size <= MAX_TOKENIZER_BYTES:
                    with closing(self._client.download(content.commit, entry, stop)) as chunks:
                        stage.beside(extra, b"".join(chunks))
            return stage.commit()

    def _meaning(self, trouble: HubTrouble, commit: str) -> LoadError:
        """Return Gone for a commit that the branch has left for good, or Unavailable if it may come back."""
        if trouble.code in {GoneCode.REVISION_GONE, HubCode.ENTRY_NOT_FOUND} and self._moved_on(commit):
            return Gone(GoneCode.REVISION_GONE, trouble.sentence)
        return Unavailable(trouble.code, trouble.sentence, trouble.retry_after)

    def _moved_on(self, commit: str) -> bool:
        try:
            return self._client.commit_of(self.revision, self._prefix + CONFIG) != commit
        except HubTrouble:
            return False  # unknown: the next try reports why

    def _respect_wait(self) -> None:
        """Make no call before a wait that the server named has passed, whoever asks."""
        quiet = self._quiet
        if quiet is not None and (left := quiet[0] - self._clock()) > 0:
            raise HubTrouble(quiet[1].code, quiet[1].sentence, left)

    def _note_wait(self, trouble: HubTrouble) -> None:
        if trouble.retry_after is not None:
            self._quiet = (self._clock() + trouble.retry_after, trouble)


def _require_small(entry: Entry, cap: int) -> None:
    if entry.size > cap:
        raise Refused(FileCode.TOO_LARGE, f"{entry.path} has {entry.size} bytes and {cap} are allowed")
