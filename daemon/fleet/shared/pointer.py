"""What the whole fleet serves, at one moment: one record, of which each change makes a new one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.generation import BASE_DIGEST


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which generation each channel's new requests are given.

    `serial` counts the records, without gaps and for ever. `term` is that of the watcher that wrote it, `holder` a
    name that no other watcher ever has. `routes` has each channel's record, as `ledger.generation` makes it;
    `highest` is the highest generation that was ever given a number.
    """

    serial: int = 0
    term: int = 0
    holder: str = ""
    highest: int = 0
    routes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def answers(self, channel: str) -> tuple[int, str]:
        """Return number and digest of what a channel has live; the bare base's if it has nothing."""
        found = self.routes.get(channel)
        return (0, BASE_DIGEST) if found is None else (int(found["generation"]), str(found["digest"]))

    def answering(self) -> dict[int, str]:
        """Return the digests of all generations that are live in some channel, by number, without the base."""
        found = dict(self.answers(channel) for channel in self.routes)
        found.pop(0, None)
        return found

    def numbers(self) -> list[int]:
        """Name all generations that are live in some channel, the default one's first, the base last."""
        first = self.answers(DEFAULT)[0]
        others = sorted(self.answering().keys() - {first}, reverse=True)
        return [*dict.fromkeys([first, *others, 0])]

    def next(self, routes: Mapping[str, Mapping[str, Any]], highest: int = 0) -> "Pointer":
        """Return the record after this one, by the same watcher."""
        numbers = (int(one["generation"]) for one in routes.values())
        return replace(self, serial=self.serial + 1, routes=dict(routes), highest=max(self.highest, highest, *numbers))

    def may_follow(self, other: "Pointer") -> bool:
        """Tell whether a reader of `other` may go on to this one: neither term nor serial is lower."""
        return self.serial > other.serial and self.term >= other.term

    def dump(self) -> bytes:
        """Write it as JSON."""
        record = {
            "serial": self.serial,
            "term": self.term,
            "holder": self.holder,
            "highest": self.highest,
            "routes": {name: dict(one) for name, one in self.routes.items()},
        }
        return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def load(cls, content: bytes) -> "Pointer":
        """Read what `dump` wrote. Raises ValueError for anything else."""
        try:
            record = json.loads(content)
            found = cls(
                int(record["serial"]),
                int(record["term"]),
                str(record["holder"]),
                int(record["highest"]),
                dict(record["routes"]),
            )
            for channel in found.routes:
                found.answers(channel)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"it is no pointer: {error!r}") from None
        return found
