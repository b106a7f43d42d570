"""Find the adapter directories below a root that others write to, with a few system calls for each."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from hotswapd.loaders.files import CONFIG, MANIFEST, MAX_DEPTH, PICKLE, WEIGHTS, is_temporary

from .safe_open import closing, open_child

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A directory that is an adapter, or is becoming one.

    `parts` are its names below the root, `fd` is the open directory, valid until the walk goes on. `config`,
    `weights` and `manifest` are lstat results, None if the file is missing. `denied` is set, and `fd` is -1, if the
    directory cannot be read; `link` if `parts` ends in a link that leads to an adapter. `names` are those of its
    files that matter.
    """

    parts: tuple[str, ...]
    fd: int = -1
    config: os.stat_result | None = None
    weights: os.stat_result | None = None
    manifest: os.stat_result | None = None
    names: frozenset[str] = frozenset()
    denied: os.stat_result | None = None
    link: os.stat_result | None = None

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
    links: list[str] = field(default_factory=list)


def walk(root: int, marker: str = "") -> Iterator[Found]:
    """Yield the adapters in the open directory `root` and up to four levels below it.

    Entries that vanish meanwhile are left out. Raises OSError if `root` itself cannot be listed.
    """
    ours = frozenset((CONFIG, WEIGHTS, MANIFEST, PICKLE, marker))
    yield from _visit(root, (), _list(root, ours), ours)


def _visit(fd: int, parts: tuple[str, ...], listing: _Listing, ours: frozenset[str]) -> Iterator[Found]:
    found = _adapter(fd, parts, frozenset(listing.ours))
    if found is not None:
        yield found
    if len(parts) == MAX_DEPTH:
        return
    for name in listing.links:
        yield from _link(name, fd, parts)
    for name in listing.below:
        yield from _descend(name, fd, parts, ours)


def _adapter(fd: int, parts: tuple[str, ...], names: frozenset[str]) -> Found | None:
    try:
        config, weights, manifest = (_lstat(name, fd, names) for name in (CONFIG, WEIGHTS, MANIFEST))
    except PermissionError:  # it may be listed but not entered
        return Found(parts, denied=os.fstat(fd))
    except OSError as error:
        log.debug("directory %s is left out of this scan: %s", "/".join(parts), error)
        return None
    if config is None and weights is None:
        return None
    there = {CONFIG: config, WEIGHTS: weights, MANIFEST: manifest}
    gone = {name for name, facts in there.items() if facts is None}
    return Found(parts, fd, config, weights, manifest, names - gone)


def _list(fd: int, ours: frozenset[str]) -> _Listing:
    found = _Listing()
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.name in ours:
                found.ours.add(entry.name)
            elif not is_temporary(entry.name):
                if entry.is_dir(follow_symlinks=False):
                    found.below.append(entry.name)
                elif entry.is_symlink():
                    found.links.append(entry.name)
    return found


def _descend(name: str, parent: int, parts: tuple[str, ...], ours: frozenset[str]) -> Iterator[Found]:
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
            listing = _list(fd, ours)
        except OSError as error:
            log.debug("directory %s is left out of this scan: %s", name, error)
            return
        yield from _visit(fd, (*parts, name), listing, ours)


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
