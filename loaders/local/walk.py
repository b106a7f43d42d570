"""Find the adapter directories below a root that others write to, with a few system calls for each."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from hotswapd.loaders.files import CONFIG, MANIFEST, MAX_DEPTH, PICKLE, WEIGHTS
from hotswapd.loaders.ignored import ignored_sentence, rule_for

from .safe_open import closing, open_child

log = logging.getLogger(__name__)

MOST_IGNORED = 200
"""How many directories under ignored names one walk looks into: a snapshot directory may hold everything again."""


@dataclass(frozen=True, slots=True)
class Found:
    """A directory that is an adapter, or is becoming one.

    `parts` are its names below the root, `fd` is the open directory, valid until the walk goes on. `config`,
    `weights` and `manifest` are lstat results, None if the file is missing. `denied` is set, and `fd` is -1, if the
    directory cannot be read; `link` if `parts` ends in a link that leads to an adapter. `names` are those of its
    files that matter, `marker` the lstat result of the configured one. `ignored` is why a name in `parts` is never
    taken.
    """

    parts: tuple[str, ...]
    fd: int = -1
    config: os.stat_result | None = None
    weights: os.stat_result | None = None
    manifest: os.stat_result | None = None
    names: frozenset[str] = frozenset()
    denied: os.stat_result | None = None
    link: os.stat_result | None = None
    marker: os.stat_result | None = None
    ignored: str = ""

    def facts(self) -> tuple[os.stat_result | None, ...]:
        """Return what its revision is computed from; at least one is not None."""
        alone = self.denied or self.link
        if alone:
            return (alone,)
        return (self.config, self.weights, self.manifest) if self.manifest else (self.config, self.weights)

    def stamp(self) -> float:
        """Return when the adapter itself arrived: the latest ctime of its files except the manifest, in seconds."""
        return max(f.st_ctime_ns for f in (self.denied, self.link, self.config, self.weights) if f) / 1e9


@dataclass(slots=True)
class _Listing:
    """The names in one directory that matter."""

    ours: set[str] = field(default_factory=set)
    below: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


class _Walk:
    """One walk. `ours` are the names of files that matter, `marker` is one of them or empty."""

    def __init__(self, marker: str) -> None:
        self._ours = frozenset((CONFIG, WEIGHTS, MANIFEST, PICKLE, marker)) - {""}
        self._marker = marker
        self._looks = MOST_IGNORED

    def visit(self, fd: int, parts: tuple[str, ...], listing: _Listing) -> Iterator[Found]:
        found = self._adapter(fd, parts, frozenset(listing.ours))
        if found is not None:
            yield found
        if len(parts) == MAX_DEPTH:
            return
        for name in listing.links:
            yield from _link(name, fd, parts)
        for name in listing.below:
            yield from self._descend(name, fd, parts)
        for name in listing.ignored:
            yield from self._look_into(name, fd, parts)

    def list(self, fd: int) -> _Listing:
        return _list(fd, self._ours)

    def _look_into(self, name: str, parent: int, parts: tuple[str, ...]) -> Iterator[Found]:
        """Yield what is complete below an ignored name: it is never taken, but its owner gets an answer."""
        for found in self._descend(name, parent, parts):
            if found.config is not None and found.weights is not None:
                yield replace(found, ignored=ignored_sentence(found.parts))

    def _descend(self, name: str, parent: int, parts: tuple[str, ...]) -> Iterator[Found]:
        if rule_for(name) or ignored_sentence(parts):
            self._looks -= 1
            if self._looks < 0:
                return
        try:
            fd = open_child(name, parent)
        except PermissionError:
            denied = _lstat(name, parent, frozenset((name,)))
            if denied is not None:
                yield Found((*parts, name), denied=denied)
            return
        except OSError as error:
            log.debug("directory %s is left out of this scan: %s", name, error)
            return
        with closing(fd):
            try:
                listing = self.list(fd)
            except OSError as error:
                log.debug("directory %s is left out of this scan: %s", name, error)
                return
            yield from self.visit(fd, (*parts, name), listing)

    def _adapter(self, fd: int, parts: tuple[str, ...], names: frozenset[str]) -> Found | None:
        try:
            config, weights, manifest, marker = (
                _lstat(name, fd, names) for name in (CONFIG, WEIGHTS, MANIFEST, self._marker)
            )
        except PermissionError:  # it may be listed but not entered
            return Found(parts, denied=os.fstat(fd))
        except OSError as error:
            log.debug("directory %s is left out of this scan: %s", "/".join(parts), error)
            return None
        if config is None and weights is None:
            return None
        there = {CONFIG: config, WEIGHTS: weights, MANIFEST: manifest, self._marker: marker}
        gone = {name for name, facts in there.items() if facts is None}
        return Found(parts, fd, config, weights, manifest, names - gone, marker=marker)


def walk(root: int, marker: str = "") -> Iterator[Found]:
    """Yield the adapters in the open directory `root` and up to four levels below it.

    Entries that vanish meanwhile are left out. Of directories under ignored names, the first MOST_IGNORED are looked
    into. Raises OSError if `root` itself cannot be listed.
    """
    one = _Walk(marker)
    yield from one.visit(root, (), one.list(root))


def _list(fd: int, ours: frozenset[str]) -> _Listing:
    found = _Listing()
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.name in ours:
                found.ours.add(entry.name)
            elif entry.is_dir(follow_symlinks=False):
                (found.ignored if rule_for(entry.name) else found.below).append(entry.name)
            elif entry.is_symlink() and not rule_for(entry.name):
                found.links.append(entry.name)
    return found


def _link(name: str, parent: int, parts: tuple[str, ...]) -> Iterator[Found]:
    """Report a link that leads to an adapter: it is never followed, but its owner gets an answer."""
    try:
        os.stat(f"{name}/{CONFIG}", dir_fd=parent)
        link = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except OSError:
        return
    yield Found((*parts, name), link=link)


def _lstat(name: str, fd: int, names: frozenset[str]) -> os.stat_result | None:
    if name not in names:
        return None
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
