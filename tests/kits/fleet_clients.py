"""Clients of two ingresses' dispatchers, in the test's own process: what they get has each replica's name on it."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from hotswapd.daemon.errors import NotReady
from hotswapd.daemon.fleet.book import Tag
from hotswapd.daemon.fleet.serving.dispatch import Dispatcher
from hotswapd.daemon.fleet.serving.place import Together
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.sampling import Sampling
from kits.fleet_notes import Notes
from kits.fleet_rows import Row

INGRESSES = 2


@dataclass
class Got:
    """One whole answer: `members` has when each replica that made it said something first."""

    tag: Tag
    tokens: tuple[int, ...]
    begun: float
    members: dict[str, float]


class Clients:
    """So many at once, each asking one channel after the other; what they get is checked at the end."""

    def __init__(
        self,
        handle: Any,
        together: Together,
        channels: Sequence[str],
        prompt: tuple[int, ...],
        tokens: int,
        pause: float = 0.0,
    ) -> None:
        """`handle` is Serve's, to the replicas; `pause` the seconds that each client waits after an answer."""
        self._pause = pause
        self.handle, self.together = handle, together
        self.channels, self.prompt, self.tokens = channels, prompt, tokens
        self.got: list[Got] = []
        self.failures: list[str] = []
        self.resumed = 0
        self._ended = False

    async def run(self, number: int, work: Callable[[], None]) -> None:
        """Ask until `work`, which runs on a thread, has ended."""
        ingresses = [Dispatcher(self.handle, self.together) for _ in range(INGRESSES)]
        asking = [asyncio.create_task(self._ask(ingresses[at % INGRESSES], at)) for at in range(number)]
        try:
            await asyncio.to_thread(work)
        finally:
            self._ended = True
            await asyncio.gather(*asking)
            self.resumed = sum(one.resumed for one in ingresses)
            for one in ingresses:
                one.close()

    async def _ask(self, ingress: Dispatcher, at: int) -> None:
        while not self._ended:
            at += 1
            try:
                await self._once(ingress, self.channels[at % len(self.channels)])
            except NotReady as error:
                self.failures.append(error.sentence)
            await asyncio.sleep(self._pause)

    async def _once(self, ingress: Dispatcher, channel: str) -> None:
        begun, tokens, members, tags = time.monotonic(), list[int](), dict[str, float](), list[Tag]()
        ask = Ask(self.prompt, self.tokens, sampling=Sampling(), ignore_eos=True)
        async for by, piece in ingress.answer(channel, ask):
            tags.append(by)
            members.setdefault(piece.member, time.monotonic())
            tokens += piece.tokens
            if piece.finish == "error":
                self.failures.append(str(piece.error))
        if tags:
            self.got.append(Got(tags[0], tuple(tokens), begun, members))

    def row(self, name: str, notes: Notes, truth: Mapping[str, tuple[int, ...]]) -> Row:
        """Check every answer; `truth` has what a fresh PEFT load answers, by digest."""
        row = Row(name, answers=len(self.got), failed=list(self.failures), resumed=self.resumed)
        row.older = _older(self.got)
        verified = cache(lambda member: notes.first("verified", member))
        for one in self.got:
            row.generations.add(one.tag.number)
            true = truth[one.tag.digest]  # to the end-of-text token, past which the clients ask on
            if one.tokens[: len(true)] != true[: self.tokens] or len(one.tokens) != self.tokens:
                row.mixed.append(f"generation {one.tag.number}: {one.tokens}")
            row.unverified += [member for member in one.members if not _is_verified(one, member, verified(member))]
        return row


def _is_verified(one: Got, member: str, verified: Mapping[str, float]) -> bool:
    """Tell whether a replica had verified what it answered with before it said the first word."""
    since = verified.get(one.tag.digest)
    return one.tag.number == 0 or (since is not None and since < one.members[member])


def _older(got: Iterable[Got]) -> int:
    """Count requests that began after an answer by a newer generation of their channel, and got an older one."""
    answers = list(got)
    moments = [(min(one.members.values()), 1, one) for one in answers] + [(one.begun, 0, one) for one in answers]
    newest: dict[str, int] = {}
    older = 0
    for _, says, one in sorted(moments, key=lambda moment: moment[:2]):
        if says:
            newest[one.tag.channel] = max(newest.get(one.tag.channel, 0), one.tag.serial)
        else:
            older += one.tag.serial < newest.get(one.tag.channel, 0)
    return older
