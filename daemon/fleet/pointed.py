"""What is live, as requests ask for it: which channels there are, and which generations can be named."""

import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress

import structlog

from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.share import Share, tag_of
from hotswapd.loaders.errors import Unavailable

from .beside import Told
from .looking import Looking
from .shared.pointer import Pointer
from .shared.trail import Follower

log = structlog.get_logger(__name__)
_MOST = 10_000
"""Scores that are kept while the watcher is away."""


class Pointed:
    """The newest pointer, and what the watcher has told of what is beside: a `Split`. Any thread may call any method.

    A look takes as long as the shared place does, and some seconds at most, unless `seldom`: then only `catch_up` reads
    it. While the watcher is away, what it has told last holds; a rollout whose live generation has retired is over.
    """

    def __init__(self, follower: Follower, named: Iterable[str] = (), *, seldom: bool = False) -> None:
        """Read nothing yet. `named` are channels that exist before anything has gone live in them."""
        self.seldom = seldom
        self._follower = follower
        self._looking = Looking(self._read)
        self._named = frozenset(named)
        self._lock = threading.Lock()
        self._told = Told()
        self._heard = Pointer()
        self._scores: list[tuple[int, float, str]] = []

    @property
    def now(self) -> Pointer:
        """The newest pointer that was read, or that the watcher has told of."""
        read, heard = self._follower.now, self._heard
        return heard if heard.may_follow(read) else read

    def look(self) -> Pointer:
        """Return the newest pointer; while the place cannot be read, the last that is known."""
        return self.now if self.seldom else self.catch_up()

    async def fresh(self) -> bool:
        """Let `now` be the newest pointer, as `look` does, without holding up the event loop.

        Return False if the place cannot be read: there may be a newer one then, which the watcher knows.
        """
        try:
            return self.seldom or await self._looking.fresh()
        except Unavailable:
            return False

    def catch_up(self) -> Pointer:
        """Read the place and return the newest pointer, or the last that was read. Takes some seconds at most."""
        with suppress(Unavailable):
            self._looking.wait()
        return self.now

    def _read(self) -> None:
        """Read the place, on the thread of `Looking`. Raises Unavailable, and says so."""
        before = self.now
        try:
            self._follower.look_now()
        except Unavailable as error:
            log.warning("shared_down", detail=error.sentence)
            raise
        _log(before, self.now)

    def hear(self, content: str) -> None:
        """Go on to a pointer that the watcher has written, unless a newer one is known. Raises ValueError."""
        found = Pointer.load(content.encode())
        with self._lock:
            before = self.now
            if found.may_follow(before):
                self._heard = found
                _log(before, found)

    def tell(self, told: Told, scores: int = 0) -> None:
        """Go by what the watcher says from now on; it has so many scores."""
        if told.newest:
            self.hear(told.newest)
        with self._lock:
            self._told = told
            del self._scores[:scores]

    def name(self, channels: Iterable[str]) -> None:
        """Let these channels exist before anything has gone live in them, and no others, from now on."""
        self._named = frozenset(channels)

    def scores(self) -> tuple[tuple[int, float, str], ...]:
        """Return the feedback that the watcher does not have yet."""
        with self._lock:
            return tuple(self._scores)

    def digests(self) -> Mapping[int, str]:
        """Return the digest of each generation that is beside a live one."""
        return {one.share.beside: one.digest for one in self._told.beside.values()}

    def generations(self) -> list[int]:
        """Name the generations that can be asked for, the live ones first."""
        live = self.look().numbers()
        return [*live, *sorted(self.digests().keys() - set(live))]

    def route(self, key: str, name: str = DEFAULT) -> tuple[int | None, str]:
        """Return the generation beside the live one if the key is of its share, else None, and how it is counted."""
        share = self._share(name)
        if share is None:
            return None, ""
        number, arm = share.route(key)
        return number, tag_of(arm, name)

    def number(self, name: str = DEFAULT) -> int | None:
        """Return the generation beside a channel's live one, None if there is none."""
        share = self._share(name)
        return None if share is None else share.beside

    def _share(self, name: str) -> Share | None:
        found = self._told.beside.get(name)
        return None if found is None or self.is_over(name, found.share.beside) else found.share

    def is_over(self, name: str, number: int) -> bool:
        """Tell whether a rollout has put this generation beside one that is live no longer, as far as is known."""
        found = self._told.beside.get(name)
        return found is not None and found.share.beside == number and self.now.answers(name)[0] != found.share.live

    def names(self) -> list[str]:
        """Name all channels, the default one first."""
        return [DEFAULT, *sorted({*self._named, *self.look().routes} - {DEFAULT})]

    def has(self, name: str) -> bool:
        """Tell whether there is a channel of this name."""
        known = {DEFAULT, *self._named}
        return name in known or name in self.now.routes or name in self.look().routes

    def owns(self, number: int, name: str) -> bool:
        """Tell whether requests to a channel may name this generation: one that is live nowhere is nobody's."""
        now = self.look()
        owners = {channel for channel in now.routes if now.answers(channel)[0] == number}
        owners |= {channel for channel, one in self._told.beside.items() if one.share.beside == number}
        return number == 0 or not owners or name in owners

    def scored(self, generation: int, score: float, answer: str = "") -> bool:
        """Keep feedback for the watcher; return False if the generation is in no rollout."""
        pairs = [(one.share.live, one.share.beside) for one in self._told.beside.values()]
        known = any(generation in pair for pair in pairs)
        with self._lock:
            if known and len(self._scores) < _MOST:
                self._scores.append((generation, score, answer))
        return known


def _log(before: Pointer, now: Pointer) -> None:
    """Say what each channel's requests are given from now on."""
    for name in sorted(before.routes.keys() | now.routes.keys()):
        number, digest = now.answers(name)
        if (number, digest) != before.answers(name):
            swap_id = str(now.routes.get(name, {}).get("swap_id", ""))
            log.info("serves", channel=name, generation=number, digest=digest, serial=now.serial, swap_id=swap_id)
