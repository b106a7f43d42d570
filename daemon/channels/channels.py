"""All channels of one daemon."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.share import Share, tag_of

from .channel import Channel, Making

if TYPE_CHECKING:
    from hotswapd.swap.rows.ended import Ended


class Channels:
    """Every channel by its name. Every method is legal on any thread, but `poll` and `waits` are for the worker's.

    Nothing is done for a channel in which nothing happens: only those are polled that somebody has asked for since they
    were idle.
    """

    def __init__(self, making: Making, names: Iterable[str] = ()) -> None:
        """Begin with the default channel, and those that are known already."""
        self._making = making
        self._lock = threading.Lock()
        self._names = {*making.current.now.named_channels, *names}
        self._made: dict[str, Channel] = {}
        self._awake: set[str] = set()

    @property
    def base(self) -> Generation:
        """What a channel has live before anything went live in it."""
        return self._making.base

    def names(self) -> list[str]:
        """Name them: the default channel first, then the others in the order of their names."""
        with self._lock:
            return [DEFAULT, *sorted(self._names - {DEFAULT})]

    def has(self, name: str) -> bool:
        """Tell whether there is a channel of this name."""
        with self._lock:
            return name in self._names

    def learn(self, names: Iterable[str]) -> None:
        """Take note that these exist."""
        with self._lock:
            self._names.update(names)

    def find(self, name: str) -> Channel | None:
        """Return a channel, or None if there is none of this name."""
        with self._lock:
            known = name in self._names
        return self.of(name) if known else None

    def of(self, name: str) -> Channel:
        """Return a channel, made if it is new; it is polled from now on, until nothing happens in it."""
        with self._lock:
            self._names.add(name)
            self._awake.add(name)
            if name not in self._made:
                self._made[name] = self._making.channel(name)
            return self._made[name]

    def forget(self, name: str) -> None:
        """Let go of a channel that was removed."""
        with self._lock:
            self._made.pop(name, None)
            self._awake.discard(name)
            self._names -= {name} - self._making.current.now.named_channels
        self._making.watched.forget(name)

    def made(self) -> list[Channel]:
        """Return those in which something has happened since the start, or that had something live then."""
        with self._lock:
            return list(self._made.values())

    def lives(self) -> list[Generation]:
        """Return what is live, wherever that is not the bare base."""
        return [now for channel in self.made() if (now := channel.live.now).number]

    def poll(self) -> None:
        """Judge what is live, and what is beside it. Raises ResidentLost."""
        for channel in self._to_poll():
            channel.poll()
            with self._lock:
                if channel.is_idle:
                    self._awake.discard(channel.name)

    def waits(self) -> bool:
        """Tell whether a rollback is due that was not possible yet."""
        return any(channel.guard.waits for channel in self._to_poll())

    def halt(self) -> None:
        """Record, at a proper end of the process, that no canary killed it."""
        for channel in self.made():
            channel.rollouts.halt()

    def renew(self, named: Iterable[str]) -> None:
        """Judge by the configuration that holds now, which names these channels."""
        self.learn(named)
        for channel in self.made():
            verify = self._making.current.now.verify_of(channel.name)
            channel.watch.renew(verify.watch)
            channel.watch.sample.keep(verify.replay.outcome != "off")

    def _to_poll(self) -> list[Channel]:
        with self._lock:
            return [self._made[name] for name in sorted(self._awake) if name in self._made]

    # What requests ask for

    def route(self, key: str, name: str = DEFAULT) -> tuple[int | None, str]:
        """Return the generation that answers a request to a channel, None for the live one, and how it is counted.

        A channel in which nothing went live yet is the bare base.
        """
        channel = self.peek(name)
        if channel is None or not channel.live.now.number:
            number, arm = channel.traffic.route(key) if channel else (None, "")
            return (0 if number is None and name != DEFAULT else number), tag_of(arm, name)
        number, arm = channel.traffic.route(key)
        return number, tag_of(arm, name)

    def shares(self) -> Mapping[str, Share]:
        """Return by what requests are split now, by the channels in which two generations are side by side."""
        found = ((channel.name, channel.traffic.split()) for channel in self.made())
        return {name: share for name, share in found if share is not None}

    def number(self, name: str = DEFAULT) -> int | None:
        """Return the generation that is beside a channel's live one, None if there is none."""
        channel = self.peek(name)
        return channel.traffic.number() if channel else None

    def owns(self, number: int, name: str) -> bool:
        """Tell whether requests to a channel may name this generation: not if it is another channel's.

        The bare base is everybody's. What was live too long ago to be known is the default channel's.
        """
        owner = self._making.watched.owner(number) or next(
            (one.name for one in self.made() if one.has(number)), DEFAULT
        )
        return number == 0 or owner == name

    def scored(self, generation: int, score: float, answer: str = "") -> bool:
        """Count feedback; return False if the generation is in no rollout."""
        del answer  # whoever takes feedback knows that it is the first
        return any(channel.traffic.scored(generation, score) for channel in self._to_poll())

    def ended(self, ended: "Ended") -> None:
        """Count a request that has ended, in its channel's rollout and watch; it must not take long."""
        arm, _, name = ended.tag.partition("@")
        counted = self.peek(name) if name else None
        if counted is not None:
            counted.traffic.ended(replace(ended, tag=arm))
        self._making.watched.ended(ended)

    def peek(self, name: str) -> Channel | None:
        """Return a channel without waking it; None if nothing has happened in it since the start."""
        with self._lock:
            return self._made.get(name)
