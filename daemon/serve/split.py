"""Which channels there are, and how their requests are split while a rollout runs, as the answerer asks for it."""

from collections.abc import Mapping
from typing import Protocol

from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.share import Share


class Split(Protocol):
    """Splits requests between the live generation and the one beside it. Every method is legal on any thread."""

    def route(self, key: str, name: str = DEFAULT) -> tuple[int | None, str]:
        """Return a channel's generation for a key, None for the live one, and the tag by which the request counts."""
        ...

    def number(self, name: str = DEFAULT) -> int | None:
        """Return the generation beside a channel's live one, or None."""
        ...

    def names(self) -> list[str]:
        """Name all channels."""
        ...

    def has(self, name: str) -> bool:
        """Tell whether there is a channel of this name."""
        ...

    def owns(self, number: int, name: str) -> bool:
        """Tell whether requests to a channel may name this generation: not if it is another channel's."""
        ...

    def scored(self, generation: int, score: float, answer: str = "") -> bool:
        """Count feedback for an answer, named by its id; return False if the generation is in no rollout."""
        ...


class Telling(Split, Protocol):
    """A split that others can go by, too: the ingresses of a fleet."""

    def shares(self) -> Mapping[str, Share]:
        """Return by what requests are split now, by the channels in which two generations are side by side."""
        ...


class NoSplit:
    """Nothing is ever beside the live generation: for the server of a candidate, for example."""

    def route(self, key: str, name: str = DEFAULT) -> tuple[int | None, str]:
        """Return the live generation."""
        return None, ""

    def number(self, name: str = DEFAULT) -> int | None:
        """Return None."""
        return None

    def names(self) -> list[str]:
        """Name the only one."""
        return [DEFAULT]

    def has(self, name: str) -> bool:
        """Tell whether it is the only one."""
        return name == DEFAULT

    def owns(self, number: int, name: str) -> bool:
        """Return True: there is no other."""
        return True

    def scored(self, generation: int, score: float, answer: str = "") -> bool:
        """Count nothing."""
        return False
